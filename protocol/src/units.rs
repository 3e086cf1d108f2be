use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// Length of a chunk, in seconds, for every codec and rate.
pub const CHUNK_SECONDS: u32 = 3;

/// Returns the number of frames in a whole chunk at `rate`.
#[must_use]
pub fn frames_per_chunk(rate: u32) -> u64 {
    u64::from(rate) * u64::from(CHUNK_SECONDS)
}

/// Returns the number of chunks in `frames` frames at `rate`; `None` if there are more than an index can
/// number, or if `rate` is 0.
#[must_use]
pub fn chunk_count(frames: u64, rate: u32) -> Option<u32> {
    if rate == 0 {
        return None;
    }
    u32::try_from(frames.div_ceil(frames_per_chunk(rate))).ok()
}

/// Number of a chunk in its track, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChunkIndex(pub u32);

impl ChunkIndex {
    /// Returns the chunk's first frame at `rate`.
    #[must_use]
    pub fn first_frame(self, rate: u32) -> FrameIndex {
        FrameIndex(u64::from(self.0).saturating_mul(frames_per_chunk(rate)))
    }

    /// Returns the index of the next chunk; `None` after the greatest index.
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

/// Number of a frame in its track, from 0. The context gives the rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FrameIndex(pub u64);

impl FrameIndex {
    /// Returns the chunk that contains this frame at `rate`; `None` if no index can number it, or if `rate`
    /// is 0.
    #[must_use]
    pub fn chunk(self, rate: u32) -> Option<ChunkIndex> {
        if rate == 0 {
            return None;
        }
        u32::try_from(self.0 / frames_per_chunk(rate)).ok().map(ChunkIndex)
    }
}

/// Instant of a track in microseconds from its start, the same in every rendition.
///
/// A microsecond is shorter than a frame at any rate up to the limit (768 kHz: 1.3 µs). So the position of a
/// frame converts back to the same frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// Start of a track.
    pub const START: Self = Self(0);

    /// Returns the instant of `frame` at `rate`, rounded; the greatest position on overflow or if `rate` is 0.
    #[must_use]
    pub fn of_frame(frame: FrameIndex, rate: u32) -> Self {
        let micros = (u128::from(frame.0) * 1_000_000 + u128::from(rate / 2)).checked_div(u128::from(rate));
        Self(micros.and_then(|it| u64::try_from(it).ok()).unwrap_or(u64::MAX))
    }

    /// Returns the frame nearest to this instant at `rate`.
    #[must_use]
    pub fn frame(self, rate: u32) -> FrameIndex {
        let frame = (u128::from(self.0) * u128::from(rate) + 500_000) / 1_000_000;
        FrameIndex(u64::try_from(frame).unwrap_or(u64::MAX))
    }

    /// Returns the instant `seconds` later, or earlier if they are negative, but not before the start.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATES: std::ops::RangeInclusive<u32> = 1..=768_000;

    proptest! {
        #[test]
        fn a_frame_becomes_a_position_and_the_same_frame(rate in RATES, frame in 0_u64..1 << 44) {
            let position = Position::of_frame(FrameIndex(frame), rate);
            prop_assert_eq!(position.frame(rate), FrameIndex(frame));
        }

        #[test]
        fn a_position_lies_within_half_a_frame_of_its_frame(rate in RATES, micros in 0_u64..1 << 44) {
            let frame = Position(micros).frame(rate);
            let apart = (u128::from(frame.0) * 1_000_000).abs_diff(u128::from(micros) * u128::from(rate));
            prop_assert!(apart <= 500_000, "{} at {} lies {} µframes off", frame.0, rate, apart);
        }

        #[test]
        fn chunks_tile_a_track(rate in RATES, frames in 1_u64..1 << 50) {
            let length = frames_per_chunk(rate);
            let Some(count) = chunk_count(frames, rate) else {
                prop_assert!(frames > u64::from(u32::MAX) * length);
                return Ok(());
            };
            let last = FrameIndex(frames - 1).chunk(rate).unwrap();
            prop_assert_eq!(last.0 + 1, count);
            prop_assert!(last.first_frame(rate).0 < frames && frames <= last.first_frame(rate).0 + length);
        }

        #[test]
        fn a_frame_lies_in_its_chunk(rate in RATES, index: u32, offset in any::<prop::sample::Index>()) {
            let index = ChunkIndex(index);
            let offset = offset.index(frames_per_chunk(rate) as usize) as u64;
            let frame = FrameIndex(index.first_frame(rate).0 + offset);
            prop_assert_eq!(frame.chunk(rate), Some(index));
        }

        #[test]
        fn nothing_overflows(frame: u64, rate: u32, seconds: f64) {
            let position = Position::of_frame(FrameIndex(frame), rate);
            let _ = (position.frame(rate), Position(frame).frame(rate), FrameIndex(frame).chunk(rate));
            let _ = (position.moved(seconds), chunk_count(frame, rate), ChunkIndex(rate).first_frame(rate));
            prop_assert_eq!(Position::from(Duration::from(position)), position);
        }
    }

    #[test]
    fn chunks_of_a_track_are_counted_up_to_what_an_index_can_name() {
        let all = u64::from(u32::MAX) * 3;
        let counts = [0, 1, 3, 4, all, all + 1, u64::MAX].map(|frames| chunk_count(frames, 1));
        assert_eq!(counts, [Some(0), Some(1), Some(1), Some(2), Some(u32::MAX), None, None]);
        assert_eq!(chunk_count(1, 0), None);
        assert_eq!(frames_per_chunk(44_100), 132_300);
        assert_eq!(ChunkIndex(u32::MAX).next(), None);
    }

    #[test]
    fn a_position_moves_no_further_back_than_the_start() {
        assert_eq!(Position(10_000_000).moved(-2.5), Position(7_500_000));
        assert_eq!(Position(10_000_000).moved(10.0), Position(20_000_000));
        assert_eq!(Position(10_000_000).moved(-11.0), Position::START);
        assert_eq!(Position(1).moved(f64::INFINITY), Position(u64::MAX));
        assert_eq!(Position::of_frame(FrameIndex(1), 0), Position(u64::MAX));
    }
}
