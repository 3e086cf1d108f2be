use bytes::{BufMut, Bytes, BytesMut};

use super::layout::{
    END, HEADER, LAST, LOSS, LOSS_MARK, MAGIC, MAX_PACKET, PACKET_PREFIX, REFUSAL, TRAILER, VERSION,
};
use crate::{ChunkIndex, WireError};

/// Error for a packet that does not fit into a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a packet of {0} bytes does not fit into a chunk: 1 to {MAX_PACKET} allowed")]
pub struct PacketLength(pub usize);

/// Writes one chunk. The bytes that [`ChunkWriter::take`] and then [`ChunkWriter::finish`] return, put
/// together, are the chunk.
#[derive(Debug)]
pub struct ChunkWriter {
    /// Hash of the bytes taken so far. BLAKE3 is several times as fast on kilobytes as on single packets.
    hash: blake3::Hasher,
    /// Bytes that are not taken yet.
    written: BytesMut,
}

impl ChunkWriter {
    /// Starts chunk `index` and writes its header. A client keeps `frames` frames of it. `last` marks the
    /// last chunk of a track.
    #[must_use]
    pub fn new(index: ChunkIndex, frames: u32, last: bool) -> Self {
        let mut written = BytesMut::with_capacity(HEADER);
        written.put_slice(&MAGIC);
        written.put_u8(VERSION);
        written.put_u8(if last { LAST } else { 0 });
        written.put_u16_le(0);
        written.put_u32_le(index.0);
        written.put_u32_le(frames);
        Self { hash: blake3::Hasher::new(), written }
    }

    /// Writes a packet with its length.
    ///
    /// # Errors
    /// The packet is empty or longer than [`MAX_PACKET`]. The chunk can continue with another packet.
    pub fn packet(&mut self, packet: &[u8]) -> Result<(), PacketLength> {
        let length = u32::try_from(packet.len()).map_err(|_| PacketLength(packet.len()))?;
        if packet.is_empty() || packet.len() > MAX_PACKET {
            return Err(PacketLength(packet.len()));
        }
        self.written.reserve(PACKET_PREFIX + packet.len());
        self.written.put_u32_le(length);
        self.written.put_slice(packet);
        Ok(())
    }

    /// Returns the bytes written since the last call; empty if there are none.
    pub fn take(&mut self) -> Bytes {
        self.hash.update(&self.written);
        self.written.split().freeze()
    }

    /// Returns the bytes that are not taken yet, the end marker and the hash. Do not write after this.
    #[must_use]
    pub fn finish(&mut self) -> Bytes {
        self.hash.update(&self.written);
        self.written.reserve(TRAILER);
        self.written.put_u32_le(END);
        self.written.put_slice(self.hash.finalize().as_bytes());
        self.written.split().freeze()
    }
}

/// Returns a whole chunk with a loss part: `silenced` of its frames are silence because the file is damaged. Without silenced
/// frames, returns the chunk as it is. For clients that set [`crate::ChunkMessage::report_loss`].
#[must_use]
pub fn with_loss(chunk: &Bytes, silenced: u32) -> Bytes {
    let Some(covered) = chunk.len().checked_sub(TRAILER).filter(|_| silenced > 0) else {
        return chunk.clone();
    };
    let mut bytes = BytesMut::with_capacity(chunk.len() + LOSS);
    bytes.put_slice(&chunk[..covered]);
    bytes.put_u32_le(LOSS_MARK);
    bytes.put_u32_le(silenced);
    let hash = blake3::hash(&bytes);
    bytes.put_u32_le(END);
    bytes.put_slice(hash.as_bytes());
    bytes.freeze()
}

/// Returns the bytes to send in place of a chunk, or of the rest of one.
#[must_use]
pub fn refusal(error: &WireError) -> Bytes {
    // `new` bounds the message and so the JSON: escaped quotes at most double its length.
    let bounded = WireError::new(error.code, error.message.as_str());
    let error = WireError { retry_after_ms: error.retry_after_ms, ..bounded };
    let json = serde_json::to_vec(&error).unwrap_or_default();
    let mut bytes = BytesMut::with_capacity(6 + json.len());
    bytes.put_u32_le(REFUSAL);
    bytes.put_u16_le(u16::try_from(json.len()).unwrap_or(u16::MAX));
    bytes.put_slice(&json);
    bytes.freeze()
}
