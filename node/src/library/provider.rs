//! The interface of a library, on this machine or on another node.
//!
//! `server::Service` implements [`Provider`] for the tracks on this machine, `client::RemoteLibrary` for a
//! node reached by ticket. Callers cannot tell the two apart, except by [`ProviderError::Unreachable`].
//!
//! # Promises of an implementation
//!
//! - Calls may run in parallel, from any number of tasks. One call does not wait for another to end.
//! - Dropping a future or a [`ChunkPackets`] abandons the request and frees its resources.
//! - An implementation checks every answer: pages and texts are within the protocol's bounds,
//!   [`media_protocol::Rendition::check`] has passed, and a chunk has the framing of the wire format.
//! - An implementation does not retry. It answers within its own timeouts, or fails.
//! - A chunk is a pure function of track, rendition and index: all providers of a track return the same
//!   packets.

use bytes::Bytes;
use media_plugin_sdk::transport::BoxFuture;
use media_protocol::{ChunkIndex, GetInfo, Info, ListPage, Rendition, WireError, chunk::ChunkError};

/// Result of a provider's call.
pub type Result<T> = std::result::Result<T, ProviderError>;

/// Reason for which a provider gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The library refused the request. A retry helps only if the code is [`media_protocol::ErrorCode::Busy`].
    #[error(transparent)]
    Refused(#[from] WireError),
    /// The library cannot be reached, or the answer stopped before its end. A later retry may succeed. A
    /// local library returns this only while it stops.
    #[error("cannot reach the library: {0}; try again")]
    Unreachable(String),
    /// The answer violates the protocol. A retry gives the same answer unless it was damaged on the way.
    #[error("the library's answer is invalid: {0}")]
    BrokenAnswer(String),
}

/// Tells a refusal in a chunk's stream from an invalid stream.
impl From<ChunkError> for ProviderError {
    fn from(error: ChunkError) -> Self {
        match error {
            ChunkError::Refused(refusal) => Self::Refused(refusal),
            invalid => Self::BrokenAnswer(invalid.to_string()),
        }
    }
}

/// A library that lists, searches, describes and sends tracks.
pub trait Provider: Send + Sync {
    /// Returns up to `limit` tracks from position `offset` on, in library order. [`ListPage::total`] counts
    /// the whole library.
    ///
    /// A page may be shorter than `limit`: it holds at most [`media_protocol::List::MAX`] tracks and
    /// [`media_protocol::List::MAX_ANSWER`] bytes. It is empty only at the end of the library or with `limit`
    /// 0. So a caller that continues at `offset` plus the page's length reads each track once, while the
    /// library does not change.
    ///
    /// # Errors
    /// Any [`ProviderError`].
    fn list(&self, offset: u32, limit: u32) -> BoxFuture<'_, Result<ListPage>>;

    /// Returns a page of the tracks that have every word of `text` at the beginning of a word in their tags, or
    /// whose id is `text`. Case, accents and punctuation make no difference. Order and paging are those of
    /// [`Provider::list`]; [`ListPage::total`] counts the matches. A text without words matches all tracks.
    ///
    /// # Errors
    /// `BadRequest` for a text over [`media_protocol::List::MAX_SEARCH`] bytes; any [`ProviderError`].
    fn search<'a>(&'a self, text: &'a str, offset: u32, limit: u32) -> BoxFuture<'a, Result<ListPage>>;

    /// As [`Provider::search`], with [`media_protocol::Track::detail`] and the best matches first. A node of an
    /// earlier version sends tracks without details, in library order.
    ///
    /// # Errors
    /// Those of [`Provider::search`].
    fn search_detail<'a>(&'a self, text: &'a str, offset: u32, limit: u32)
    -> BoxFuture<'a, Result<ListPage>>;

    /// Returns the track with its exact duration, and the rendition that suits the offered codecs and output.
    /// Opening a track may take seconds the first time. [`GetInfo::then_chunk_at`] is ignored: call
    /// [`Provider::chunk`].
    ///
    /// # Errors
    /// `UnknownTrack`, `NoCommonCodec`, `Unreadable`, `BadRequest` for an offer over the protocol's bounds;
    /// any [`ProviderError`].
    fn info<'a>(&'a self, request: &'a GetInfo) -> BoxFuture<'a, Result<Info>>;

    /// Requests chunk `index` of a rendition that [`Provider::info`] returned, and returns its packets as
    /// they arrive. The future may complete before the library has looked at the request: refusals also come
    /// from [`ChunkPackets::next`].
    ///
    /// # Errors
    /// `OutOfRange` for a chunk after the last, `UnknownRendition`, `UnknownTrack`, `Unreadable`,
    /// `CodecFailed`, `Busy`; any [`ProviderError`].
    fn chunk<'a>(
        &'a self,
        rendition: &'a Rendition,
        index: ChunkIndex,
    ) -> BoxFuture<'a, Result<Box<dyn ChunkPackets>>>;
}

/// The packets of one chunk, in order, as they arrive.
///
/// `Ok(None)` means that all packets were returned and that the hash at the chunk's end matches. Packets that
/// were returned before may be damaged, so a decoder must accept any bytes, and a cache must store nothing
/// before `Ok(None)`.
pub trait ChunkPackets: Send {
    /// Returns the next packet, `None` after the last packet of a verified chunk. Cancel-safe. After an error
    /// or `None`, further calls give the same result.
    ///
    /// # Errors
    /// `Refused` if the library refused the chunk or failed in the middle of it, `Unreachable` if the stream
    /// stopped, `BrokenAnswer` if it is not the requested chunk.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>>>;
}
