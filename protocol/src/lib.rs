//! The wire of a media node: messages, the coding of chunks, and both ends' sessions as pure state machines.
//!
//! Nothing here does I/O, reads a clock or starts a thread; `README.md` beside this crate is the specification.
//!
//! # Goals
//!
//! The client drives: it learns the format once, then asks for one chunk at a time. A chunk is 3 s of a track in every
//! codec, a pure function of (track, rendition, index), and decodable alone; so it can be cached, checked, resumed and
//! fetched from anywhere. Whatever comes from a peer is bounded before memory is taken for it.
//!
//! # Non-goals
//!
//! Pushing audio to a client, live sources, and clocks shared between rooms.

pub mod chunk;
mod error;
mod id;
mod message;
mod rendition;
pub mod session;
mod ticket;
mod units;

pub use error::{ErrorCode, WireError};
pub use id::{IdError, RenditionId, TrackId};
pub use message::{
    Answer, ChunkRequest, CodecOffer, GetInfo, Info, List, ListPage, OutputOffer, PathKind, PathReport,
    Protocol, Track, TrackSource,
};
pub use rendition::{Rendition, RenditionError};
pub use ticket::{Route, Ticket, TicketError};
pub use units::{CHUNK_SECONDS, ChunkIndex, FrameIndex, Position, chunk_count, frames_per_chunk};
