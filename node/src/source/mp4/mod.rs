//! MP4: where its packets lie, by the tables in the file, and what of them is to be presented. (ISO/IEC 14496-12.)
//!
//! Symphonia reads neither edit lists nor iTunes' note, and holds all tables in memory: 1.5 million packets of a ten-hour
//! book, in every reader. Here they stay in the file; a [`Packets`] holds some kilobytes of each. What the
//! codec is, Symphonia tells from a copy of the headers with empty tables. A file in fragments is left to it altogether.

mod boxes;
mod column;
mod edit;
mod head;
mod packets;
mod piece;
mod runs;

#[cfg(test)]
mod tests;

pub(super) use edit::Outline;
pub(super) use packets::Packets;

/// The big-endian number that begins with `bytes`' first four.
fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |word| u32::from_be_bytes(*word))
}
