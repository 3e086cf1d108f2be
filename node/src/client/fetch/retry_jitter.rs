//! A little later than the session asks to try again, at random: the listeners of one node, whose requests fail at once, would
//! else ask again at once. The session itself knows no chance.

use std::time::Duration;

use crate::client::dial::not_before;

/// By how much the retry at an instant is late.
#[derive(Debug, Default)]
pub(super) struct Late {
    retry: Option<(Duration, Duration)>,
}

impl Late {
    /// The session tries again at that instant, `after` it failed.
    pub(super) fn retrying(&mut self, at: Option<Duration>, after: Duration) {
        self.retry = at.map(|at| (at, not_before(after).saturating_sub(after)));
    }

    /// When to wake the session that asks to be woken at that instant.
    pub(super) fn due(&self, at: Duration) -> Duration {
        match self.retry {
            Some((retry, late)) if retry == at => at + late,
            _ => at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_spread_over_a_quarter_of_the_wait_and_nothing_else_is_late() {
        let (at, after) = (Duration::from_secs(60), Duration::from_millis(400));
        let due = |_| {
            let mut late = Late::default();
            late.retrying(Some(at), after);
            assert_eq!(late.due(at + after), at + after, "another instant");
            late.due(at)
        };
        let all: Vec<_> = (0..100).map(due).collect();
        assert!(all.iter().all(|it| (at..=at + after / 4).contains(it)), "{all:?}");
        let first = all.iter().min().unwrap();
        assert!(all.iter().max().unwrap().saturating_sub(*first) > after / 8, "{all:?}");
        assert_eq!(Late::default().due(at), at);
    }
}
