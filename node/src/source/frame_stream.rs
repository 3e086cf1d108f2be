//! MP3 and ADTS: packets one after the other, with no table of where they are.
//!
//! Symphonia finds a position in them by walking from the first packet, which is too slow in the middle of an audio
//! book. So the stream is walked in stretches of a fixed number of packets, and the byte where each begins is
//! remembered the first time that anybody passes it; a seek past all that is known makes `scan` look for them, which
//! passes two hours of MP3 in the time of a few packets, once they are read from the disk. Every reader opens every stretch anew at that byte, also when it
//! walks on from the one before, so that all see the same packets at the same positions however they came there.

use std::{
    fs::File,
    io::{Seek, SeekFrom},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use symphonia::{
    core::{
        errors::{Error, Result},
        formats::{FormatOptions, FormatReader, well_known::FORMAT_ID_ADTS},
        io::{MediaSourceStream, ReadBytes},
    },
    default::formats::{AdtsReader, MpaReader},
};

use super::{
    demux::{Clock, Timed, probe, stream},
    scan::Scan,
};

/// Packets in a stretch: 12 s of MP3 or AAC, so that ten hours need 3,000 entries.
const STRETCH: u32 = 512;

/// Where stretches begin, shared by all readers of a file.
pub(super) struct Checkpoints {
    path: PathBuf,
    /// For each stretch but the first, in order. Held for moments only.
    known: Mutex<Vec<Checkpoint>>,
    /// The walk of those who look for more, which they do by turns.
    scan: Mutex<Option<Scan>>,
}

#[derive(Debug, Clone, Copy)]
struct Checkpoint {
    frame: i64,
    byte: u64,
}

impl Checkpoints {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, known: Mutex::default(), scan: Mutex::default() }
    }

    /// The number of the last known stretch that begins at or before `frame`, 0 being the first.
    fn before(&self, frame: i64) -> (usize, Option<Checkpoint>) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let stretch = known.partition_point(|checkpoint| checkpoint.frame <= frame);
        (stretch, stretch.checked_sub(1).map(|last| known[last]))
    }

    /// Whether somebody passed the beginning of a stretch after `frame`.
    fn reach(&self, frame: i64) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.last().is_some_and(|last| last.frame > frame)
    }

    /// Finds the stretches up to the first one after `frame`, as far as the file is plain. Whoever comes meanwhile takes part.
    fn scan(&self, frame: i64, clock: Clock) -> Result<()> {
        let rate = clock.rate();
        let frames = i64::from(STRETCH).saturating_mul(packet_frames(false, rate) as i64);
        loop {
            let mut turn = self.scan.lock().unwrap_or_else(PoisonError::into_inner);
            let before = turn.take();
            let (stretches, last) = {
                let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                (known.len(), known.last().copied())
            };
            let Some(last) = last.filter(|last| last.frame <= frame) else { return Ok(()) };
            let mut scan = match before.filter(|scan| scan.byte() == last.byte) {
                Some(scan) => scan,
                None => Scan::new(&self.path, last.byte, rate)?,
            };
            let Some(byte) = scan.pass(STRETCH) else { return Ok(()) };
            self.learn(stretches + 1, Checkpoint { frame: last.frame.saturating_add(frames), byte });
            *turn = Some(scan);
        }
    }

    /// Remembers where stretch number `stretch` begins.
    fn learn(&self, stretch: usize, checkpoint: Checkpoint) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() + 1 == stretch {
            known.push(checkpoint);
        }
    }
}

/// A walk through the packets.
pub(super) struct Framed {
    checkpoints: Arc<Checkpoints>,
    clock: Clock,
    is_adts: bool,
    /// `None` once nothing more can be read here.
    format: Option<Box<dyn FormatReader>>,
    stretch: usize,
    /// Packets read of this stretch.
    read: u32,
    /// What to add to the reader's time stamps, which begin at 0 in each stretch but the first.
    shift: i64,
    /// Where the last packet ended.
    end: i64,
    pending: Option<Timed>,
}

impl Framed {
    /// `format` stands before the first packet.
    pub(super) fn new(format: Box<dyn FormatReader>, clock: Clock, checkpoints: Arc<Checkpoints>) -> Self {
        let is_adts = format.format_info().format == FORMAT_ID_ADTS;
        let format = Some(format);
        Self { checkpoints, clock, is_adts, format, stretch: 0, read: 0, shift: 0, end: 0, pending: None }
    }

    pub(super) fn seek(&mut self, frame: i64) -> Result<()> {
        if !self.is_adts && !self.checkpoints.reach(frame) {
            self.reach(frame)?;
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

    /// Makes all stretches known, as far as that is quickly done.
    pub(super) fn reach_all(&mut self) -> Result<()> {
        if self.is_adts { Ok(()) } else { self.reach(i64::MAX) }
    }

    /// Goes near the end: to the last stretch that is quickly found. For ADTS none is.
    pub(super) fn pass_most(&mut self) -> Result<()> {
        if self.is_adts {
            return Ok(());
        }
        self.reach(i64::MAX)?;
        let (stretch, checkpoint) = self.checkpoints.before(i64::MAX);
        self.jump(stretch, checkpoint)
    }

    /// Makes the stretch of `frame` known, if that is quickly done.
    fn reach(&mut self, frame: i64) -> Result<()> {
        let is_first =
            frame < i64::from(STRETCH).saturating_mul(packet_frames(false, self.clock.rate()) as i64);
        let (stretch, checkpoint) = self.checkpoints.before(frame);
        if stretch == 0 && !is_first {
            // Where the first one ends depends on tags before it.
            self.jump(stretch, checkpoint)?;
            for _ in 0..=STRETCH {
                if self.next()?.is_none() {
                    return Ok(());
                }
            }
        }
        self.checkpoints.scan(frame, self.clock)
    }

    fn jump(&mut self, stretch: usize, checkpoint: Option<Checkpoint>) -> Result<()> {
        self.pending = None;
        self.format = None;
        let file = File::open(&self.checkpoints.path)?;
        self.format = Some(match checkpoint {
            None => probe(file, &self.checkpoints.path)?,
            Some(Checkpoint { byte, .. }) => {
                let mut stream = stream(file);
                stream.seek(SeekFrom::Start(byte))?;
                self.reader(stream)?
            }
        });
        self.enter(stretch, checkpoint.map_or(0, |checkpoint| checkpoint.frame));
        Ok(())
    }

    fn enter(&mut self, stretch: usize, frame: i64) {
        (self.stretch, self.read, self.shift, self.end) = (stretch, 0, frame, frame);
    }

    fn reader(&self, stream: MediaSourceStream<'static>) -> Result<Box<dyn FormatReader>> {
        let options = FormatOptions::default();
        Ok(if self.is_adts {
            Box::new(AdtsReader::try_new(stream, options)?)
        } else {
            Box::new(MpaReader::try_new(stream, options)?)
        })
    }

    pub(super) fn next(&mut self) -> Result<Option<Timed>> {
        if let Some(packet) = self.pending.take() {
            return Ok(Some(packet));
        }
        if self.read == STRETCH {
            self.next_stretch()?;
        }
        let Some(format) = &mut self.format else { return Ok(None) };
        let Some(packet) = format.next_packet()? else { return Ok(None) };
        let mut packet = Timed::new(packet, self.clock);
        packet.start = packet.start.saturating_add(self.shift);
        // Symphonia counts what is to be trimmed twice in the first and last packets of an MP3.
        packet.frames = packet_frames(self.is_adts, self.clock.rate());
        self.read += 1;
        self.end = packet.end();
        Ok(Some(packet))
    }

    fn next_stretch(&mut self) -> Result<()> {
        let Some(format) = self.format.take() else { return Ok(()) };
        let stream = format.into_inner();
        let checkpoint = Checkpoint { frame: self.end, byte: stream.pos() };
        self.format = match self.reader(stream) {
            Ok(format) => Some(format),
            // Nothing but tags follows the last packet.
            Err(Error::IoError(_) | Error::DecodeError(_) | Error::Unsupported(_)) => None,
            Err(error) => return Err(error),
        };
        if self.format.is_some() {
            self.checkpoints.learn(self.stretch + 1, checkpoint);
        }
        self.enter(self.stretch + 1, checkpoint.frame);
        Ok(())
    }
}

/// Frames in every packet: ISO/IEC 14496-3 for AAC-LC; 11172-3 and 13818-3 for MP3.
fn packet_frames(is_adts: bool, rate: u32) -> u64 {
    match rate {
        _ if is_adts => 1024,
        32_000.. => 1152,
        _ => 576,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_look_at_the_same_time_find_each_stretch_once() {
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
        let checkpoints = Checkpoints::new(file.path().to_owned());
        let clock = Clock::new(44_100, None).unwrap();
        checkpoints.learn(1, stretch(1));
        std::thread::scope(|scope| {
            let (checkpoints, stretch) = (&checkpoints, &stretch);
            for frame in [i64::MAX, stretch(7).frame, i64::MAX, 0] {
                scope.spawn(move || checkpoints.scan(frame, clock).unwrap());
            }
            scope.spawn(move || checkpoints.learn(2, stretch(2)));
        });
        let known = checkpoints.known.lock().unwrap();
        let found: Vec<_> = known.iter().map(|it| (it.frame, it.byte)).collect();
        let expected: Vec<_> = (1..=12).map(|it| (stretch(it).frame, stretch(it).byte)).collect();
        assert_eq!(found, expected);
    }
}
