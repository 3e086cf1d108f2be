//! MP3 and ADTS: packets one after the other, without an index.
//!
//! Symphonia seeks in such a file by a walk from the first packet, which is too slow in the middle of an audio book. So the
//! node divides the stream into stretches of [`STRETCH`] packets. It remembers the byte at which a stretch begins when the
//! first reader passes it. A seek beyond all known stretches of an MP3 walks through the frame headers, without decoding.
//! Each reader opens each stretch at its first byte, even if it has just read the stretch before. So all readers see the
//! same packets at the same positions.

use std::{
    fs::File,
    ops::Range,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use symphonia::{
    core::{
        errors::{Error, Result},
        formats::{
            FormatOptions, FormatReader,
            well_known::{FORMAT_ID_ADTS, FORMAT_ID_MP3},
        },
        io::{MediaSourceStream, ReadBytes},
    },
    default::formats::MpaReader,
};

use super::{
    chain::{Gap, LinkRange},
    container,
    mp3_header_walk::Mp3HeaderWalk,
    packet::{Clock, TimedPacket},
};

/// Packets in a stretch: 12 s of MP3 or AAC. Ten hours have 3,000 stretches.
const STRETCH: u32 = 512;

/// Beginnings of stretches, shared by all readers of a file.
pub(super) struct Checkpoints {
    path: PathBuf,
    /// Bytes of the stream in the file.
    range: Range<u64>,
    /// Byte position of the first packet.
    first_packet: u64,
    /// Bytes of a packet that its reader does not return.
    packet_overhead: u64,
    /// Damaged bytes between packets. Silence takes the place of the packets that were there.
    gaps: Vec<Gap>,
    /// Frames in a packet.
    packet_frames: u64,
    /// Known checkpoints, in order: one for each stretch but the first. No thread reads the file under this lock.
    known: Mutex<Vec<Checkpoint>>,
    /// The walk that extends `known`. Locked during the walk, so that threads take turns.
    walk: Mutex<Option<Mp3HeaderWalk>>,
}

#[derive(Debug, Clone, Copy)]
struct Checkpoint {
    frame: i64,
    byte: u64,
}

impl Checkpoints {
    /// Creates an empty set of checkpoints for the link `place` of the file at `path`. `gaps` are its damaged parts.
    pub(super) fn new(path: PathBuf, place: &LinkRange, gaps: Vec<Gap>, packet_frames: u64) -> Self {
        let range = place.range.clone();
        let (first_packet, packet_overhead) = (place.first_packet, place.packet_overhead);
        let (known, walk) = Default::default();
        Self { path, range, first_packet, packet_overhead, gaps, packet_frames, known, walk }
    }

    /// Frames of a stretch.
    fn stretch_frames(&self) -> i64 {
        i64::from(STRETCH).saturating_mul(self.packet_frames as i64)
    }

    /// The last known stretch that begins at or before `frame`. Number 0, the first stretch, has no checkpoint.
    fn before(&self, frame: i64) -> (usize, Option<Checkpoint>) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let stretch = known.partition_point(|checkpoint| checkpoint.frame <= frame);
        (stretch, stretch.checked_sub(1).map(|last| known[last]))
    }

    /// True if a stretch that begins after `frame` is known.
    fn reach(&self, frame: i64) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.last().is_some_and(|last| last.frame > frame)
    }

    /// Walks on until a stretch after `frame` is known, or until the walk meets anything but a plain MP3 frame. Threads
    /// that call this at the same time share the work.
    fn walk_to(&self, frame: i64, clock: Clock) -> Result<()> {
        let rate = clock.rate();
        let frames = self.stretch_frames();
        loop {
            let mut turn = self.walk.lock().unwrap_or_else(PoisonError::into_inner);
            let previous = turn.take();
            let (stretches, last) = {
                let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                (known.len(), known.last().copied())
            };
            let Some(last) = last.filter(|last| last.frame <= frame) else { return Ok(()) };
            let mut walk = match previous.filter(|walk| walk.byte() == last.byte) {
                Some(walk) => walk,
                None => Mp3HeaderWalk::new(&self.path, last.byte, self.range.end, rate)?,
            };
            let Some(byte) = walk.skip(STRETCH) else { return Ok(()) };
            self.learn(stretches + 1, Checkpoint { frame: last.frame.saturating_add(frames), byte });
            *turn = Some(walk);
        }
    }

    /// Remembers the beginning of stretch number `stretch`, if it is the next unknown one.
    fn learn(&self, stretch: usize, checkpoint: Checkpoint) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() + 1 == stretch {
            known.push(checkpoint);
        }
    }
}

/// Reads the packets of an MP3 or ADTS file.
pub(super) struct FrameStream {
    checkpoints: Arc<Checkpoints>,
    clock: Clock,
    is_adts: bool,
    /// Byte position in the file at which Symphonia's stream begins.
    base: u64,
    /// Symphonia's reader of the current stretch. `None` after the last packet.
    format: Option<Box<dyn FormatReader>>,
    stretch: usize,
    /// Packets read from this stretch.
    packets_read: u32,
    /// First frame of the stretch. Symphonia's time stamps begin at 0 in each stretch but the first.
    shift: i64,
    /// Position behind the last packet.
    end: i64,
    /// Byte position of the next packet, as far as the packets before it tell.
    next_byte: u64,
    /// Index of the next gap.
    next_gap: usize,
    pending: Option<TimedPacket>,
}

impl FrameStream {
    /// Continues with Symphonia's reader `format`, which must stand before the first packet.
    pub(super) fn new(format: Box<dyn FormatReader>, clock: Clock, checkpoints: Arc<Checkpoints>) -> Self {
        let is_adts = format.format_info().format == FORMAT_ID_ADTS;
        let base = checkpoints.range.start;
        let first_packet = checkpoints.first_packet;
        Self {
            checkpoints,
            clock,
            is_adts,
            base,
            format: Some(format),
            stretch: 0,
            packets_read: 0,
            shift: 0,
            end: 0,
            next_byte: first_packet,
            next_gap: 0,
            pending: None,
        }
    }

    /// Moves to the packet that holds `frame`.
    pub(super) fn seek(&mut self, frame: i64) -> Result<()> {
        if !self.is_adts && !self.checkpoints.reach(frame) {
            self.learn_stretches_to(frame)?;
        }
        let (stretch, checkpoint) = self.checkpoints.before(frame);
        let is_ahead = stretch == self.stretch && frame >= self.end && self.format.is_some();
        if !is_ahead || self.pending.is_some() {
            self.jump(stretch, checkpoint)?;
        }
        while let Some(packet) = self.next()? {
            if packet.end() > frame {
                self.pending = Some(packet);
                break;
            }
        }
        Ok(())
    }

    /// Learns the beginnings of all stretches that a header walk finds. Finds none in ADTS.
    pub(super) fn build_checkpoints(&mut self) -> Result<()> {
        if self.is_adts { Ok(()) } else { self.learn_stretches_to(i64::MAX) }
    }

    /// Moves to the last stretch that a header walk finds. Stays where it is in ADTS.
    pub(super) fn skip_to_last_checkpoint(&mut self) -> Result<()> {
        if self.is_adts {
            return Ok(());
        }
        self.learn_stretches_to(i64::MAX)?;
        let (stretch, checkpoint) = self.checkpoints.before(i64::MAX);
        self.jump(stretch, checkpoint)
    }

    /// Learns the stretches up to the one that holds `frame`, as far as a header walk goes.
    fn learn_stretches_to(&mut self, frame: i64) -> Result<()> {
        let is_in_first = frame < self.checkpoints.stretch_frames();
        let (stretch, checkpoint) = self.checkpoints.before(frame);
        if stretch == 0 && !is_in_first {
            // Symphonia decides which bytes before the first packet are tags, so it reads the first stretch. The header walk
            // begins behind it.
            self.jump(stretch, checkpoint)?;
            for _ in 0..=STRETCH {
                if self.next()?.is_none() {
                    return Ok(());
                }
            }
        }
        self.checkpoints.walk_to(frame, self.clock)
    }

    fn jump(&mut self, stretch: usize, checkpoint: Option<Checkpoint>) -> Result<()> {
        self.pending = None;
        self.format = None;
        let file = File::open(&self.checkpoints.path)?;
        let id = if self.is_adts { FORMAT_ID_ADTS } else { FORMAT_ID_MP3 };
        let all = &self.checkpoints.range;
        self.base = checkpoint.map_or(all.start, |checkpoint| checkpoint.byte);
        self.format = Some(container::open(file, id, &(self.base..all.end))?);
        let byte = checkpoint.map_or(self.checkpoints.first_packet, |checkpoint| checkpoint.byte);
        self.enter(stretch, Checkpoint { frame: checkpoint.map_or(0, |checkpoint| checkpoint.frame), byte });
        Ok(())
    }

    fn enter(&mut self, stretch: usize, Checkpoint { frame, byte }: Checkpoint) {
        self.stretch = stretch;
        self.packets_read = 0;
        self.shift = frame;
        self.end = frame;
        self.next_byte = byte;
        self.next_gap = self.checkpoints.gaps.partition_point(|gap| gap.bytes.end <= byte);
    }

    /// Moves the next packet behind the gaps that begin before it.
    fn pass_gaps(&mut self) {
        while let Some(gap) = self.checkpoints.gaps.get(self.next_gap)
            && gap.bytes.start <= self.next_byte
        {
            let frames = gap.packets.saturating_mul(self.checkpoints.packet_frames);
            self.shift = self.shift.saturating_add_unsigned(frames);
            self.next_byte = self.next_byte.max(gap.bytes.end);
            self.next_gap += 1;
        }
    }

    /// Returns the next packet, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<TimedPacket>> {
        if let Some(packet) = self.pending.take() {
            return Ok(Some(packet));
        }
        if self.packets_read == STRETCH {
            self.next_stretch()?;
        }
        let Some(format) = &mut self.format else { return Ok(None) };
        let Some(packet) = format.next_packet()? else { return Ok(None) };
        self.pass_gaps();
        self.next_byte += packet.data.len() as u64 + self.checkpoints.packet_overhead;
        let mut packet = TimedPacket::new(packet, self.clock);
        packet.start = packet.start.saturating_add(self.shift);
        // Symphonia subtracts the trimmed frames twice in the first and last packets of an MP3.
        packet.frames = self.checkpoints.packet_frames;
        self.packets_read += 1;
        self.end = packet.end();
        Ok(Some(packet))
    }

    fn next_stretch(&mut self) -> Result<()> {
        let Some(format) = self.format.take() else { return Ok(()) };
        let (byte, format) = if self.is_adts {
            let rest = self.next_byte..self.checkpoints.range.end;
            (rest.start, container::open(File::open(&self.checkpoints.path)?, FORMAT_ID_ADTS, &rest))
        } else {
            let stream = format.into_inner();
            (self.base + stream.pos(), open_mp3(stream))
        };
        let checkpoint = Checkpoint { frame: self.end, byte };
        self.format = match format {
            Ok(format) => Some(format),
            // Only tags follow the last packet.
            Err(Error::IoError(_) | Error::DecodeError(_) | Error::Unsupported(_)) => None,
            Err(error) => return Err(error),
        };
        if self.format.is_some() {
            self.checkpoints.learn(self.stretch + 1, checkpoint);
        }
        self.enter(self.stretch + 1, checkpoint);
        Ok(())
    }
}

fn open_mp3(stream: MediaSourceStream<'static>) -> Result<Box<dyn FormatReader>> {
    Ok(Box::new(MpaReader::try_new(stream, FormatOptions::default())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_walk_at_the_same_time_find_each_stretch_once() {
        const FRAMES: usize = 12 * STRETCH as usize + 100;
        // MPEG 1, layer III, 128 kbit/s, 44.1 kHz, joint stereo, without padding: 417 bytes.
        let mut packet = [0; 417];
        packet[..4].copy_from_slice(&[0xff, 0xfb, 0x90, 0x64]);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), packet.repeat(FRAMES)).unwrap();
        let stretch = |number: i64| Checkpoint {
            frame: number * i64::from(STRETCH) * 1152,
            byte: number as u64 * u64::from(STRETCH) * 417,
        };
        let range = 0..FRAMES as u64 * 417;
        let place = LinkRange { range, packets: None, first_packet: 0, packet_overhead: 0, gaps: Vec::new() };
        let checkpoints = Checkpoints::new(file.path().to_owned(), &place, Vec::new(), 1152);
        let clock = Clock::new(44_100, None).unwrap();
        checkpoints.learn(1, stretch(1));
        std::thread::scope(|scope| {
            let (checkpoints, stretch) = (&checkpoints, &stretch);
            for frame in [i64::MAX, stretch(7).frame, i64::MAX, 0] {
                scope.spawn(move || checkpoints.walk_to(frame, clock).unwrap());
            }
            scope.spawn(move || checkpoints.learn(2, stretch(2)));
        });
        let known = checkpoints.known.lock().unwrap();
        let found: Vec<_> = known.iter().map(|it| (it.frame, it.byte)).collect();
        let expected: Vec<_> = (1..=12).map(|it| (stretch(it).frame, stretch(it).byte)).collect();
        assert_eq!(found, expected);
    }
}
