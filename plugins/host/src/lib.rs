//! Host of plugins: the registry, the loader of shared libraries, and the guard around each plugin.
//!
//! The node gets a codec, an output or a transport from the [`Registry`] by its id. Codecs and outputs come guarded. A
//! panic becomes [`PluginError::Panicked`](media_plugin_sdk::PluginError::Panicked) and ends only that encoder, decoder
//! or open output. The guard checks ids, lengths and sizes before the caller sees them. Transports are part of the node
//! and come unguarded.

mod bounds;
mod candidates;
mod error;
mod guard;
mod listing;
mod load_options;
mod loader;
mod registry;

pub use bounds::MAX_EDGE;
pub use error::{HostError, PluginCopy};
pub use guard::{guard_codec, guard_output};
pub use listing::{Kind, Listing, PluginOrigin};
pub use load_options::LoadOptions;
pub use loader::{AbiNote, LibraryDescription, LibraryFile, SearchPath, inspect, inspect_again, scan};
pub use registry::Registry;
