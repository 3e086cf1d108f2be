//! The numbers of the coding. `tests/specification.rs` compares them with the specification.

/// Greatest length of a packet, in bytes.
pub const MAX_PACKET: usize = 1024 * 1024;
/// Length of the header, in bytes.
pub const HEADER: usize = 16;
/// Length of the prefix of each packet, in bytes.
pub const PACKET_PREFIX: usize = 4;
/// Length of the end marker and the hash, in bytes.
pub const TRAILER: usize = 4 + blake3::OUT_LEN;
/// Greatest length of a refusal, in bytes of JSON.
pub const MAX_REFUSAL: usize = 2048;
/// Length of the loss part, in bytes.
pub const LOSS: usize = 8;

pub(super) const MAGIC: [u8; 4] = *b"MNCH";
pub(super) const VERSION: u8 = 1;
/// Flag of the track's last chunk.
pub(super) const LAST: u8 = 1;
/// Length that marks the end.
pub(super) const END: u32 = 0;
/// Length that marks the loss part.
pub(super) const LOSS_MARK: u32 = 0xffff_fffe;
/// Length that marks a refusal.
pub(super) const REFUSAL: u32 = u32::MAX;
