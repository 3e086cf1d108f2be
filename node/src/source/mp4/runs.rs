use std::{fs::File, ops::Range};

use symphonia::core::errors::{Result, decode_error};

use super::{number, piece::Piece};

/// Places in a table that are remembered, however long it is.
const MARKS: u32 = 1024;

/// Packets in a row of which an entry of a table says the same.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Run {
    entry: u32,
    /// The number of the first packet.
    pub(super) first: u64,
    pub(super) packets: u64,
    /// When the first packet begins, in ticks; or the number of its chunk.
    pub(super) base: u64,
    /// Ticks of a packet; or packets of a chunk.
    pub(super) value: u32,
    /// The base of what follows.
    end: u64,
}

impl Run {
    /// The numbers of its packets.
    pub(super) fn packets(&self) -> Range<u64> {
        self.first..self.first + self.packets
    }

    /// Its bases: ticks, or chunks.
    pub(super) fn bases(&self) -> Range<u64> {
        self.base..self.end
    }

    /// So many packets after it, of so many ticks. `None` where that is more than can be counted.
    fn then_times(&self, packets: u32, ticks: u32) -> Option<Self> {
        let end = self.end.checked_add(u64::from(packets) * u64::from(ticks))?;
        self.then(packets.into(), self.end, ticks, end)
    }

    /// The chunks after it from `chunk`, counted from 1, up to `next` or, without that, to the end of `all`.
    fn then_chunks(&self, chunk: u32, packets: u32, next: Option<u32>, all: u32) -> Option<Self> {
        let base = chunk.checked_sub(1).filter(|_| packets > 0)?;
        let end = next.map_or(Some(all.max(base)), |next| next.checked_sub(1))?;
        let chunks = end.checked_sub(base)?;
        self.then(u64::from(chunks) * u64::from(packets), base.into(), packets, end.into())
    }

    fn then(&self, packets: u64, base: u64, value: u32, end: u64) -> Option<Self> {
        let first = self.first + self.packets;
        first.checked_add(packets)?;
        Some(Self { entry: 0, first, packets, base, value, end })
    }
}

/// What the entries of a table tell.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// `stts`: packets, and the ticks of each.
    Times,
    /// `stsc`: the first chunk, counted from 1, and the packets of each. The last entry's last chunk is that of the file.
    Chunks { all: u32 },
}

/// A table of runs, which is read a piece at a time. Finds a run by reading a thousandth of the table at most.
#[derive(Debug)]
pub(super) struct Runs {
    kind: Kind,
    /// Where the entries begin.
    start: u64,
    entries: u32,
    piece: Piece,
    /// Every so many entries, the run there.
    marks: Vec<Run>,
    /// What was found last.
    last: Run,
}

impl Runs {
    /// When packets begin and how long they are; `body` is that of `stts`.
    pub(super) fn times(file: &mut File, body: Range<u64>) -> Result<Self> {
        Self::new(file, Kind::Times, body)
    }

    /// In which of `all` chunks packets lie; `body` is that of `stsc`.
    pub(super) fn chunks(file: &mut File, body: Range<u64>, all: u32) -> Result<Self> {
        Self::new(file, Kind::Chunks { all }, body)
    }

    /// Reads through the whole table, which has to hold what it claims.
    fn new(file: &mut File, kind: Kind, body: Range<u64>) -> Result<Self> {
        let mut piece = Piece::new(4096);
        let entries = number(piece.get(file, body.start.saturating_add(4), 4)?);
        let start = body.start.saturating_add(8);
        if body.end.saturating_sub(start) / kind.width() < u64::from(entries) {
            return decode_error("mp4: a table is longer than its box");
        }
        let last = Run::default();
        let mut runs = Self { kind, start, entries, piece, marks: Vec::new(), last };
        let step = entries.div_ceil(MARKS).max(1);
        for entry in 0..entries {
            runs.last = runs.run(file, entry, runs.last)?;
            if entry.is_multiple_of(step) {
                runs.marks.push(runs.last);
            }
        }
        Ok(runs)
    }

    /// The run that holds `target`, which is one of what `span` gives; `None` after the last.
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

    /// Packets and bases of all runs; only after the table was read through.
    pub(super) fn end(&self) -> (u64, u64) {
        (self.last.packets().end, self.last.end)
    }

    /// The run of `entry`, which comes after `before`.
    fn run(&mut self, file: &mut File, entry: u32, before: Run) -> Result<Run> {
        let width = self.kind.width();
        let is_last = entry + 1 == self.entries;
        // Where chunks end is told by the entry after.
        let wanted = if is_last { width } else { width + 4 };
        let bytes = self.piece.get(file, self.start + u64::from(entry) * width, wanted as usize)?;
        let (first, second) = (number(bytes), number(&bytes[4..]));
        let next = if is_last { None } else { Some(number(&bytes[width as usize..])) };
        let run = match self.kind {
            Kind::Times => before.then_times(first, second),
            Kind::Chunks { all } => before.then_chunks(first, second, next, all),
        };
        let Some(run) = run else { return decode_error("mp4: a table cannot be understood") };
        Ok(Run { entry, ..run })
    }
}

impl Kind {
    /// Bytes of an entry.
    fn width(self) -> u64 {
        match self {
            Self::Times => 8,
            Self::Chunks { .. } => 12,
        }
    }
}
