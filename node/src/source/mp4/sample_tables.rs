use std::{fs::File, ops::Range};

use symphonia::core::errors::{Result, decode_error};

use super::{number, piece::Piece};

/// A table with an entry for each packet or chunk, which is read a piece at a time.
#[derive(Debug)]
pub(super) struct Column {
    /// Where the entries begin.
    start: u64,
    pub(super) entries: u32,
    /// Bits of an entry: 4, 8, 16, 32 or 64; 0 where all are `same`.
    bits: u32,
    same: u32,
    piece: Piece,
}

impl Column {
    /// The sizes of packets, of `stsz`.
    pub(super) fn sizes(file: &mut File, body: Range<u64>) -> Result<Self> {
        let mut piece = Piece::new(4096);
        let same = number(piece.get(file, body.start.saturating_add(4), 4)?);
        Self::new(file, body, 8, if same == 0 { 32 } else { 0 }, same)
    }

    /// The same in fewer bits, of `stz2`.
    pub(super) fn small_sizes(file: &mut File, body: Range<u64>) -> Result<Self> {
        let bits = number(Piece::new(4096).get(file, body.start.saturating_add(4), 4)?) & 0xff;
        match bits {
            4 | 8 | 16 => Self::new(file, body, 8, bits, 0),
            _ => decode_error("mp4: sizes of so many bits"),
        }
    }

    /// Where chunks begin, of `stco` or, in 64 bits, `co64`.
    pub(super) fn offsets(file: &mut File, body: Range<u64>, bits: u32) -> Result<Self> {
        Self::new(file, body, 4, bits, 0)
    }

    /// The number of entries lies so many bytes after the beginning.
    fn new(file: &mut File, body: Range<u64>, count: u64, bits: u32, same: u32) -> Result<Self> {
        let mut piece = Piece::new(4096);
        let at = body.start.saturating_add(count);
        let entries = number(piece.get(file, at, 4)?);
        let start = at.saturating_add(4);
        if body.end.saturating_sub(start) < (u64::from(entries) * u64::from(bits)).div_ceil(8) {
            return decode_error("mp4: a table is longer than its box");
        }
        Ok(Self { start, entries, bits, same, piece })
    }

    /// An entry, which has to be below `entries`.
    pub(super) fn get(&mut self, file: &mut File, entry: u32) -> Result<u64> {
        let bit = u64::from(entry) * u64::from(self.bits);
        let at = self.start + bit / 8;
        let bytes = self.piece.get(file, at, self.bits.div_ceil(8) as usize)?;
        let number = bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        Ok(match self.bits {
            0 => self.same.into(),
            4 => number >> (4 - bit % 8) & 15,
            _ => number,
        })
    }

    /// The sum of these entries, of 32 bits at most each.
    pub(super) fn sum(&mut self, file: &mut File, entries: Range<u32>) -> Result<u64> {
        if self.bits == 0 {
            return Ok(entries.len() as u64 * u64::from(self.same));
        }
        entries.into_iter().try_fold(0, |sum, entry| Ok(sum + self.get(file, entry)?))
    }
}
