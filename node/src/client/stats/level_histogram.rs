//! Histogram of the jitter buffer's level over playback time.

use std::time::Duration;

/// Playback time per level of the jitter buffer. Time passes with the frames written to the output. During an underrun it passes
/// at an empty buffer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LevelHistogram([Duration; LevelHistogram::BELOW.len() + 2]);

impl LevelHistogram {
    /// Upper bounds of the classes between an empty buffer and a level above all of these.
    pub const BELOW: [Duration; 4] =
        [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(3)];

    /// Adds playback `time` at a buffer level.
    pub(crate) fn spend(&mut self, level: Duration, time: Duration) {
        let class = if level.is_zero() {
            0
        } else {
            Self::BELOW.iter().position(|bound| level < *bound).unwrap_or(Self::BELOW.len()) + 1
        };
        self.0[class] = self.0[class].saturating_add(time);
    }

    /// Time with an empty buffer, in the class below each bound of [`LevelHistogram::BELOW`], and above all of them.
    #[must_use]
    pub const fn times(&self) -> [Duration; Self::BELOW.len() + 2] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_to_the_level_it_was_spent_at() {
        let ms = Duration::from_millis;
        let mut levels = LevelHistogram::default();
        for (held, time) in
            [(0, 1), (1, 2), (499, 4), (500, 8), (999, 16), (1000, 32), (2000, 64), (3000, 128)]
        {
            levels.spend(ms(held), ms(time));
        }
        assert_eq!(levels.times(), [1, 6, 24, 32, 64, 128].map(ms));
    }
}
