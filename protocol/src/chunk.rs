//! The coding of a chunk's stream: a header, packets with their lengths, a hash at the end.
//!
//! All numbers are little-endian.
//!
//! | part | bytes |
//! |---|---|
//! | header | `MNCH`, version `u8` = 1, flags `u8` (bit 0: the track's last chunk), `u16` = 0, index `u32`, frames `u32` |
//! | packet, any number of them | length `u32`, 1 to [`MAX_PACKET`]; that many bytes |
//! | end | `u32` = 0; BLAKE3 of everything before it, 32 bytes |
//! | refusal, at any packet's place or the header's | `u32` = 0xFFFF_FFFF, length `u16`, JSON of a [`WireError`] |

use bytes::{BufMut, Bytes, BytesMut};

use crate::{ChunkIndex, WireError};

mod reader;
#[cfg(test)]
mod tests;

pub use reader::{ChunkError, ChunkEvent, ChunkReader};

/// The longest packet, in bytes.
pub const MAX_PACKET: usize = 1024 * 1024;
/// The header's length, in bytes.
pub const HEADER: usize = 16;
/// What stands before each packet, in bytes.
pub const PACKET_PREFIX: usize = 4;
/// The length of the end marker and the hash, in bytes.
pub const TRAILER: usize = 4 + blake3::OUT_LEN;
/// The longest refusal, in bytes of JSON.
pub const MAX_REFUSAL: usize = 2048;

const MAGIC: [u8; 4] = *b"MNCH";
const VERSION: u8 = 1;
const LAST: u8 = 1;
const END: u32 = 0;
const REFUSAL: u32 = u32::MAX;

/// A packet that no chunk can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a packet of {0} bytes does not fit into a chunk: 1 to {MAX_PACKET} allowed")]
pub struct PacketLength(pub usize);

/// Writes one chunk. What [`ChunkWriter::take`] and [`ChunkWriter::finish`] return, one after the other, is the chunk as
/// it is cached and sent.
#[derive(Debug)]
pub struct ChunkWriter {
    /// Of what was taken: BLAKE3 is several times as fast on kilobytes as on packets.
    hash: blake3::Hasher,
    /// Written and not taken yet.
    written: BytesMut,
}

impl ChunkWriter {
    /// Begins chunk `index`, of which a client keeps `frames` frames; `last` where it ends the track. Writes the header.
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

    /// Writes the packet with its length before it.
    ///
    /// # Errors
    /// A packet that is empty or over [`MAX_PACKET`]; the chunk can go on with another.
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

    /// What was written since the last time; nothing where there is nothing.
    pub fn take(&mut self) -> Bytes {
        self.hash.update(&self.written);
        self.written.split().freeze()
    }

    /// What was not taken yet, the end marker and the hash. Nothing is written after that.
    #[must_use]
    pub fn finish(&mut self) -> Bytes {
        self.hash.update(&self.written);
        self.written.reserve(TRAILER);
        self.written.put_u32_le(END);
        self.written.put_slice(self.hash.finalize().as_bytes());
        self.written.split().freeze()
    }
}

/// What is sent in place of a chunk, or of the rest of one.
#[must_use]
pub fn refusal(error: &WireError) -> Bytes {
    // `new` bounds the message, and so the JSON: two bytes for one at worst, where quotes are escaped.
    let bounded = WireError::new(error.code, error.message.as_str());
    let error = WireError { retry_after_ms: error.retry_after_ms, ..bounded };
    let json = serde_json::to_vec(&error).unwrap_or_default();
    let mut bytes = BytesMut::with_capacity(6 + json.len());
    bytes.put_u32_le(REFUSAL);
    bytes.put_u16_le(u16::try_from(json.len()).unwrap_or(u16::MAX));
    bytes.put_slice(&json);
    bytes.freeze()
}
