use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    ChunkIndex, ChunkRequest, FrameIndex, Info, Position, Rendition, RenditionError, TrackId, WireError,
};

/// Id of a request within a session. The session drops late answers to requests that it has abandoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Id of one play of a track, chosen by the driver. Each play has a greater id than those before it, also if it plays the
/// same track again. A play that a rewind drops and fetches again keeps its id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlayId(pub u64);

/// An instruction of [`super::ClientSession`] to its driver.
#[derive(Debug, Clone)]
pub enum ClientAction {
    /// Send a `get_info`. The driver adds codecs, output and path.
    GetInfo {
        /// Id of the request.
        request: RequestId,
        /// The track.
        track: TrackId,
        /// First instant to be heard.
        at: Position,
        /// True if the request includes the chunk at `at`, in the rendition that the node chooses.
        then_chunk: bool,
    },
    /// Send a `request_chunk`.
    GetChunk {
        /// Id of the request.
        request: RequestId,
        /// The message to send.
        message: ChunkRequest,
        /// The chunk's rendition, for the bounds of its [`crate::chunk::ChunkReader`].
        rendition: Arc<Rendition>,
    },
    /// The track continues in another rendition.
    Switched {
        /// The previous rendition.
        from: Arc<Rendition>,
        /// The new one.
        to: Arc<Rendition>,
        /// The reason in words.
        reason: String,
    },
    /// Abandon this request.
    Abandon {
        /// The request.
        request: RequestId,
        /// True if it timed out, so that the connection itself may be dead.
        silent: bool,
    },
    /// Drop all audio in the buffer.
    Clear {
        /// The play that comes instead.
        play: PlayId,
    },
    /// Drop all audio that is not decoded. Resume with the packets that follow, at the frame where the
    /// decoder failed.
    Rewind,
    /// A track starts.
    TrackStart {
        /// Id of the play.
        play: PlayId,
        /// The track and its renditions.
        info: Arc<Info>,
        /// First frame to be heard, at the rendition's rate.
        from: FrameIndex,
        /// True if the track started once before, and [`ClientAction::Rewind`] dropped it.
        refetch: bool,
    },
    /// A chunk starts; its packets follow. It can start again before its end, in another rendition: then
    /// `from` is the frame after the last one delivered.
    ChunkStart {
        /// Index of the chunk in its track.
        index: ChunkIndex,
        /// First frame of the track to keep, at the rendition's rate; mostly the chunk's own first.
        from: FrameIndex,
        /// Rendition of its packets.
        rendition: Arc<Rendition>,
        /// Reason for that rendition in words: the node's, or the one of the last switch.
        reason: Arc<str>,
    },
    /// The next packet of the chunk.
    Packet(Bytes),
    /// The chunk is complete and its hash is right.
    ChunkEnd {
        /// Number of its frames that are silence because the file is damaged, as the node reports it.
        silenced: u32,
    },
    /// The track is complete, or [`ClientAction::Failed`] follows.
    TrackEnd,
    /// A request failed. The session retries it.
    Retrying {
        /// The failure in words.
        reason: String,
        /// Wait before the retry.
        after: Duration,
    },
    /// The session gave a track up. If the track had started, its [`ClientAction::TrackEnd`] came before. The
    /// session waits for [`super::ClientInput::Play`] or [`super::ClientInput::Follow`].
    Failed {
        /// The play.
        play: PlayId,
        /// Its track.
        track: TrackId,
        /// The reason.
        error: Failure,
    },
}

/// Reason why the session gave a track up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The node refused.
    #[error(transparent)]
    Refused(#[from] WireError),
    /// The node described a rendition that cannot exist.
    #[error(transparent)]
    Rendition(#[from] RenditionError),
    /// The codec failed, on the node or in the client, and the track has no other codec.
    #[error("{0}, and there is no other codec for it")]
    NoCodec(String),
    /// The node sent too many damaged or incomplete copies of an answer, and the track has no other rendition.
    #[error("{0}")]
    Damaged(String),
    /// All retries within [`super::ClientConfig::give_up`] failed.
    #[error("the node is out of reach: {0}")]
    Unreachable(String),
}
