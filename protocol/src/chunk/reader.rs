use bytes::{Buf, Bytes, BytesMut};

use super::layout::{END, LAST, LOSS, LOSS_MARK, MAGIC, MAX_PACKET, MAX_REFUSAL, REFUSAL, VERSION};
use crate::{ChunkIndex, WireError};

/// Reason why the reader refuses a chunk's stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// The node refused, at the start or in the middle of the chunk.
    #[error(transparent)]
    Refused(WireError),
    /// The stream does not begin like a chunk.
    #[error("the node sent something other than a chunk")]
    NotAChunk,
    /// A version, a flag or a value of the reserved field that this client does not know.
    #[error(
        "the node sends chunks of an unknown version (version {version}, flags {flags:#04x}); update this client"
    )]
    Unknown {
        /// Version in the header.
        version: u8,
        /// Flags in the header.
        flags: u8,
    },
    /// A chunk other than the requested one.
    #[error(
        "the node sent chunk {index} of {frames} frames instead of chunk {expected_index} of {expected_frames} frames"
    )]
    Other {
        /// Index in the header.
        index: u32,
        /// Number of frames in the header.
        frames: u32,
        /// Requested index.
        expected_index: u32,
        /// Number of frames of the requested chunk.
        expected_frames: u64,
    },
    /// A packet longer than [`MAX_PACKET`].
    #[error("the node announced a packet of {0} bytes; the limit is {MAX_PACKET}")]
    PacketTooLong(u32),
    /// More bytes than a chunk of the rendition can have.
    #[error("the node sent more than {0} bytes, the limit of this chunk")]
    TooLong(usize),
    /// A refusal that is too long, or not the JSON of a [`WireError`].
    #[error("the node refused, with a message that this client cannot read")]
    BadRefusal,
    /// A loss part that names no frames, or more than the chunk has, or that is not the last part.
    #[error("the node's report of lost audio is invalid")]
    BadLoss,
    /// The hash at the end does not match the bytes.
    #[error("the chunk was damaged on the way: its hash does not match")]
    Damaged,
    /// Bytes after the end.
    #[error("the node sent bytes after the chunk's end")]
    Trailing,
}

/// Part of a chunk's stream. In order: one header, packets, at most one loss, one end.
#[derive(Clone, PartialEq, Eq)]
pub enum ChunkEvent {
    /// The header. It matches the request.
    Header {
        /// Index of the chunk.
        index: ChunkIndex,
        /// Number of frames to keep.
        frames: u32,
        /// True if the node marked the chunk as the last one of its track.
        last: bool,
    },
    /// A packet. The reader has not checked the hash yet, so a decoder must tolerate any bytes.
    Packet(Bytes),
    /// Number of frames that are silence because the file is damaged; from 1 to the frames of the chunk. The reader has not
    /// checked the hash yet.
    Loss(u32),
    /// The end. The chunk is complete and its hash right.
    End,
}

impl std::fmt::Debug for ChunkEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header { index, frames, last } => {
                write!(f, "Header {{ index: {index}, frames: {frames}, last: {last} }}")
            }
            Self::Packet(bytes) => write!(f, "Packet({} bytes)", bytes.len()),
            Self::Loss(frames) => write!(f, "Loss({frames})"),
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
    Loss,
    /// Behind a loss part only the end may follow.
    End,
    Hash,
    RefusalLength,
    Refusal(usize),
    Done,
    Failed(ChunkError),
}

/// Reads one chunk from pieces of its stream.
///
/// After each push, call [`ChunkReader::next`] until it returns `None`. Then the reader holds at most one
/// partial packet. A packet that lies within one push is a slice of it, not a copy.
#[derive(Debug)]
pub struct ChunkReader {
    index: ChunkIndex,
    frames: u64,
    max_bytes: usize,
    expects_loss: bool,
    received: usize,
    hash: blake3::Hasher,
    /// Pushed bytes that are not read yet.
    pub(super) pushed: Bytes,
    /// First part of an item whose rest is not pushed yet; shorter than [`MAX_PACKET`].
    pub(super) head: BytesMut,
    state: State,
}

impl ChunkReader {
    /// Returns a reader for chunk `index`.
    ///
    /// `frames` is its number of frames ([`crate::Rendition::frames_in`]). `max_bytes` limits the stream,
    /// header and trailer included ([`crate::Rendition::max_chunk_bytes`]).
    #[must_use]
    pub fn new(index: ChunkIndex, frames: u64, max_bytes: usize) -> Self {
        Self {
            index,
            frames,
            max_bytes,
            expects_loss: false,
            received: 0,
            hash: blake3::Hasher::new(),
            pushed: Bytes::new(),
            head: BytesMut::new(),
            state: State::Magic,
        }
    }

    /// Accepts a loss part too: for a request that set [`crate::ChunkMessage::report_loss`].
    #[must_use]
    pub fn expecting_loss(self) -> Self {
        Self { expects_loss: true, max_bytes: self.max_bytes.saturating_add(LOSS), ..self }
    }

    /// Takes bytes from the stream. If they exceed the limit, the reader drops them and [`ChunkReader::next`]
    /// fails.
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

    /// Returns the next event; `None` if it needs more bytes, or after the end.
    ///
    /// # Errors
    /// The stream is not the requested chunk. Every later call returns the same error.
    #[allow(clippy::should_implement_trait, reason = "no iterator: events can follow after `None`")]
    pub fn next(&mut self) -> Result<Option<ChunkEvent>, ChunkError> {
        self.step().map_err(|error| self.fail(error))
    }

    /// True if the chunk is complete and undamaged. A stream that ends before that was cut short.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Returns the number of bytes pushed so far.
    #[must_use]
    pub fn received(&self) -> usize {
        self.received
    }

    /// Returns the number of bytes received of a partial packet; 0 between packets. Call it after
    /// [`ChunkReader::next`] has returned `None`.
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
            let length = match &self.state {
                State::Magic | State::Length | State::Loss | State::End => 4,
                State::Header => 12,
                State::Packet(length) | State::Refusal(length) => *length,
                State::Hash => blake3::OUT_LEN,
                State::RefusalLength => 2,
                State::Done if self.pushed.is_empty() => return Ok(None),
                State::Done => return Err(ChunkError::Trailing),
                State::Failed(error) => return Err(error.clone()),
            };
            let Some(item) = self.take(length) else { return Ok(None) };
            if let Some(event) = self.read(item)? {
                return Ok(Some(event));
            }
        }
    }

    /// Returns the next `length` bytes, or `None` if they are not all pushed yet.
    fn take(&mut self, length: usize) -> Option<Bytes> {
        if self.head.is_empty() && self.pushed.len() >= length {
            return Some(self.pushed.split_to(length));
        }
        let more = self.pushed.len().min(length - self.head.len());
        self.head.extend_from_slice(&self.pushed.split_to(more));
        (self.head.len() == length).then(|| std::mem::take(&mut self.head).freeze())
    }

    /// Reads the item that the state expects.
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
            State::Loss => {
                self.hash.update(&item);
                let silenced = item.clone().get_u32_le();
                if silenced == 0 || u64::from(silenced) > self.frames {
                    return Err(ChunkError::BadLoss);
                }
                event = Some(ChunkEvent::Loss(silenced));
                State::End
            }
            State::End if item[..] == END.to_le_bytes() => State::Hash,
            State::End => return Err(ChunkError::BadLoss),
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
        let version = item.get_u8();
        let flags = item.get_u8();
        let reserved = item.get_u16_le();
        if version != VERSION || flags & !LAST != 0 || reserved != 0 {
            return Err(ChunkError::Unknown { version, flags });
        }
        let index = item.get_u32_le();
        let frames = item.get_u32_le();
        if index != self.index.0 || u64::from(frames) != self.frames {
            let expected_index = self.index.0;
            return Err(ChunkError::Other { index, frames, expected_index, expected_frames: self.frames });
        }
        Ok(ChunkEvent::Header { index: self.index, frames, last: flags & LAST != 0 })
    }

    fn length(&mut self, item: &Bytes) -> Result<State, ChunkError> {
        let length = item.clone().get_u32_le();
        match length {
            END => Ok(State::Hash),
            REFUSAL => Ok(State::RefusalLength),
            LOSS_MARK if self.expects_loss => {
                self.hash.update(item);
                Ok(State::Loss)
            }
            _ if length as usize > MAX_PACKET => Err(ChunkError::PacketTooLong(length)),
            _ => {
                self.hash.update(item);
                Ok(State::Packet(length as usize))
            }
        }
    }
}
