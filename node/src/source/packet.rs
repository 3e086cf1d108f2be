//! Packets on a timeline of frames.

use std::fs::File;

use symphonia::core::{
    io::{MediaSourceStream, MediaSourceStreamOptions},
    packet::Packet,
    units::{Duration, TimeBase},
};

/// Wraps `file`, from its current position on, in the stream type that Symphonia's readers take.
pub(super) fn stream(file: File) -> MediaSourceStream<'static> {
    MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default())
}

/// Converts between a track's ticks and frames.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    rate: u32,
    base: TimeBase,
}

impl Clock {
    /// A clock for frames of `rate` Hz and a track's time base. Without a time base, one tick is one frame. `None` if
    /// `rate` is 0.
    pub(super) fn new(rate: u32, base: Option<TimeBase>) -> Option<Self> {
        Some(Self { rate, base: base.or_else(|| TimeBase::try_from_recip(rate))? })
    }

    /// Greatest rounding error of a packet's position, in frames; 0 if a tick is exactly a frame.
    pub(super) fn slack(self) -> i64 {
        let (ticks, frames) = (i64::from(self.base.denom.get()), i64::from(self.rate));
        match frames.saturating_mul(i64::from(self.base.numer.get())) {
            same if same == ticks => 0,
            other => other / ticks + 1,
        }
    }

    /// Frames per second.
    pub(super) fn rate(self) -> u32 {
        self.rate
    }

    /// Converts ticks to frames, rounded down.
    pub(super) fn frames(self, ticks: i64) -> i64 {
        let scaled = i128::from(ticks) * i128::from(self.rate) * i128::from(self.base.numer.get());
        saturate(scaled.div_euclid(i128::from(self.base.denom.get())))
    }

    /// Converts frames to ticks, rounded down.
    pub(super) fn ticks(self, frames: i64) -> i64 {
        let scaled = i128::from(frames) * i128::from(self.base.denom.get());
        saturate(scaled.div_euclid(i128::from(self.rate) * i128::from(self.base.numer.get())))
    }
}

fn saturate(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// A packet with its position on the codec's timeline, in frames. Encoder delay and padding are still part of it.
#[derive(Debug)]
pub(super) struct TimedPacket {
    pub(super) start: i64,
    pub(super) frames: u64,
    pub(super) packet: Packet,
}

impl TimedPacket {
    /// Places `packet` by its time stamp, and removes the trimming that its container asks for.
    pub(super) fn new(mut packet: Packet, clock: Clock) -> Self {
        packet.dur = packet.block_dur();
        packet.trim_start = Duration::ZERO;
        packet.trim_end = Duration::ZERO;
        let frames = clock.frames(i64::try_from(packet.dur.get()).unwrap_or(i64::MAX));
        Self { start: clock.frames(packet.pts.get()), frames: frames.unsigned_abs(), packet }
    }

    /// Position behind the packet's last frame.
    pub(super) fn end(&self) -> i64 {
        self.start.saturating_add_unsigned(self.frames)
    }
}
