//! Target level of the jitter buffer.

use std::time::Duration;

/// Change of the target level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelChange {
    /// The new target level.
    pub target: Duration,
    /// Reason, in words for a listener.
    pub reason: &'static str,
}

/// Target level of the jitter buffer: the configured level, and more on a slow connection. The next chunk is requested while
/// the buffer holds less.
///
/// Trouble raises it by one chunk, at most once in 10 s: a shortage, a stalled request or a new connection. Three minutes
/// without trouble lower it by one chunk. Reads no clock.
#[derive(Debug)]
pub struct TargetLevel {
    /// The configured level.
    least: Duration,
    most: Duration,
    present: Duration,
    /// Number of troubles handled so far.
    troubles: u64,
    /// Start of the present time without trouble: the last trouble, change or idle instant.
    quiet_since: Duration,
    /// Instant of the last trouble that raised the level, or would have if the level were not at its maximum.
    raised: Option<Duration>,
}

impl TargetLevel {
    /// Step by which the level rises and falls: one chunk. Tested by
    /// `trouble_raises_it_to_the_most_and_good_minutes_lower_it_to_what_was_asked`.
    const STEP: Duration = Duration::from_secs(3);
    /// Time within which several signs of trouble count as one. Tested by `a_second_trouble_counts_after_ten_seconds`.
    const ONE_TROUBLE: Duration = Duration::from_secs(10);
    /// Time without trouble after which the level is lowered.
    /// Tested by `trouble_raises_it_to_the_most_and_good_minutes_lower_it_to_what_was_asked`.
    const GOOD: Duration = Duration::from_secs(180);

    /// Creates a level of `least` that can rise up to `most`.
    pub fn new(least: Duration, most: Duration) -> Self {
        Self {
            least,
            most: most.max(least),
            present: least,
            troubles: 0,
            quiet_since: Duration::ZERO,
            raised: None,
        }
    }

    /// Takes the number of all `troubles` up to `now`. Returns the new level if it changes. Idle time (a pause, an output that
    /// is not in real time) neither raises nor lowers it.
    pub fn observe(&mut self, now: Duration, troubles: u64, idle: bool) -> Option<LevelChange> {
        let quiet = now.saturating_sub(self.quiet_since);
        let is_trouble = std::mem::replace(&mut self.troubles, troubles) != troubles;
        let is_new = self.raised.is_none_or(|raised| now.saturating_sub(raised) >= Self::ONE_TROUBLE);
        if is_trouble && !idle && is_new {
            self.raised = Some(now);
            let raised = (self.present + Self::STEP).min(self.most);
            return self.change(now, raised, "slow connection");
        }
        if is_trouble || idle {
            self.quiet_since = now;
        } else if quiet >= Self::GOOD {
            let lowered = self.present.saturating_sub(Self::STEP).max(self.least);
            return self.change(now, lowered, "steady connection");
        }
        None
    }

    fn change(&mut self, now: Duration, target: Duration, reason: &'static str) -> Option<LevelChange> {
        self.quiet_since = now;
        let before = std::mem::replace(&mut self.present, target);
        (before != target).then_some(LevelChange { target, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn target_of(change: Option<LevelChange>) -> Option<u64> {
        change.map(|change| change.target.as_secs())
    }

    #[test]
    fn trouble_raises_it_to_the_most_and_good_minutes_lower_it_to_what_was_asked() {
        let mut target = TargetLevel::new(s(3), s(8));
        assert_eq!(target.observe(s(1), 0, false), None);
        assert_eq!(target_of(target.observe(s(20), 1, false)), Some(6));
        assert_eq!(target.observe(s(22), 3, false), None, "the same trouble");
        assert_eq!(target_of(target.observe(s(40), 4, false)), Some(8));
        assert_eq!(target.observe(s(60), 5, false), None, "there is no more");
        assert_eq!(target.observe(s(60 + 179), 5, false), None);
        assert_eq!(target_of(target.observe(s(60 + 180), 5, false)), Some(5));
        assert_eq!(target.observe(s(60 + 200), 5, false), None);
        assert_eq!(target_of(target.observe(s(60 + 360), 5, false)), Some(3));
        assert_eq!(target.observe(s(10_000), 5, false), None);
    }

    #[test]
    fn trouble_that_does_not_end_raises_it_to_the_most() {
        for gap in [1, 3, 9, 11, 30] {
            let mut target = TargetLevel::new(s(3), s(12));
            let raised: Vec<_> =
                (1..=120 / gap).filter_map(|n| target_of(target.observe(s(n * gap), n, false))).collect();
            assert_eq!(raised, [6, 9, 12], "trouble every {gap} s");
        }
    }

    #[test]
    fn a_second_trouble_counts_after_ten_seconds() {
        let raised_at = |millis| {
            let mut target = TargetLevel::new(s(3), s(12));
            assert_eq!(target_of(target.observe(s(20), 1, false)), Some(6));
            target_of(target.observe(s(20) + Duration::from_millis(millis), 2, false))
        };
        assert_eq!([9_999, 10_000].map(raised_at), [None, Some(9)]);
    }

    #[test]
    fn a_pause_is_neither_trouble_nor_a_good_time() {
        let mut target = TargetLevel::new(s(3), s(8));
        assert_eq!(target.observe(s(1), 1, true), None);
        assert_eq!(target_of(target.observe(s(2), 2, false)), Some(6));
        assert_eq!(target.observe(s(170), 2, true), None);
        assert_eq!(target.observe(s(300), 2, false), None);
        assert_eq!(target_of(target.observe(s(350), 2, false)), Some(3));
    }

    #[test]
    fn stays_where_no_more_is_allowed() {
        let mut target = TargetLevel::new(s(5), s(0));
        assert_eq!(target.observe(s(20), 1, false), None);
    }
}
