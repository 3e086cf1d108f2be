//! MP4 (ISO/IEC 14496-12): packets by the tables in the file, and the edit list.
//!
//! Symphonia reads neither edit lists nor iTunes' gapless note. Each of its readers keeps all tables in memory, and those of a
//! ten-hour book describe 1.5 million packets. [`Mp4Reader`] leaves the tables in the file and buffers some kilobytes of
//! each. It lets Symphonia read the description of the codec, from a copy of the headers with empty tables. Symphonia's own
//! reader plays files in fragments, at the times that [`FragmentTimes`] reads.

mod boxes;
mod edit_list;
mod fragments;
mod reader;
mod sample_entry;
mod sample_tables;
mod track_description;

#[cfg(test)]
pub(super) mod tests;

pub(super) use edit_list::Outline;
pub(super) use fragments::FragmentTimes;
pub(super) use reader::Mp4Reader;
pub(super) use sample_entry::unsupported_kind;

/// The number in the first four bytes of `bytes`.
fn big_endian(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |word| u32::from_be_bytes(*word))
}
