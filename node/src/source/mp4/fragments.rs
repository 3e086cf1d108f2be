//! Times of fragments (ISO/IEC 14496-12, section 8.8.12). Symphonia adds up the lengths of the packets. If a fragment is missing,
//! as in a recording of a stream, all later packets would come too early.

use std::{fs::File, io::Result, ops::Range};

use symphonia::core::{
    errors::{self, SeekErrorKind, seek_error},
    formats::{FormatInfo, FormatReader, MediaInfo, SeekMode, SeekTo, SeekedTo, Track, TrackType},
    io::MediaSourceStream,
    meta::Metadata,
    packet::Packet,
    units::Timestamp,
};

use super::{super::read_buffer::ReadBuffer, big_endian, boxes, sample_tables::RunTable};

/// Size of one read, in bytes.
const READ: usize = 4096;
/// Greatest number of boxes that are visited, which bounds the time for a damaged file: fragments of 1 s for 70 hours.
const MAX_BOXES: u32 = 1 << 19;
/// Greatest number of jumps that are kept. Later fragments follow each other.
const MAX_JUMPS: usize = 4096;

/// A place from which on the packets come later than Symphonia places them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Jump {
    /// Symphonia's time stamp of the first such packet.
    ticks: i64,
    /// Ticks to add.
    shift: i64,
}

/// The times of a track's fragments.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in super::super) struct FragmentTimes {
    track: u32,
    /// In the order of their ticks.
    jumps: Vec<Jump>,
}

/// Symphonia's reader with the times of the fragments.
struct FragmentedReader {
    inner: Box<dyn FormatReader>,
    times: FragmentTimes,
}

impl FragmentTimes {
    /// Reads the times of the first audio track in `file`. Without fragments there are none.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(in super::super) fn read(file: &mut File) -> Result<Self> {
        let found = boxes::find(file)?;
        let audio = found.tracks.iter().find(|track| track.is_audio);
        match audio.filter(|_| found.is_fragmented) {
            Some(audio) => Self::read_track(file, audio),
            None => Ok(Self::default()),
        }
    }

    fn read_track(file: &mut File, audio: &boxes::Track) -> Result<Self> {
        let Some(track) = track_id(file, audio)? else { return Ok(Self::default()) };
        let ticks = moov_ticks(file, audio);
        Ok(Self { track, jumps: FragmentWalk::jumps(file, track, ticks)? })
    }

    /// Wraps `inner`, which reads the file. Returns it as it is if the fragments follow each other without a jump.
    pub(in super::super) fn wrap(self, inner: Box<dyn FormatReader>) -> Box<dyn FormatReader> {
        let is_played = inner.default_track(TrackType::Audio).is_some_and(|track| track.id == self.track);
        if self.jumps.is_empty() || !is_played {
            return inner;
        }
        Box::new(FragmentedReader { inner, times: self })
    }

    /// Symphonia's time stamp for the instant `ts`: that of the jump behind it if `ts` lies in a gap.
    fn inner_ticks(&self, ts: i64) -> i64 {
        let next = self.jumps.partition_point(|jump| jump.ticks.saturating_add(jump.shift) <= ts);
        let shift = next.checked_sub(1).map_or(0, |last| self.jumps[last].shift);
        let ticks = ts.saturating_sub(shift);
        self.jumps.get(next).map_or(ticks, |jump| ticks.min(jump.ticks))
    }

    fn shift_at(&self, ticks: i64) -> i64 {
        let next = self.jumps.partition_point(|jump| jump.ticks <= ticks);
        next.checked_sub(1).map_or(0, |last| self.jumps[last].shift)
    }
}

impl FormatReader for FragmentedReader {
    fn format_info(&self) -> &FormatInfo {
        self.inner.format_info()
    }

    fn media_info(&self) -> &MediaInfo {
        self.inner.media_info()
    }

    fn metadata(&mut self) -> Metadata<'_> {
        self.inner.metadata()
    }

    fn tracks(&self) -> &[Track] {
        self.inner.tracks()
    }

    fn seek(&mut self, mode: SeekMode, to: SeekTo) -> errors::Result<SeekedTo> {
        let SeekTo::Timestamp { ts, track_id } = to else { return seek_error(SeekErrorKind::Unseekable) };
        let inner = Timestamp::new(self.times.inner_ticks(ts.get()));
        let mut sought = self.inner.seek(mode, SeekTo::Timestamp { ts: inner, track_id })?;
        let actual = sought.actual_ts.get();
        sought.actual_ts = Timestamp::new(actual.saturating_add(self.times.shift_at(actual)));
        sought.required_ts = ts;
        Ok(sought)
    }

    fn next_packet(&mut self) -> errors::Result<Option<Packet>> {
        let Some(mut packet) = self.inner.next_packet()? else { return Ok(None) };
        if packet.track_id == self.times.track {
            let ticks = packet.pts.get();
            packet.pts = Timestamp::new(ticks.saturating_add(self.times.shift_at(ticks)));
        }
        Ok(Some(packet))
    }

    fn into_inner<'s>(self: Box<Self>) -> MediaSourceStream<'s>
    where
        Self: 's,
    {
        self.inner.into_inner()
    }
}

/// A walk through the boxes of a file.
struct FragmentWalk<'a> {
    file: &'a mut File,
    buffer: ReadBuffer,
    boxes_left: u32,
    track: u32,
    /// Ticks of a packet for which a fragment gives none.
    default_ticks: u32,
}

/// Facts about a track's part of one fragment.
#[derive(Debug, Default)]
struct Fragment {
    /// Ticks at which it begins, if it tells.
    start: Option<u64>,
    /// Ticks of all its packets.
    ticks: u64,
    /// Ticks of its first packet.
    first_packet: u64,
}

impl<'a> FragmentWalk<'a> {
    /// The jumps in the track with this id. `ticks` are those of the packets before the first fragment.
    fn jumps(file: &'a mut File, track: u32, mut ticks: i64) -> Result<Vec<Jump>> {
        let bytes = file.metadata()?.len();
        let buffer = ReadBuffer::new(READ);
        let mut walk = Self { file, buffer, boxes_left: MAX_BOXES, track, default_ticks: 0 };
        let mut jumps: Vec<Jump> = Vec::new();
        let mut origin = None;
        let mut shift = 0;
        let mut at = 0;
        while let Some((kind, body)) = walk.box_at(at, bytes)? {
            at = body.end;
            match &kind {
                b"moov" => walk.read_defaults(body)?,
                b"moof" => {
                    let fragment = walk.read_fragment(body)?;
                    // A recording of a live stream begins at any time.
                    let start = fragment.start.and_then(|start| i64::try_from(start).ok());
                    let start = start.map(|start| {
                        start.saturating_sub(*origin.get_or_insert(start.saturating_sub(ticks)))
                    });
                    let tolerance = i64::try_from(fragment.first_packet).unwrap_or(i64::MAX);
                    if let Some(start) = start
                        && start > ticks.saturating_add(shift).saturating_add(tolerance)
                        && jumps.len() < MAX_JUMPS
                    {
                        shift = start.saturating_sub(ticks);
                        jumps.push(Jump { ticks, shift });
                    }
                    ticks = ticks.saturating_add_unsigned(fragment.ticks);
                }
                _ => {}
            }
        }
        Ok(jumps)
    }

    /// Kind and body of the box at byte `at` of a parent that ends at `end`. `None` at the end and for a damaged box.
    fn box_at(&mut self, at: u64, end: u64) -> Result<Option<([u8; 4], Range<u64>)>> {
        if self.boxes_left == 0 || at.saturating_add(8) > end {
            return Ok(None);
        }
        self.boxes_left -= 1;
        let head = self.buffer.get_some(self.file, at, 16.min((end - at) as usize))?;
        let (Some(kind), short) = (head.get(4..8).and_then(|kind| kind.first_chunk()), big_endian(head))
        else {
            return Ok(None);
        };
        let (kind, long) = (*kind, head.get(8..).and_then(|rest| rest.first_chunk()));
        let (header, size) = match (short, long) {
            (0, _) => (8, end - at),
            (1, Some(long)) => (16, u64::from_be_bytes(*long)),
            (size, _) => (8, size.into()),
        };
        let body_end = at.checked_add(size).filter(|body_end| *body_end <= end && size >= header);
        Ok(body_end.map(|body_end| (kind, at + header..body_end)))
    }

    /// The word at byte `at`, if it lies before `end`.
    fn word(&mut self, at: u64, end: u64) -> Result<Option<u32>> {
        if at.saturating_add(4) > end {
            return Ok(None);
        }
        let bytes = self.buffer.get_some(self.file, at, 4)?;
        Ok(Some(big_endian(bytes)).filter(|_| bytes.len() == 4))
    }

    /// Reads the track's default length of a packet in `moov`.
    fn read_defaults(&mut self, moov: Range<u64>) -> Result<()> {
        let mut at = moov.start;
        while let Some((kind, body)) = self.box_at(at, moov.end)? {
            at = body.end;
            match &kind {
                b"mvex" => self.read_defaults(body)?,
                // Version, track, description, ticks.
                b"trex" if self.word(body.start + 4, body.end)? == Some(self.track) => {
                    self.default_ticks = self.word(body.start + 12, body.end)?.unwrap_or(0);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn read_fragment(&mut self, moof: Range<u64>) -> Result<Fragment> {
        let mut fragment = Fragment::default();
        let mut at = moof.start;
        while let Some((kind, body)) = self.box_at(at, moof.end)? {
            at = body.end;
            if &kind == b"traf" {
                self.read_track_fragment(body, &mut fragment)?;
            }
        }
        Ok(fragment)
    }

    fn read_track_fragment(&mut self, traf: Range<u64>, fragment: &mut Fragment) -> Result<()> {
        let mut default_ticks = self.default_ticks;
        let mut at = traf.start;
        while let Some((kind, body)) = self.box_at(at, traf.end)? {
            at = body.end;
            match &kind {
                b"tfhd" => {
                    if self.word(body.start + 4, body.end)? != Some(self.track) {
                        return Ok(());
                    }
                    let flags = self.word(body.start, body.end)?.unwrap_or(0);
                    // A position of 8 bytes and a description may come before the ticks.
                    let at = body.start
                        + 8
                        + if flags & 1 == 0 { 0 } else { 8 }
                        + if flags & 2 == 0 { 0 } else { 4 };
                    if flags & 8 != 0 {
                        default_ticks = self.word(at, body.end)?.unwrap_or(default_ticks);
                    }
                }
                b"tfdt" => {
                    let is_long = self.word(body.start, body.end)?.unwrap_or(0) >> 24 == 1;
                    let high = self.word(body.start + 4, body.end)?.map(u64::from);
                    let low = self.word(body.start + 8, body.end)?.map(u64::from);
                    fragment.start =
                        if is_long { high.zip(low).map(|(high, low)| high << 32 | low) } else { high };
                }
                b"trun" => self.read_run(&body, default_ticks, fragment)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds up the packets of a run.
    fn read_run(&mut self, body: &Range<u64>, default_ticks: u32, fragment: &mut Fragment) -> Result<()> {
        let flags = self.word(body.start, body.end)?.unwrap_or(0);
        let packets = self.word(body.start + 4, body.end)?.unwrap_or(0);
        if fragment.ticks == 0 {
            fragment.first_packet = default_ticks.into();
        }
        if flags & 0x100 == 0 {
            fragment.ticks = fragment.ticks.saturating_add(u64::from(packets) * u64::from(default_ticks));
            return Ok(());
        }
        let width = 4 * u64::from((flags & 0xf00).count_ones());
        let mut at = body.start + 8 + 4 * u64::from((flags & 5).count_ones());
        for _ in 0..packets {
            let Some(ticks) = self.word(at, body.end)? else { break };
            if fragment.ticks == 0 {
                fragment.first_packet = ticks.into();
            }
            fragment.ticks = fragment.ticks.saturating_add(ticks.into());
            at += width;
        }
        Ok(())
    }
}

/// The id in a track's header.
fn track_id(file: &mut File, track: &boxes::Track) -> Result<Option<u32>> {
    let Some(body) = track.body(b"tkhd") else { return Ok(None) };
    let mut buffer = ReadBuffer::new(0);
    let head = buffer.get_some(file, body.start, 24)?;
    // Version 1 has times of 8 bytes.
    let at = if head.first() == Some(&1) { 20 } else { 12 };
    Ok(head.get(at..).map(big_endian))
}

/// Ticks of the packets that `moov` describes.
fn moov_ticks(file: &mut File, track: &boxes::Track) -> i64 {
    let times = track.body(b"stts").and_then(|body| RunTable::times(file, body).ok());
    times.and_then(|times| i64::try_from(times.end().1).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::{
        super::tests::{boxed, movie, words},
        *,
    };

    /// A fragment that begins at `start` with packets of these ticks; all of the default of 100 without any.
    fn moof(start: u32, ticks: &[u32]) -> Vec<u8> {
        let tfhd = boxed(b"tfhd", &[&words(&[0, 1])]);
        let tfdt = boxed(b"tfdt", &[&words(&[0, start])]);
        let rows: Vec<u32> = ticks.iter().flat_map(|ticks| [*ticks, 7]).collect();
        let trun = match ticks.len() as u32 {
            0 => boxed(b"trun", &[&words(&[0, 10])]),
            count => boxed(b"trun", &[&words(&[0x301, count, 0]), &words(&rows)]),
        };
        boxed(b"moof", &[&boxed(b"mfhd", &[&words(&[0, 1])]), &boxed(b"traf", &[&tfhd, &tfdt, &trun])])
    }

    fn jumps(moofs: &[Vec<u8>]) -> Vec<(i64, i64)> {
        let none = [
            boxed(b"stts", &[&words(&[0, 0])]),
            boxed(b"stsc", &[&words(&[0, 0])]),
            boxed(b"stsz", &[&words(&[0, 0, 0])]),
            boxed(b"stco", &[&words(&[0, 0])]),
        ];
        let tables: Vec<_> = none.iter().map(Vec::as_slice).collect();
        let mvex = boxed(b"mvex", &[&boxed(b"trex", &[&words(&[0, 1, 1, 100, 0, 0])])]);
        let head = [boxed(b"ftyp", &[b"M4A \0\0\0\0"]), movie(8000, &tables, &mvex)].concat();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[head, moofs.concat()].concat()).unwrap();
        let times = FragmentTimes::read(&mut file).unwrap();
        times.jumps.iter().map(|jump| (jump.ticks, jump.shift)).collect()
    }

    #[test]
    fn a_fragment_that_begins_later_is_a_jump() {
        // 1000 ticks each.
        let (one, two) = (moof(0, &[]), moof(1000, &[100, 300, 600]));
        assert_eq!(jumps(&[one.clone(), two.clone(), moof(2000, &[])]), []);
        assert_eq!(
            jumps(&[one.clone(), moof(5000, &[]), moof(6000, &[]), moof(8000, &[])]),
            [(1000, 4000), (3000, 5000)]
        );
        // Rounding is no jump, and neither is the time at which a live recording begins.
        assert_eq!(jumps(&[one.clone(), moof(1090, &[]), moof(1500, &[])]), []);
        assert_eq!(jumps(&[moof(9_000_000, &[]), moof(9_001_000, &[])]), []);
    }

    #[test]
    fn instants_in_a_gap_are_those_of_the_packet_behind_it() {
        let jumps = vec![Jump { ticks: 1000, shift: 4000 }, Jump { ticks: 3000, shift: 5000 }];
        let reader = FragmentTimes { jumps, track: 1 };
        let mapped = [0, 999, 1000, 4999, 5000, 6999, 7500, 8000, 9000].map(|ts| reader.inner_ticks(ts));
        assert_eq!(mapped, [0, 999, 1000, 1000, 1000, 2999, 3000, 3000, 4000]);
        assert_eq!([0, 999, 1000, 3000].map(|ticks| reader.shift_at(ticks)), [0, 0, 4000, 5000]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_make_jumps_in_order(
            starts in prop::collection::vec(any::<u32>(), 0..5),
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        ) {
            let mut bytes: Vec<u8> = starts.iter().flat_map(|start| moof(*start, &[1, 2, 3])).collect();
            for (at, value) in flips.iter().filter(|_| !starts.is_empty()) {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            let found = jumps(&[bytes]);
            prop_assert!(found.windows(2).all(|two| two[0].0 <= two[1].0 && two[0].1 < two[1].1));
        }
    }
}
