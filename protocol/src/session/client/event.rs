//! What goes into the client's session and what comes out.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    ChunkIndex, ChunkRequest, FrameIndex, Info, PathReport, Position, Rendition, RenditionError, TrackId,
    WireError, chunk::ChunkEvent,
};

/// How a client behaves.
#[derive(Debug, Clone, Copy)]
pub struct ClientConfig {
    /// It asks for the next chunk while it holds less than this.
    pub target: Duration,
    /// A request without a sign of life for this long is given up and made again.
    pub timeout: Duration,
    /// After this long without a byte, in spite of retries, the session fails.
    pub give_up: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            target: Duration::from_secs(3),
            timeout: Duration::from_secs(8),
            give_up: Duration::from_secs(180),
        }
    }
}

/// Names a request within a session; late answers to one that was given up are known by it, and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Names one playing of a track within a session, be it the same track as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlayId(pub u64);

/// Where and why a decoder can't go on.
#[derive(Debug, Clone)]
pub struct DecoderFailed {
    /// Of which [`ClientAction::TrackStart`].
    pub play: PlayId,
    /// What it could not decode.
    pub rendition: Arc<Rendition>,
    /// The first frame of the track that it did not give, at the rendition's rate.
    pub at: FrameIndex,
    /// Why, in words.
    pub reason: String,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum ClientInput {
    /// Play this track from there, and forget what was played before. A seek is this too.
    Play {
        /// Which track.
        track: TrackId,
        /// From where.
        at: Position,
    },
    /// What comes after the track that is being fetched, without a gap.
    Follow(Option<TrackId>),
    /// Ask for nothing until [`ClientInput::Resume`].
    Pause,
    /// Go on.
    Resume,
    /// How much audio the client holds that is not yet played.
    Held(Duration),
    /// From now on, the level below which the next chunk is asked for: [`ClientConfig::target`] anew.
    Target(Duration),
    /// What is known of the path now.
    Path(PathReport),
    /// The answer to [`ClientAction::GetInfo`].
    Info {
        /// To which request.
        request: RequestId,
        /// The answer, not yet checked.
        info: Box<Info>,
        /// Whether the chunk that was asked for with it comes next, by the same name of the request.
        chunk_follows: bool,
    },
    /// A piece of the answer to [`ClientAction::GetChunk`].
    Chunk {
        /// To which request.
        request: RequestId,
        /// The piece.
        event: ChunkEvent,
    },
    /// Of the packet that is coming, so much is there: a large one takes seconds of a thin path. It counts as come, though it
    /// can't be played yet.
    Part {
        /// To which request.
        request: RequestId,
        /// In bytes; no fewer than the last time.
        bytes: u64,
    },
    /// Bytes come from the node, though none that can be read of this answer: it is behind others, or a part of it was lost
    /// and is sent again.
    Behind {
        /// To which request.
        request: RequestId,
    },
    /// The node refused.
    Refused {
        /// Which request.
        request: RequestId,
        /// Why.
        error: WireError,
    },
    /// The stream or the connection broke, or the answer was damaged.
    Broken {
        /// Which request.
        request: RequestId,
        /// Why, in words.
        reason: String,
    },
    /// The decoder of what is heard can't go on; nothing is played until [`ClientAction::Rewind`] or [`ClientAction::Clear`].
    DecoderFailed(DecoderFailed),
    /// The time of [`super::ClientSession::timeout`] has come.
    Timeout,
}

/// What to do.
#[derive(Debug, Clone)]
pub enum ClientAction {
    /// Send a `get_info`; the driver adds codecs, output and path.
    GetInfo {
        /// Name of the request.
        request: RequestId,
        /// Which track.
        track: TrackId,
        /// Where it is to be heard from.
        at: Position,
        /// Whether the chunk there is asked for at once, in the rendition that the node chooses.
        then_chunk: bool,
    },
    /// Send a `request_chunk`.
    GetChunk {
        /// Name of the request.
        request: RequestId,
        /// What to ask for.
        message: ChunkRequest,
        /// Of what it is a part, for the bounds of its decoder.
        rendition: Arc<Rendition>,
    },
    /// From here on the track comes in another rendition.
    Switched {
        /// The one it has come in so far.
        from: Arc<Rendition>,
        /// The one it comes in now.
        to: Arc<Rendition>,
        /// Why, in words.
        reason: String,
    },
    /// Drop this request. `silent` says that nothing came for too long, so that its connection is suspect.
    Abandon {
        /// Which request.
        request: RequestId,
        /// Whether it timed out.
        silent: bool,
    },
    /// Throw away all audio that is held.
    Clear,
    /// Throw away all audio that is not decoded, and go on where the decoder failed with what comes next.
    Rewind,
    /// A track begins.
    Begin {
        /// Its name.
        play: PlayId,
        /// What it is and how it comes.
        info: Arc<Info>,
        /// The first frame to be heard, at the rendition's rate.
        from: FrameIndex,
        /// Whether it began before, behind what [`ClientAction::Rewind`] went back to.
        refetch: bool,
    },
    /// A chunk begins; its packets follow. May come again before its end, in another rendition: then what it has from
    /// `from` on goes on where the packets so far ended.
    ChunkStart {
        /// Which of the track.
        index: ChunkIndex,
        /// The first frame of the track that is of use, at the rendition's rate; the chunk's own first, mostly.
        from: FrameIndex,
        /// What its packets are.
        rendition: Arc<Rendition>,
        /// Why they are that, in words: the node's, or those of the last change.
        reason: Arc<str>,
    },
    /// The next packet of the chunk.
    Packet(Bytes),
    /// The chunk is complete and its hash is right.
    ChunkEnd,
    /// No more of this track comes.
    TrackEnd,
    /// Something went wrong and is tried again by itself.
    Retrying {
        /// What went wrong.
        reason: String,
        /// When it is tried again.
        after: Duration,
    },
    /// This track can't go on. If it had begun, its [`ClientAction::TrackEnd`] came before this. The session waits for
    /// [`ClientInput::Play`] or [`ClientInput::Follow`].
    Failed {
        /// Which track.
        track: TrackId,
        /// Why.
        error: Failure,
    },
}

/// Why a track can't go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The node said no.
    #[error(transparent)]
    Refused(#[from] WireError),
    /// The node's answer makes no sense.
    #[error(transparent)]
    Rendition(#[from] RenditionError),
    /// The codec failed, on the node or here, and there is no other for the track.
    #[error("{0}, and there is no other codec for it")]
    NoCodec(String),
    /// The node could not be reached for too long.
    #[error("the node is out of reach: {0}")]
    Unreachable(String),
}
