//! The tables of a track, read from the file piece by piece.

use std::{fs::File, ops::Range};

use symphonia::core::errors::{Result, decode_error};

use super::{super::read_buffer::ReadBuffer, big_endian};

/// Size of one read of a table, in bytes.
const READ: usize = 4096;

/// Greatest number of runs of a table that are kept in memory as starting points of a search.
const MARKS: u32 = 1024;

/// A table with one number for each packet or chunk.
#[derive(Debug)]
pub(super) struct NumberTable {
    /// Byte position of the first entry.
    start: u64,
    pub(super) entries: u32,
    /// Bits of an entry: 4, 8, 16, 32 or 64; 0 if all entries are `same`.
    bits: u32,
    same: u32,
    buffer: ReadBuffer,
}

impl NumberTable {
    /// The packet sizes of `stsz`.
    pub(super) fn sizes(file: &mut File, body: Range<u64>) -> Result<Self> {
        let mut buffer = ReadBuffer::new(READ);
        let same = big_endian(buffer.get(file, body.start.saturating_add(4), 4)?);
        Self::new(file, body, 8, if same == 0 { 32 } else { 0 }, same)
    }

    /// The packet sizes of `stz2`, which have fewer bits.
    pub(super) fn small_sizes(file: &mut File, body: Range<u64>) -> Result<Self> {
        let bits = big_endian(ReadBuffer::new(READ).get(file, body.start.saturating_add(4), 4)?) & 0xff;
        match bits {
            4 | 8 | 16 => Self::new(file, body, 8, bits, 0),
            _ => decode_error("mp4: stz2 has entries of an unknown width"),
        }
    }

    /// The byte positions of chunks: of `stco` with 32 `bits`, of `co64` with 64.
    pub(super) fn offsets(file: &mut File, body: Range<u64>, bits: u32) -> Result<Self> {
        Self::new(file, body, 4, bits, 0)
    }

    /// `count_offset` is the offset in `body` of the number of entries, which the entries follow.
    fn new(file: &mut File, body: Range<u64>, count_offset: u64, bits: u32, same: u32) -> Result<Self> {
        let mut buffer = ReadBuffer::new(READ);
        let at = body.start.saturating_add(count_offset);
        let entries = big_endian(buffer.get(file, at, 4)?);
        let start = at.saturating_add(4);
        if body.end.saturating_sub(start) < (u64::from(entries) * u64::from(bits)).div_ceil(8) {
            return decode_error("mp4: a table is longer than its box");
        }
        Ok(Self { start, entries, bits, same, buffer })
    }

    /// Entry number `entry`, which must be below `entries`.
    pub(super) fn get(&mut self, file: &mut File, entry: u32) -> Result<u64> {
        let bit = u64::from(entry) * u64::from(self.bits);
        let at = self.start + bit / 8;
        let bytes = self.buffer.get(file, at, self.bits.div_ceil(8) as usize)?;
        let number = bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        Ok(match self.bits {
            0 => self.same.into(),
            4 => number >> (4 - bit % 8) & 15,
            _ => number,
        })
    }

    /// The sum of `entries`, each of 32 bits at most.
    pub(super) fn sum(&mut self, file: &mut File, entries: Range<u32>) -> Result<u64> {
        if self.bits == 0 {
            return Ok(entries.len() as u64 * u64::from(self.same));
        }
        entries.into_iter().try_fold(0, |sum, entry| Ok(sum + self.get(file, entry)?))
    }
}

/// Consecutive packets that share one entry of a table. In a time table its bases are ticks, in a chunk table numbers of
/// chunks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Run {
    entry: u32,
    /// Number of the first packet.
    pub(super) first: u64,
    pub(super) packets: u64,
    /// Ticks at which the first packet begins; or the number of its chunk.
    pub(super) base: u64,
    /// Ticks of each packet; or packets of each chunk.
    pub(super) value: u32,
    /// End of the run: the base of the next one, unless there is a gap between them.
    end: u64,
    /// Sum of the ticks up to the end of the run, for [`RunKind::Times`].
    ticks_end: u64,
}

/// The even spacing of packets that all have the same number of frames.
///
/// Some programs write a time table whose packet lengths jitter around the real one. So packets follow each other without
/// gaps, whatever small differences the table has. Only if the table places a packet more than a packet's length later, there
/// is a gap.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spacing {
    /// Frames in a packet.
    pub(super) packet_frames: u32,
    /// Frames per second.
    pub(super) rate: u32,
    /// Ticks per second.
    pub(super) scale: u32,
}

impl Spacing {
    fn frames(self, ticks: u64) -> u64 {
        let frames = u128::from(ticks) * u128::from(self.rate) / u128::from(self.scale.max(1));
        u64::try_from(frames).unwrap_or(u64::MAX)
    }
}

impl Run {
    /// Numbers of the packets.
    pub(super) fn packets(&self) -> Range<u64> {
        self.first..self.first + self.packets
    }

    /// Ticks, or chunks, that the run covers.
    pub(super) fn bases(&self) -> Range<u64> {
        self.base..self.end
    }

    /// The next run: `packets` packets of `ticks` each. `None` if the sum overflows.
    fn then_times(&self, packets: u32, ticks: u32) -> Option<Self> {
        let end = self.end.checked_add(u64::from(packets) * u64::from(ticks))?;
        self.then(packets.into(), self.end, ticks, end)
    }

    /// The next run, with an even spacing and in frames. `None` if the sum overflows, or if several packets of the table
    /// differ too much from the spacing.
    fn then_spaced(&self, packets: u32, ticks: u32, spacing: Spacing, is_last: bool) -> Option<Self> {
        let ticks_end = self.ticks_end.checked_add(u64::from(packets) * u64::from(ticks))?;
        let packet = u64::from(spacing.packet_frames);
        let claimed_start = spacing.frames(self.ticks_end);
        let claimed = spacing.frames(ticks_end) - claimed_start;
        let even = u64::from(packets) * packet;
        let drift = claimed.abs_diff(even);
        if packets > 1 && drift > packet && drift > even / 8 {
            return None;
        }
        let base = if claimed_start > self.end.saturating_add(packet) { claimed_start } else { self.end };
        // The last packet of a stream may be shorter.
        let last_packet = spacing.frames(ticks.into()).min(packet);
        let length = if is_last && packets > 0 { even - packet + last_packet } else { even };
        let run = self.then(packets.into(), base, spacing.packet_frames, base.checked_add(length)?)?;
        Some(Self { ticks_end, ..run })
    }

    /// The next run: the chunks from `chunk`, counted from 1, up to `next`, or up to the last of `all` chunks.
    fn then_chunks(&self, chunk: u32, packets: u32, next: Option<u32>, all: u32) -> Option<Self> {
        let base = chunk.checked_sub(1).filter(|_| packets > 0)?;
        let end = next.map_or(Some(all.max(base)), |next| next.checked_sub(1))?;
        let chunks = end.checked_sub(base)?;
        self.then(u64::from(chunks) * u64::from(packets), base.into(), packets, end.into())
    }

    fn then(&self, packets: u64, base: u64, value: u32, end: u64) -> Option<Self> {
        let first = self.first + self.packets;
        first.checked_add(packets)?;
        Some(Self { entry: 0, first, packets, base, value, end, ticks_end: 0 })
    }
}

/// The meaning of a table's entries.
#[derive(Debug, Clone, Copy)]
enum RunKind {
    /// `stts`: a number of packets, and the ticks of each.
    Times { spacing: Option<Spacing> },
    /// `stsc`: the first chunk, counted from 1, and the packets of each. The last run extends to the last of `all`
    /// chunks.
    Chunks { all: u32 },
}

impl RunKind {
    /// Bytes of an entry.
    fn entry_bytes(self) -> u64 {
        match self {
            Self::Times { .. } => 8,
            Self::Chunks { .. } => 12,
        }
    }
}

/// A table of runs. A search reads a thousandth of the table at most.
#[derive(Debug)]
pub(super) struct RunTable {
    kind: RunKind,
    /// Byte position of the first entry.
    start: u64,
    entries: u32,
    buffer: ReadBuffer,
    /// Starting points of a search: runs at equal distances in the table.
    marks: Vec<Run>,
    /// The run that was found last.
    last: Run,
}

impl RunTable {
    /// Times and lengths of packets in ticks; `body` is that of `stts`.
    pub(super) fn times(file: &mut File, body: Range<u64>) -> Result<Self> {
        Self::new(file, RunKind::Times { spacing: None }, body)
    }

    /// Times and lengths of evenly spaced packets in frames. Fails if the table contradicts the spacing.
    pub(super) fn spaced_times(file: &mut File, body: Range<u64>, spacing: Spacing) -> Result<Self> {
        Self::new(file, RunKind::Times { spacing: Some(spacing) }, body)
    }

    /// Chunks of packets, of which there are `all`; `body` is that of `stsc`.
    pub(super) fn chunks(file: &mut File, body: Range<u64>, all: u32) -> Result<Self> {
        Self::new(file, RunKind::Chunks { all }, body)
    }

    /// Reads through the whole table. Fails if the box is shorter than the table claims to be.
    fn new(file: &mut File, kind: RunKind, body: Range<u64>) -> Result<Self> {
        let mut buffer = ReadBuffer::new(READ);
        let entries = big_endian(buffer.get(file, body.start.saturating_add(4), 4)?);
        let start = body.start.saturating_add(8);
        if body.end.saturating_sub(start) / kind.entry_bytes() < u64::from(entries) {
            return decode_error("mp4: a table is longer than its box");
        }
        let mut runs = Self { kind, start, entries, buffer, marks: Vec::new(), last: Run::default() };
        let step = entries.div_ceil(MARKS).max(1);
        for entry in 0..entries {
            runs.last = runs.run(file, entry, runs.last)?;
            if entry.is_multiple_of(step) {
                runs.marks.push(runs.last);
            }
        }
        Ok(runs)
    }

    /// The run whose `span` contains `target`; `None` behind the last run.
    pub(super) fn find(
        &mut self,
        file: &mut File,
        target: u64,
        span: fn(&Run) -> Range<u64>,
    ) -> Result<Option<Run>> {
        let mark = self.marks.partition_point(|mark| span(mark).start <= target);
        let Some(&mark) = self.marks.get(mark.saturating_sub(1)) else { return Ok(None) };
        if span(&self.last).start > target || mark.entry > self.last.entry {
            self.last = mark;
        }
        while span(&self.last).end <= target {
            if self.last.entry + 1 >= self.entries {
                return Ok(None);
            }
            self.last = self.run(file, self.last.entry + 1, self.last)?;
        }
        Ok((span(&self.last).start <= target).then_some(self.last))
    }

    /// Number of packets, and end of the bases, of the whole table. Valid only until the first call of
    /// [`RunTable::find`].
    pub(super) fn end(&self) -> (u64, u64) {
        (self.last.packets().end, self.last.end)
    }

    /// The run of `entry`, which follows the run `before`.
    fn run(&mut self, file: &mut File, entry: u32, before: Run) -> Result<Run> {
        let entry_bytes = self.kind.entry_bytes();
        let is_last = entry + 1 == self.entries;
        // In a chunk table, the next entry tells the chunk at which this run ends.
        let wanted = if is_last { entry_bytes } else { entry_bytes + 4 };
        let bytes = self.buffer.get(file, self.start + u64::from(entry) * entry_bytes, wanted as usize)?;
        let (first, second) = (big_endian(bytes), big_endian(&bytes[4..]));
        let next = if is_last { None } else { Some(big_endian(&bytes[entry_bytes as usize..])) };
        let run = match self.kind {
            RunKind::Times { spacing: None } => before.then_times(first, second),
            RunKind::Times { spacing: Some(spacing) } => before.then_spaced(first, second, spacing, is_last),
            RunKind::Chunks { all } => before.then_chunks(first, second, next, all),
        };
        let Some(run) = run else { return decode_error("mp4: a table contradicts itself") };
        Ok(Run { entry, ..run })
    }
}
