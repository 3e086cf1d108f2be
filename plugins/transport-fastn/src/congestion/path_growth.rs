//! Widens the window on a path whose round trip has become longer.
//!
//! BBR3 keeps a least round trip for ten seconds. A path that changes from 50 to 300 ms has the window of 50
//! ms for that time, and a third of its rate. If BBR3 ends two of its randomly timed cycles meanwhile, it
//! takes that third for the bandwidth and narrows the window further: a chunk of 3 s took 2.7 s in place of
//! 0.7 s.
//!
//! [`QueueBound`](super::queue_bound::QueueBound) notices the longer path after three round trips. From then
//! on, until BBR3 notices too, the window is at least the bandwidth-delay product of the longer path. Unless
//! too many packets are lost: then the path has become slower as well, and BBR3's bandwidth is out of date.
//! The test `a_path_that_becomes_longer_keeps_its_rate` covers this case.

use std::time::{Duration, Instant};

/// Time since the path became longer, and its losses since. Performs no I/O and reads no clock.
#[derive(Debug, Clone, Default)]
pub(super) struct PathGrowth {
    /// Time at which the longer path was noticed, `None` while inactive.
    since: Option<Instant>,
    /// Bytes acknowledged since then.
    acked: u64,
    /// Bytes lost since then.
    lost: u64,
}

impl PathGrowth {
    /// Time for which BBR3 keeps a least round trip (`MIN_RTT_FILTER_LEN` in noq-proto 1.4.0).
    const BBR_MIN_RTT_LIFETIME: Duration = Duration::from_secs(10);
    /// One packet lost in this many is still random loss. More means a slower path.
    const RANDOM_LOSS_ONE_IN: u64 = 5;
    /// Losses that are ignored at the beginning, in packets.
    const IGNORED_LOSSES: u64 = 16;

    /// Returns true from the change of the path until BBR3 has noticed it.
    pub(super) fn is_active(&self) -> bool {
        self.since.is_some()
    }

    pub(super) fn start(&mut self, now: Instant) {
        *self = Self { since: Some(now), ..Self::default() };
    }

    pub(super) fn on_acked(&mut self, now: Instant, bytes: u64) {
        self.acked += bytes;
        self.since =
            self.since.filter(|since| now.saturating_duration_since(*since) <= Self::BBR_MIN_RTT_LIFETIME);
    }

    pub(super) fn on_lost(&mut self, bytes: u16, mtu: u16) {
        self.lost += u64::from(bytes);
        let random_loss = (self.acked + self.lost) / Self::RANDOM_LOSS_ONE_IN;
        if self.lost > random_loss + Self::IGNORED_LOSSES * u64::from(mtu) {
            self.since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MTU: u16 = 1200;

    /// Starts, then sends 1,000 packets, of which one in `one_in` is lost.
    fn after_loss(one_in: u32) -> PathGrowth {
        let mut growth = PathGrowth::default();
        let now = Instant::now();
        growth.start(now);
        for number in 1..=1000 {
            if number % one_in == 0 { growth.on_lost(MTU, MTU) } else { growth.on_acked(now, MTU.into()) }
        }
        growth
    }

    #[test]
    fn it_is_open_until_bbr_knows() {
        let mut growth = PathGrowth::default();
        let now = Instant::now();
        growth.on_acked(now, 1);
        assert!(!growth.is_active());
        growth.start(now);
        growth.on_acked(now + Duration::from_secs(10), 1);
        assert!(growth.is_active());
        growth.on_acked(now + Duration::from_millis(10_001), 1);
        assert!(!growth.is_active());
    }

    #[test]
    fn chance_leaves_it_open_and_a_narrow_path_does_not() {
        assert!(after_loss(5).is_active());
        assert!(!after_loss(4).is_active());
    }

    #[test]
    fn sixteen_losses_at_the_beginning_are_ignored() {
        let mut growth = PathGrowth::default();
        growth.start(Instant::now());
        // 16 ignored packets, and one in five of all: the 21st loss is one too many.
        (0..20).for_each(|_| growth.on_lost(MTU, MTU));
        assert!(growth.is_active());
        growth.on_lost(MTU, MTU);
        assert!(!growth.is_active());
    }
}
