//! Where a panic in a plugin stops.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::{PluginError, Result};

/// Runs one call into a plugin; a panic becomes [`PluginError::Panicked`].
///
/// # Errors
/// What the call returns, or `Panicked` with the first line of the message.
pub fn caught<R>(call: impl FnOnce() -> Result<R>) -> Result<R> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|payload| Err(PluginError::Panicked(message(payload))))
}

/// The first line of a panic's message. The payload is leaked, because its drop is the plugin's code and can panic again.
fn message(payload: Box<dyn Any + Send>) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let line = text.lines().next().unwrap_or_default().chars().take(200).collect();
    std::mem::forget(payload);
    line
}
