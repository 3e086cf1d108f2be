//! MP4 (ISO/IEC 14496-12): packets by the tables in the file, and the edit list.
//!
//! Symphonia reads neither edit lists nor iTunes' gapless note, and it keeps all tables in memory, in every reader: those
//! of a ten-hour book have 1.5 million packets. [`Mp4Reader`] leaves the tables in the file and buffers some kilobytes of
//! each. For the description of the codec, Symphonia reads a copy of the headers with empty tables. Symphonia also reads
//! files in fragments.

mod boxes;
mod edit_list;
mod read_buffer;
mod reader;
mod sample_tables;
mod track_description;

#[cfg(test)]
pub(super) mod tests;

pub(super) use edit_list::Outline;
pub(super) use reader::Mp4Reader;

/// The number in the first four bytes of `bytes`.
fn big_endian(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |word| u32::from_be_bytes(*word))
}
