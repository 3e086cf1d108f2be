//! Guard that stops a plugin's panic.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::error::{PluginError, Result};

/// Longest panic message that [`catch_panic`] keeps, in characters.
const MAX_MESSAGE: usize = 200;

/// Runs one call into a plugin and turns a panic into [`PluginError::Panicked`].
///
/// # Errors
/// The error of the call, or `Panicked` with the first line of the panic's message.
pub fn catch_panic<R>(call: impl FnOnce() -> Result<R>) -> Result<R> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|payload| Err(PluginError::Panicked(message(payload))))
}

/// Returns the first line of a panic's message. Leaks the payload, because its `drop` is code of the plugin
/// and can panic again.
fn message(payload: Box<dyn Any + Send>) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let line = text.lines().next().unwrap_or_default().chars().take(MAX_MESSAGE).collect();
    std::mem::forget(payload);
    line
}
