//! The wire protocol of a media node: messages, chunk coding, tickets, and both ends of a session as state
//! machines.
//!
//! The crate does no I/O, reads no clock and starts no thread. `README.md` beside it is the specification.
//!
//! # Goals
//!
//! The client drives: it learns the format once, then requests one chunk at a time. A chunk is 3 s of a track
//! in every codec, a pure function of (track, rendition, index), and decodable alone. So a chunk can be
//! cached, checked, resumed, and fetched from any node. The crate checks every size from a peer before it
//! allocates memory for it.
//!
//! # Non-goals
//!
//! Pushing audio to a client, live sources, and clocks shared between players.

pub mod chunk;
mod detail;
mod error;
mod id;
mod message;
mod rendition;
pub mod session;
mod ticket;
mod units;

/// Beginning of the reason with which a node closes the connections of a client whose ticket or identity it no longer
/// admits. The code of the refusal follows, as in `access ended: revoked`.
pub const ACCESS_ENDED: &str = "access ended: ";
/// Feature of a node that checks rights, names them in the handshake, and gives reasons for refusals.
pub const FEATURE_RIGHTS: &str = "rights";

pub use detail::{Date, DateError, Loudness, MusicBrainzIds, SortNames, TrackDetail, TrackTags};
pub use error::{ErrorCode, WireError};
pub use id::{IdError, RenditionId, TrackId};
pub use message::{
    Answer, ChunkMessage, ChunkRequest, CodecOffer, GetInfo, Info, List, ListPage, OutputOffer, PathKind,
    PathReport, Protocol, Track, TrackSource,
};
pub use rendition::{Rendition, RenditionError};
pub use ticket::{Route, Ticket, TicketError};
pub use units::{CHUNK_SECONDS, ChunkIndex, FrameIndex, Position, chunk_count, frames_per_chunk};
