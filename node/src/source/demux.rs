//! Packets by position, from any container.

use std::{fs::File, path::Path, sync::Arc};

use symphonia::core::{
    errors::{Error, Result},
    formats::{FormatOptions, FormatReader, SeekMode, SeekTo, probe::Hint},
    io::{MediaSourceStream, MediaSourceStreamOptions},
    meta::MetadataOptions,
    packet::Packet,
    units::{Duration, TimeBase, Timestamp},
};

use super::{
    error::{guarded, is_end},
    framed::{Checkpoints, Framed},
    lean, mp4,
};

/// Damaged places to step over, one after another, before the rest of the file is given up.
const MAX_FAILURES: u32 = 64;

/// Opens `file` with whatever reader knows its container.
pub(super) fn probe(file: File, path: &Path) -> Result<Box<dyn FormatReader>> {
    match mp4::Packets::open(file)? {
        Ok(packets) => Ok(Box::new(packets)),
        Err(file) => {
            probe_stream(lean::stream(file)?, path.extension().and_then(|extension| extension.to_str()))
        }
    }
}

/// The same of Symphonia's readers alone.
pub(super) fn probe_stream(
    stream: MediaSourceStream<'static>,
    extension: Option<&str>,
) -> Result<Box<dyn FormatReader>> {
    let mut hint = Hint::new();
    if let Some(extension) = extension {
        hint.with_extension(extension);
    }
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    guarded(|| symphonia::default::get_probe().probe(&hint, stream, format, metadata))
}

/// Wraps `file` as Symphonia wants it.
pub(super) fn stream(file: File) -> MediaSourceStream<'static> {
    MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default())
}

/// Turns a track's time stamps into frames.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    rate: u32,
    base: TimeBase,
}

impl Clock {
    /// `base` is that of the track; without one a tick is a frame. `None` for a rate of 0.
    pub(super) fn new(rate: u32, base: Option<TimeBase>) -> Option<Self> {
        Some(Self { rate, base: base.or_else(|| TimeBase::try_from_recip(rate))? })
    }

    /// By how many frames a packet may seem to be off because ticks are coarser than frames.
    pub(super) fn slack(self) -> i64 {
        let (ticks, frames) = (i64::from(self.base.denom.get()), i64::from(self.rate));
        match frames.saturating_mul(i64::from(self.base.numer.get())) {
            same if same == ticks => 0,
            other => other / ticks + 1,
        }
    }

    pub(super) fn rate(self) -> u32 {
        self.rate
    }

    pub(super) fn frames(self, ticks: i64) -> i64 {
        let scaled = i128::from(ticks) * i128::from(self.rate) * i128::from(self.base.numer.get());
        saturate(scaled.div_euclid(i128::from(self.base.denom.get())))
    }

    fn ticks(self, frames: i64) -> i64 {
        let scaled = i128::from(frames) * i128::from(self.base.denom.get());
        saturate(scaled.div_euclid(i128::from(self.rate) * i128::from(self.base.numer.get())))
    }
}

fn saturate(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// A packet on the codec's own timeline, in frames; nothing is trimmed.
#[derive(Debug)]
pub(super) struct Timed {
    pub(super) start: i64,
    pub(super) frames: u64,
    pub(super) packet: Packet,
}

impl Timed {
    pub(super) fn new(mut packet: Packet, clock: Clock) -> Self {
        packet.dur = packet.block_dur();
        packet.trim_start = Duration::ZERO;
        packet.trim_end = Duration::ZERO;
        let frames = clock.frames(i64::try_from(packet.dur.get()).unwrap_or(i64::MAX));
        Self { start: clock.frames(packet.pts.get()), frames: frames.unsigned_abs(), packet }
    }

    pub(super) fn end(&self) -> i64 {
        self.start.saturating_add_unsigned(self.frames)
    }
}

/// The packets of one track. After an error or the end it gives nothing more until the next seek.
///
/// The tables of a few bytes may claim 2^32 packets. An honest file gives no byte of it twice between two seeks, and has at
/// least one for each packet: so all packets together take no more than the file has, and what is past that is the end.
pub(super) struct Demux {
    packets: Packets,
    track: u32,
    clock: Clock,
    failures: u32,
    /// The file's size, in bytes.
    bytes: u64,
    /// What of it packets may still take before the next seek.
    left: u64,
}

enum Packets {
    /// The container knows where its packets are.
    Indexed(Box<dyn FormatReader>),
    /// Bare packets, one after the other.
    Framed(Framed),
}

impl Demux {
    /// The packets of a file of so many bytes. `checkpoints` are given for streams that are nothing but packets.
    pub(super) fn new(
        bytes: u64,
        format: Box<dyn FormatReader>,
        track: u32,
        clock: Clock,
        checkpoints: Option<Arc<Checkpoints>>,
    ) -> Self {
        let packets = match checkpoints {
            None => Packets::Indexed(format),
            Some(checkpoints) => Packets::Framed(Framed::new(format, clock, checkpoints)),
        };
        Self { packets, track, clock, failures: 0, bytes, left: bytes }
    }

    /// Goes to a packet that begins at or before `frame`, or to the first.
    pub(super) fn seek(&mut self, frame: i64) -> Result<()> {
        (self.failures, self.left) = (0, self.bytes);
        match &mut self.packets {
            Packets::Framed(framed) => guarded(|| framed.seek(frame)),
            Packets::Indexed(format) => seek_back(format.as_mut(), self.track, self.clock, frame),
        }
    }

    /// Finds where a seek to any place begins, if the container does not say it. Stands anywhere afterwards.
    pub(super) fn find_places(&mut self) -> Result<()> {
        match &mut self.packets {
            Packets::Framed(framed) => guarded(|| framed.reach_all()),
            Packets::Indexed(_) => Ok(()),
        }
    }

    /// Passes over packets that need not be read to know how many frames they hold.
    pub(super) fn pass_most(&mut self) -> Result<()> {
        match &mut self.packets {
            Packets::Framed(framed) => guarded(|| framed.pass_most()),
            Packets::Indexed(_) => Ok(()),
        }
    }

    /// The next packet; `None` once there are no more that can be read.
    ///
    /// # Errors
    /// Only when the file cannot be read. Damage is stepped over.
    pub(super) fn next(&mut self) -> std::io::Result<Option<Timed>> {
        while self.failures < MAX_FAILURES && self.left > 0 {
            let packet = guarded(|| match &mut self.packets {
                Packets::Framed(framed) => framed.next(),
                Packets::Indexed(format) => {
                    format.next_packet().map(|packet| packet.map(|packet| Timed::new(packet, self.clock)))
                }
            });
            let data = packet.as_ref().ok().and_then(|it| Some(it.as_ref()?.packet.data.len() as u64));
            self.left = self.left.saturating_sub(data.unwrap_or(0).max(1));
            match packet {
                Ok(Some(timed)) if timed.packet.track_id != self.track => {}
                Ok(Some(timed)) => {
                    self.failures = 0;
                    return Ok(Some(timed));
                }
                Ok(None) | Err(Error::ResetRequired) => break,
                Err(Error::IoError(error)) if is_end(&error) => break,
                Err(Error::IoError(error)) => return Err(error),
                Err(_) => self.failures += 1,
            }
        }
        self.failures = MAX_FAILURES;
        Ok(None)
    }
}

/// Symphonia's search fails where it meets the end of the file, in the last packets of a FLAC and where a file is cut
/// off. So it begins ever further before the target: 1 s, 2 s, 4 s, …
fn seek_back(format: &mut dyn FormatReader, track_id: u32, clock: Clock, frame: i64) -> Result<()> {
    let mut back = 0i64;
    loop {
        let frame = frame.saturating_sub(back).max(0);
        let ts = Timestamp::new(clock.ticks(frame));
        match guarded(|| format.seek(SeekMode::Accurate, SeekTo::Timestamp { ts, track_id })) {
            Ok(_) => return Ok(()),
            Err(Error::IoError(error)) if !is_end(&error) => return Err(Error::IoError(error)),
            Err(error) if frame == 0 => return Err(error),
            Err(_) => back = back.saturating_mul(2).max(i64::from(clock.rate)),
        }
    }
}
