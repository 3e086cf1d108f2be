//! C ABI between a media node and the plugins that it loads, as plain data without dependencies.
//!
//! The C header `include/media_node_plugin.h` is generated from this crate and has the same names. A plugin
//! in Rust does not use them: `export_plugin!` of the SDK implements this ABI for it.

#![allow(non_camel_case_types, reason = "the C header has these names")]

mod codec;
mod note;
mod output;
mod plugin;
mod status;
mod versioned;

pub use codec::*;
pub use note::*;
pub use output::*;
pub use plugin::*;
pub use status::*;
pub use versioned::{Versioned, read};
