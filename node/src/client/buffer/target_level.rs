//! How much is to be held: what was asked for, and more on a path that proved bad.

use std::time::Duration;

/// A new target, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// The new target.
    pub target: Duration,
    /// Why, in words.
    pub reason: &'static str,
}

/// Raises the target by a chunk each time there was trouble, once in 10 s; lowers it by one after each good while. Pure.
#[derive(Debug)]
pub struct Target {
    asked: Duration,
    most: Duration,
    present: Duration,
    /// Troubles that were dealt with.
    seen: u64,
    /// When the last of them was, or the last change, or the last instant of a pause.
    since: Duration,
    /// When it was last raised.
    raised: Option<Duration>,
}

impl Target {
    /// One chunk.
    const STEP: Duration = Duration::from_secs(3);
    /// One trouble shows in several ways within this time.
    const ONE_TROUBLE: Duration = Duration::from_secs(10);
    /// Without trouble for so long, a path is good again.
    const GOOD: Duration = Duration::from_secs(180);

    /// Never below `asked`, and above it up to `most`.
    pub fn new(asked: Duration, most: Duration) -> Self {
        Self { asked, most: most.max(asked), present: asked, seen: 0, since: Duration::ZERO, raised: None }
    }

    /// So many `troubles` there have been by `now`; the new target, if it changes. Time that is `idle` (a pause, an output
    /// that waits) proves nothing.
    pub fn observe(&mut self, now: Duration, troubles: u64, idle: bool) -> Option<Fit> {
        let quiet = now.saturating_sub(self.since);
        let trouble = std::mem::replace(&mut self.seen, troubles) != troubles;
        let is_new = self.raised.is_none_or(|raised| now.saturating_sub(raised) >= Self::ONE_TROUBLE);
        if trouble && !idle && is_new {
            self.raised = Some(now);
            let target = (self.present + Self::STEP).min(self.most);
            return self.change(now, target, "the path proved bad");
        }
        if trouble || idle {
            self.since = now;
        } else if quiet >= Self::GOOD {
            let lowered = self.present.saturating_sub(Self::STEP).max(self.asked);
            return self.change(now, lowered, "the path is good again");
        }
        None
    }

    fn change(&mut self, now: Duration, target: Duration, reason: &'static str) -> Option<Fit> {
        self.since = now;
        let before = std::mem::replace(&mut self.present, target);
        (before != target).then_some(Fit { target, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn target_of(fit: Option<Fit>) -> Option<u64> {
        fit.map(|fit| fit.target.as_secs())
    }

    #[test]
    fn trouble_raises_it_to_the_most_and_good_minutes_lower_it_to_what_was_asked() {
        let mut target = Target::new(s(3), s(8));
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
            let mut target = Target::new(s(3), s(12));
            let raised: Vec<_> =
                (1..=120 / gap).filter_map(|n| target_of(target.observe(s(n * gap), n, false))).collect();
            assert_eq!(raised, [6, 9, 12], "trouble every {gap} s");
        }
    }

    #[test]
    fn a_pause_is_neither_trouble_nor_a_good_time() {
        let mut target = Target::new(s(3), s(8));
        assert_eq!(target.observe(s(1), 1, true), None);
        assert_eq!(target_of(target.observe(s(2), 2, false)), Some(6));
        assert_eq!(target.observe(s(170), 2, true), None);
        assert_eq!(target.observe(s(300), 2, false), None);
        assert_eq!(target_of(target.observe(s(350), 2, false)), Some(3));
    }

    #[test]
    fn stays_where_no_more_is_allowed() {
        let mut target = Target::new(s(5), s(0));
        assert_eq!(target.observe(s(20), 1, false), None);
    }
}
