//! How much was held while sound went out: time on the playback clock, by the jitter buffer's level.

use std::time::Duration;

/// For how long the jitter buffer held so much. Time passes with the frames handed to the output, and while the output is dry
/// in the middle of a track, with nothing held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LevelHistogram([Duration; LevelHistogram::BELOW.len() + 2]);

impl LevelHistogram {
    /// The upper bounds between "nothing" and "more than all of these".
    pub const BELOW: [Duration; 4] =
        [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(3)];

    /// `time` went by with `held` in the buffer.
    pub(crate) fn spend(&mut self, held: Duration, time: Duration) {
        let place = if held.is_zero() {
            0
        } else {
            Self::BELOW.iter().position(|bound| held < *bound).unwrap_or(Self::BELOW.len()) + 1
        };
        self.0[place] = self.0[place].saturating_add(time);
    }

    /// With nothing held; below each of [`LevelHistogram::BELOW`] and not below the one before; with more.
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
