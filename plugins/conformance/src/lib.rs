//! One conformance suite per plugin kind, for built-in and loaded plugins alike.
//!
//! A suite is a function that drives a plugin through the host's guard and stops at the first rule of the SDK's contract
//! that the plugin breaks. Tests of a codec or an output call it:
//!
//! ```text
//! media_plugin_conformance::output::check(|| Box::new(Null), &open).unwrap();
//! ```

pub mod chunks;
pub mod codec;
mod failure;
mod fenced_buffer;
pub mod library;
mod measurements;
pub mod output;
pub mod signal;
#[cfg(feature = "transport")]
pub mod transport;

pub use failure::Failure;
pub use fenced_buffer::{Edge, FencedBuffer, Pod, ReadOnlyBuffer};
pub use measurements::Measurements;
