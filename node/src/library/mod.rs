//! The tracks on this machine. The library finds them below the owner's folders, describes them from their
//! headers, notices changed files, and opens files for decoding. It imports `source`; `server` imports all of
//! it, and `client` and `control` only the trait [`Provider`].
//!
//! [`Catalog`] holds the tracks. [`Provider`] is the interface of any library, local or remote. Code that
//! lists, searches or plays tracks needs a `Provider` and nothing else.

mod added_times;
mod album;
mod album_index;
mod catalog;
mod common_artist;
mod disc_name;
mod error;
mod fold;
mod folders;
mod index;
mod listing;
mod named;
mod open_file;
mod open_files;
mod open_track;
pub mod provider;
mod query;
mod root;
mod scan;
mod scope;
mod search_index;
pub mod skipped;
mod source_facts;
#[cfg(test)]
mod test_support;
mod track_file;
mod track_id;

pub use album::{Album, albums};
pub use catalog::Catalog;
pub(crate) use catalog::unknown_track;
pub use error::CatalogError;
pub(crate) use folders::is_named_like_audio;
pub use named::Named;
pub(crate) use open_track::OpenTrack;
pub use provider::{ChunkPackets, Provider, ProviderError};
pub use query::{Match, Query};
pub(crate) use scope::Scope;
pub use skipped::{SkipReason, Skipped};
pub(crate) use source_facts::SourceFacts;
