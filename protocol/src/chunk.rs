//! The coding of a chunk's stream: a header, packets with their lengths, and a hash at the end.
//!
//! All numbers are little-endian.
//!
//! | part | bytes |
//! |---|---|
//! | header | `MNCH`, version `u8` = 1, flags `u8` (bit 0: the track's last chunk), `u16` = 0, index `u32`, frames `u32` |
//! | packet, any number of them | length `u32`, 1 to [`MAX_PACKET`]; that many bytes |
//! | loss, if the client asked for it and there is any | `u32` = 0xFFFF_FFFE, silenced frames `u32` |
//! | end | `u32` = 0; BLAKE3 of everything before it, 32 bytes |
//! | refusal, in place of a packet or of the header | `u32` = 0xFFFF_FFFF, length `u16`, JSON of a [`crate::WireError`] |

mod layout;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use layout::{HEADER, LOSS, MAX_PACKET, MAX_REFUSAL, PACKET_PREFIX, TRAILER};
pub use reader::{ChunkError, ChunkEvent, ChunkReader};
pub use writer::{ChunkWriter, PacketLength, refusal, with_loss};
