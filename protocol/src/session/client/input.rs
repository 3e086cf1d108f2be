use std::{sync::Arc, time::Duration};

use super::action::{PlayId, RequestId};
use crate::{FrameIndex, Info, PathReport, Position, Rendition, TrackId, WireError, chunk::ChunkEvent};

/// An event that the driver reports to [`super::ClientSession`].
#[derive(Debug, Clone)]
pub enum ClientInput {
    /// Play this track from this position, and drop all that was played before. A seek is the same input.
    Play {
        /// Id of the play.
        play: PlayId,
        /// The track.
        track: TrackId,
        /// The first instant to be heard.
        at: Position,
    },
    /// Play a track after the last one, without a gap.
    ///
    /// The session ignores it unless `after` is the last play: the one it took up last, or the one of the last
    /// [`super::ClientAction::Failed`]. So the driver may answer an event that is out of date by now, and may repeat itself.
    Follow {
        /// The play that this one follows.
        after: PlayId,
        /// The play; `None` for none.
        next: Option<NextPlay>,
    },
    /// Send no request until [`ClientInput::Resume`].
    Pause,
    /// End of the pause.
    Resume,
    /// Length of the received audio that is not played yet.
    BufferLevel(Duration),
    /// New value of [`super::ClientConfig::target`].
    TargetLevel(Duration),
    /// The path to the node, as known now.
    Path(PathReport),
    /// Answer to [`super::ClientAction::GetInfo`].
    Info {
        /// The request that it answers.
        request: RequestId,
        /// The answer. The session checks it.
        info: Box<Info>,
        /// True if the chunk that was requested with it follows, under the same request id.
        chunk_follows: bool,
    },
    /// Part of the answer to [`super::ClientAction::GetChunk`].
    Chunk {
        /// The request that it answers.
        request: RequestId,
        /// The event, as [`crate::chunk::ChunkReader`] returns it.
        event: ChunkEvent,
    },
    /// Part of a packet was received. A large packet takes seconds on a slow path. These bytes count as
    /// received, though the client cannot play them yet.
    PartialPacket {
        /// The request that it answers.
        request: RequestId,
        /// Bytes received of the packet; never fewer than the time before.
        bytes: u64,
    },
    /// The connection carries bytes, but none that this request can read: other data is ahead of it, or a
    /// lost part of it is being sent again.
    HeadOfLineBlocked {
        /// The request.
        request: RequestId,
    },
    /// The node refused the request.
    Refused {
        /// The request.
        request: RequestId,
        /// The refusal.
        error: WireError,
    },
    /// The stream or the connection failed, or ended before the answer did.
    Broken {
        /// The request.
        request: RequestId,
        /// The reason in words.
        reason: String,
    },
    /// The answer violates the protocol: a wrong hash, a wrong length, other framing. Transports deliver bytes
    /// unchanged, so the node sent it like this.
    Damaged {
        /// The request.
        request: RequestId,
        /// The reason in words.
        reason: String,
    },
    /// The decoder failed. Playback stops until [`super::ClientAction::Rewind`] or
    /// [`super::ClientAction::Clear`].
    DecoderFailed(DecoderFailed),
    /// The time that [`super::ClientSession::timeout`] returned has come.
    Timeout,
}

/// The play of a track from its start, after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextPlay {
    /// Id of the play.
    pub play: PlayId,
    /// The track.
    pub track: TrackId,
}

/// Place and reason of a decoder's failure.
#[derive(Debug, Clone)]
pub struct DecoderFailed {
    /// The play, as [`super::ClientAction::TrackStart`] named it.
    pub play: PlayId,
    /// The rendition that the decoder could not decode.
    pub rendition: Arc<Rendition>,
    /// First frame of the track that the decoder did not give, at the rendition's rate.
    pub at: FrameIndex,
    /// The reason in words.
    pub reason: String,
}
