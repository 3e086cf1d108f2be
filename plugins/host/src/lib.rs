//! The registry of plugins and the guard around each of them.
//!
//! Whoever wants a codec, an output or a transport asks the [`Registry`] for it by id. What it hands out is guarded:
//! a panic in a codec or an output becomes [`PluginError::Panicked`](media_plugin_sdk::PluginError::Panicked) and ends
//! that encoder, decoder or open output only, and what a plugin claims (lengths, ids, sizes) is checked before the
//! caller sees it. Transports are part of the node and are handed out as they are.

mod check;
mod codec;
mod error;
mod guard;
mod load;
mod output;
mod registry;

pub use check::MAX_EDGE;
pub use codec::guard_codec;
pub use error::{HostError, Kind, Provider};
pub use load::{Folders, Inspected, Note, Scanned, inspect, inspect_anew, scan};
pub use output::guard_output;
pub use registry::{Listing, Origin, Registry, Sources};
