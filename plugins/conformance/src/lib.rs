//! One test suite per plugin kind, for built-in and loaded plugins alike.
//!
//! A suite is a function that drives a plugin through the host's guard and stops at the first thing that breaks the
//! contract of the SDK. A codec's or an output's own tests call it:
//!
//! ```text
//! media_plugin_conformance::output::check(|| Box::new(Null), &open).unwrap();
//! ```

pub mod chunks;
pub mod codec;
mod fenced_buffer;
pub mod library;
pub mod output;
pub mod signal;
#[cfg(feature = "transport")]
pub mod transport;

pub use fenced_buffer::{Edge, FencedBuffer, Pod, ReadOnlyBuffer};

use std::collections::BTreeMap;

use media_plugin_sdk::PluginError;

/// What was measured, by name; the unit is the name's last word.
pub type Figures = BTreeMap<String, u64>;

/// What broke the contract, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{check}: {why}")]
pub struct Failure {
    /// Which rule was checked.
    pub check: &'static str,
    /// What the plugin did instead.
    pub why: String,
}

impl Failure {
    fn new(check: &'static str, why: impl Into<String>) -> Self {
        Self { check, why: why.into() }
    }
}

/// Names the rule that a plugin's error broke.
trait During<T> {
    fn during(self, check: &'static str) -> Result<T, Failure>;
}

impl<T> During<T> for Result<T, PluginError> {
    fn during(self, check: &'static str) -> Result<T, Failure> {
        self.map_err(|e| Failure::new(check, e.to_string()))
    }
}

fn require(holds: bool, check: &'static str, why: impl Into<String>) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::new(check, why)) }
}
