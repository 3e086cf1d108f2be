use bytes::{Buf, Bytes, BytesMut};

use super::{LAST, MAGIC, MAX_PACKET, MAX_REFUSAL, REFUSAL, VERSION};
use crate::{ChunkIndex, WireError};

/// Why a chunk's stream is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// The node refused, or failed in midstream.
    #[error(transparent)]
    Refused(WireError),
    /// It does not begin as a chunk does.
    #[error("what the node sent is no chunk")]
    NotAChunk,
    /// A version, a flag or a use of the reserved field that this client does not know.
    #[error(
        "the node sends chunks in a form that this client does not know (version {version}, flags {flags:#04x}): update it"
    )]
    Unknown {
        /// The header's version.
        version: u8,
        /// The header's flags.
        flags: u8,
    },
    /// Another chunk than was asked for.
    #[error(
        "the node sent chunk {index} of {frames} frames in place of chunk {expected_index} of {expected_frames}"
    )]
    Other {
        /// The header's index.
        index: u32,
        /// The header's frames.
        frames: u32,
        /// The index asked for.
        expected_index: u32,
        /// The frames that it must have.
        expected_frames: u64,
    },
    /// A packet over [`MAX_PACKET`].
    #[error("the node announces a packet of {0} bytes; at most {MAX_PACKET} are taken")]
    PacketTooLong(u32),
    /// More than the whole chunk may take.
    #[error("the chunk is over {0} bytes, more than it can honestly take")]
    TooLong(usize),
    /// A refusal that is too long or not JSON of the right shape.
    #[error("the node refused, in words that cannot be read")]
    BadRefusal,
    /// The hash at the end is that of other bytes.
    #[error("the chunk was damaged on its way: its hash does not match")]
    Damaged,
    /// Something follows the end.
    #[error("the node sent more after the chunk's end")]
    Trailing,
}

/// What a chunk's stream holds, in order: one header, packets, one end.
#[derive(Clone, PartialEq, Eq)]
pub enum ChunkEvent {
    /// The header, checked against what was asked for.
    Header {
        /// Which chunk.
        index: ChunkIndex,
        /// Frames to keep of it.
        frames: u32,
        /// Whether the node says that it ends the track.
        last: bool,
    },
    /// A packet; not yet covered by the hash, so its decoder must bear anything.
    Packet(Bytes),
    /// The chunk is complete and its hash right.
    End,
}

impl std::fmt::Debug for ChunkEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header { index, frames, last } => {
                write!(f, "Header {{ index: {index}, frames: {frames}, last: {last} }}")
            }
            Self::Packet(bytes) => write!(f, "Packet({} bytes)", bytes.len()),
            Self::End => f.write_str("End"),
        }
    }
}

#[derive(Debug, Clone)]
enum State {
    Magic,
    Header,
    Length,
    Packet(usize),
    Hash,
    RefusalLength,
    Refusal(usize),
    Done,
    Failed(ChunkError),
}

/// Reads one chunk, as its bytes come.
///
/// Call [`ChunkReader::next`] until it returns `None` after each push; then no more is held than one unfinished packet
/// beside what was pushed. Packets that lie within one push are slices of it, not copies.
#[derive(Debug)]
pub struct ChunkReader {
    index: ChunkIndex,
    frames: u64,
    max_bytes: usize,
    received: usize,
    hash: blake3::Hasher,
    /// Pushed and not yet read.
    pub(super) pushed: Bytes,
    /// The head of an item whose rest has not been pushed yet; shorter than [`MAX_PACKET`].
    pub(super) head: BytesMut,
    state: State,
}

impl ChunkReader {
    /// Expects chunk `index` with `frames` frames ([`crate::Rendition::frames_in`]) in at most `max_bytes` bytes, header and
    /// trailer included ([`crate::Rendition::max_chunk_bytes`]).
    #[must_use]
    pub fn new(index: ChunkIndex, frames: u64, max_bytes: usize) -> Self {
        Self {
            index,
            frames,
            max_bytes,
            received: 0,
            hash: blake3::Hasher::new(),
            pushed: Bytes::new(),
            head: BytesMut::new(),
            state: State::Magic,
        }
    }

    /// Takes bytes from the stream. Those over the limit are dropped, and [`ChunkReader::next`] says so.
    pub fn push(&mut self, bytes: Bytes) {
        self.received = self.received.saturating_add(bytes.len());
        if matches!(self.state, State::Failed(_)) {
            return;
        }
        if self.received > self.max_bytes {
            self.fail(ChunkError::TooLong(self.max_bytes));
        } else if self.pushed.is_empty() {
            self.pushed = bytes;
        } else {
            self.pushed = [&*self.pushed, &*bytes].concat().into();
        }
    }

    /// The next event; `None` when more must be pushed first, or after the end.
    ///
    /// # Errors
    /// The stream is not the chunk that was asked for; every later call says the same.
    #[allow(clippy::should_implement_trait, reason = "no iterator: more may come after `None`")]
    pub fn next(&mut self) -> Result<Option<ChunkEvent>, ChunkError> {
        self.step().map_err(|error| self.fail(error))
    }

    /// Whether the chunk has come to its end, whole and undamaged. A stream that finishes before was cut short.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Bytes pushed so far.
    #[must_use]
    pub fn received(&self) -> usize {
        self.received
    }

    /// How many bytes are there of the packet that has not come whole, once [`ChunkReader::next`] has said `None`; 0 between
    /// packets.
    #[must_use]
    pub fn partial_packet(&self) -> usize {
        if let State::Packet(_) = self.state { self.head.len() } else { 0 }
    }

    fn fail(&mut self, error: ChunkError) -> ChunkError {
        self.pushed = Bytes::new();
        self.head = BytesMut::new();
        self.state = State::Failed(error.clone());
        error
    }

    fn step(&mut self) -> Result<Option<ChunkEvent>, ChunkError> {
        loop {
            let wanted = match &self.state {
                State::Magic | State::Length => 4,
                State::Header => 12,
                State::Packet(length) | State::Refusal(length) => *length,
                State::Hash => blake3::OUT_LEN,
                State::RefusalLength => 2,
                State::Done if self.pushed.is_empty() => return Ok(None),
                State::Done => return Err(ChunkError::Trailing),
                State::Failed(error) => return Err(error.clone()),
            };
            let Some(item) = self.take(wanted) else { return Ok(None) };
            if let Some(event) = self.read(item)? {
                return Ok(Some(event));
            }
        }
    }

    /// The next `wanted` bytes, once they are there.
    fn take(&mut self, wanted: usize) -> Option<Bytes> {
        if self.head.is_empty() && self.pushed.len() >= wanted {
            return Some(self.pushed.split_to(wanted));
        }
        let more = self.pushed.len().min(wanted - self.head.len());
        self.head.extend_from_slice(&self.pushed.split_to(more));
        (self.head.len() == wanted).then(|| std::mem::take(&mut self.head).freeze())
    }

    /// Reads the item that the state waits for.
    fn read(&mut self, item: Bytes) -> Result<Option<ChunkEvent>, ChunkError> {
        let mut event = None;
        self.state = match &self.state {
            State::Magic => match item[..] {
                _ if item[..] == REFUSAL.to_le_bytes() => State::RefusalLength,
                _ if item[..] == MAGIC => {
                    self.hash.update(&item);
                    State::Header
                }
                _ => return Err(ChunkError::NotAChunk),
            },
            State::Header => {
                self.hash.update(&item);
                event = Some(self.header(item)?);
                State::Length
            }
            State::Length => self.length(&item)?,
            State::Packet(_) => {
                self.hash.update(&item);
                event = Some(ChunkEvent::Packet(item));
                State::Length
            }
            State::Hash if self.hash.finalize() == item[..] => {
                event = Some(ChunkEvent::End);
                State::Done
            }
            State::Hash => return Err(ChunkError::Damaged),
            State::RefusalLength => match usize::from(item.clone().get_u16_le()) {
                length @ 1..=MAX_REFUSAL => State::Refusal(length),
                _ => return Err(ChunkError::BadRefusal),
            },
            State::Refusal(_) => {
                let refusal = serde_json::from_slice(&item);
                return Err(refusal.map_or(ChunkError::BadRefusal, ChunkError::Refused));
            }
            State::Done => return Err(ChunkError::Trailing),
            State::Failed(error) => return Err(error.clone()),
        };
        Ok(event)
    }

    fn header(&self, mut item: Bytes) -> Result<ChunkEvent, ChunkError> {
        let (version, flags, reserved) = (item.get_u8(), item.get_u8(), item.get_u16_le());
        if version != VERSION || flags & !LAST != 0 || reserved != 0 {
            return Err(ChunkError::Unknown { version, flags });
        }
        let (index, frames) = (item.get_u32_le(), item.get_u32_le());
        if index != self.index.0 || u64::from(frames) != self.frames {
            let (expected_index, expected_frames) = (self.index.0, self.frames);
            return Err(ChunkError::Other { index, frames, expected_index, expected_frames });
        }
        Ok(ChunkEvent::Header { index: self.index, frames, last: flags & LAST != 0 })
    }

    fn length(&mut self, item: &Bytes) -> Result<State, ChunkError> {
        let length = item.clone().get_u32_le();
        match length {
            super::END => Ok(State::Hash),
            REFUSAL => Ok(State::RefusalLength),
            _ if length as usize > MAX_PACKET => Err(ChunkError::PacketTooLong(length)),
            _ => {
                self.hash.update(item);
                Ok(State::Packet(length as usize))
            }
        }
    }
}
