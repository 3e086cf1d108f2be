use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// The length of a chunk, in seconds, for every codec and rate.
pub const CHUNK_SECONDS: u32 = 3;

/// Frames in a whole chunk at `rate`. Whole at every rate, since a chunk is a whole number of seconds.
#[must_use]
pub fn frames_per_chunk(rate: u32) -> u64 {
    u64::from(rate) * u64::from(CHUNK_SECONDS)
}

/// How many chunks `frames` frames at `rate` make; `None` when they are more than an index can name or `rate` is 0.
#[must_use]
pub fn chunk_count(frames: u64, rate: u32) -> Option<u32> {
    if rate == 0 {
        return None;
    }
    u32::try_from(frames.div_ceil(frames_per_chunk(rate))).ok()
}

/// Which chunk of a rendition, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChunkIndex(pub u32);

impl ChunkIndex {
    /// The chunk's first frame at `rate`.
    #[must_use]
    pub fn first_frame(self, rate: u32) -> FrameIndex {
        FrameIndex(u64::from(self.0) * frames_per_chunk(rate))
    }

    /// The chunk after this one, `None` after the last that can be named.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for ChunkIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A frame of a track at a rate that the context names, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FrameIndex(pub u64);

impl FrameIndex {
    /// The chunk that holds this frame at `rate`; `None` when no index can name it or `rate` is 0.
    #[must_use]
    pub fn chunk(self, rate: u32) -> Option<ChunkIndex> {
        if rate == 0 {
            return None;
        }
        u32::try_from(self.0 / frames_per_chunk(rate)).ok().map(ChunkIndex)
    }
}

/// An instant of a track, the same in every rendition, in microseconds from its start.
///
/// A microsecond is shorter than a frame at any rate a node handles (768 kHz: 1.3 µs), so a frame becomes a position and
/// the same frame again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// The start of a track.
    pub const START: Self = Self(0);

    /// The instant of `frame` at `rate`, rounded; the end of time where that overflows or `rate` is 0.
    #[must_use]
    pub fn of_frame(frame: FrameIndex, rate: u32) -> Self {
        let micros = (u128::from(frame.0) * 1_000_000 + u128::from(rate / 2)).checked_div(u128::from(rate));
        Self(micros.and_then(|it| u64::try_from(it).ok()).unwrap_or(u64::MAX))
    }

    /// The frame nearest to this instant at `rate`.
    #[must_use]
    pub fn frame(self, rate: u32) -> FrameIndex {
        let frame = (u128::from(self.0) * u128::from(rate) + 500_000) / 1_000_000;
        FrameIndex(u64::try_from(frame).unwrap_or(u64::MAX))
    }

    /// This instant moved by `seconds`, not before the start.
    #[must_use]
    pub fn moved(self, seconds: f64) -> Self {
        let micros = (seconds.abs() * 1e6) as u64;
        Self(if seconds < 0.0 { self.0.saturating_sub(micros) } else { self.0.saturating_add(micros) })
    }
}

impl From<Duration> for Position {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }
}

impl From<Position> for Duration {
    fn from(position: Position) -> Self {
        Self::from_micros(position.0)
    }
}
