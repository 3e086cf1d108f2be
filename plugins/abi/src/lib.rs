//! The C ABI between a media node and the plugins that it loads: plain data, no dependencies.
//!
//! The names are those of the C header `include/media_node_plugin.h`, which is generated from this crate. A plugin in
//! Rust never sees them: `export_plugin!` of the SDK speaks this ABI for it.

#![allow(non_camel_case_types, reason = "the names are those of the C header")]

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
