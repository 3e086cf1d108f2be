//! Random delay of retries, so that clients whose requests failed at the same instant do not all retry at the same instant.
//! The protocol's session is deterministic and adds none itself.

use std::time::Duration;

use super::backoff::not_before;

/// Extra delay of the session's next retry.
#[derive(Debug, Default)]
pub(super) struct RetryJitter {
    /// Instant of the retry, and the delay added to it.
    retry: Option<(Duration, Duration)>,
}

impl RetryJitter {
    /// Chooses a delay for the retry at `at`, which comes `after` its failure.
    pub(super) fn on_retry(&mut self, at: Option<Duration>, after: Duration) {
        self.retry = at.map(|at| (at, not_before(after).saturating_sub(after)));
    }

    /// Instant at which to wake a session that wants to be woken at `at`: later than that if it is the retry.
    pub(super) fn wake_at(&self, at: Duration) -> Duration {
        match self.retry {
            Some((retry, delay)) if retry == at => at + delay,
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
        let wake_at = |_| {
            let mut jitter = RetryJitter::default();
            jitter.on_retry(Some(at), after);
            assert_eq!(jitter.wake_at(at + after), at + after, "another instant");
            jitter.wake_at(at)
        };
        let all: Vec<_> = (0..100).map(wake_at).collect();
        assert!(all.iter().all(|instant| (at..=at + after / 4).contains(instant)), "{all:?}");
        let first = all.iter().min().unwrap();
        assert!(all.iter().max().unwrap().saturating_sub(*first) > after / 8, "{all:?}");
        assert_eq!(RetryJitter::default().wake_at(at), at);
    }
}
