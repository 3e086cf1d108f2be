//! The tracks on this machine: found below the owner's folders, described from their headers, followed as
//! files change, and opened for decoding. Above `source`, below `server`, `client` and `control`.
//!
//! [`Catalog`] holds the tracks. [`Provider`] is the interface of any library, local or remote. Code that
//! lists, searches or plays tracks needs a `Provider` and nothing else.

mod catalog;
mod error;
mod index;
mod listing;
mod open_file;
mod open_files;
mod open_track;
pub mod provider;
mod root;
mod scan;
mod source_facts;
mod track_file;
mod track_id;

pub use catalog::Catalog;
pub use error::{CatalogError, Skipped};
pub(crate) use open_track::OpenTrack;
pub use provider::{ChunkPackets, Provider, ProviderError};
pub(crate) use source_facts::SourceFacts;
