//! Opens the window of a path that has become longer.
//!
//! BBR3 believes a least round trip for ten seconds. For so long a path that went from 50 to 300 ms has the window of 50, and
//! a third of its rate. Where BBR3's dice end two of its cycles in that time, that third is the bandwidth, from which follows
//! a smaller window, and so on down: a chunk of 3 s took 2.7 s where 0.7 s are enough. The queue's bound knows after three
//! round trips. From then on until BBR3 knows too, what fits on the path by BBR3's bandwidth may be in flight; unless more is
//! lost than by chance: then the path is narrower, too, and the bandwidth is of the past.

use std::time::{Duration, Instant};

/// See the module. Pure.
#[derive(Debug, Clone, Default)]
pub(super) struct Longer {
    /// When that was found out, until BBR3 knows.
    since: Option<Instant>,
    /// Bytes since then.
    acked: u64,
    lost: u64,
}

impl Longer {
    /// How long BBR3 keeps a least round trip (`MIN_RTT_FILTER_LEN` in noq-proto 1.4.0).
    const LASTS: Duration = Duration::from_secs(10);
    /// More than one packet in so many is not lost by chance.
    const CHANCE: u64 = 5;
    /// So many packets say nothing yet.
    const FEW: u64 = 16;

    /// BBR3 does not know how long the path is.
    pub(super) fn is_open(&self) -> bool {
        self.since.is_some()
    }

    pub(super) fn found(&mut self, now: Instant) {
        *self = Self { since: Some(now), ..Self::default() };
    }

    pub(super) fn acked(&mut self, now: Instant, bytes: u64) {
        self.acked += bytes;
        self.since = self.since.filter(|it| now.saturating_duration_since(*it) <= Self::LASTS);
    }

    pub(super) fn lost(&mut self, bytes: u16, mtu: u16) {
        self.lost += u64::from(bytes);
        if self.lost > (self.acked + self.lost) / Self::CHANCE + Self::FEW * u64::from(mtu) {
            self.since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MTU: u16 = 1200;

    /// Of 1,000 packets after it was found, one in so many is lost.
    fn after(one_in: u32) -> Longer {
        let (mut longer, now) = (Longer::default(), Instant::now());
        longer.found(now);
        for number in 1..=1000 {
            if number % one_in == 0 { longer.lost(MTU, MTU) } else { longer.acked(now, MTU.into()) }
        }
        longer
    }

    #[test]
    fn it_is_open_until_bbr_knows() {
        let (mut longer, now) = (Longer::default(), Instant::now());
        longer.acked(now, 1);
        assert!(!longer.is_open());
        longer.found(now);
        longer.acked(now + Longer::LASTS, 1);
        assert!(longer.is_open());
        longer.acked(now + Longer::LASTS + Duration::from_millis(1), 1);
        assert!(!longer.is_open());
    }

    #[test]
    fn chance_leaves_it_open_and_a_narrow_path_does_not() {
        assert!(after(10).is_open());
        assert!(!after(4).is_open());
        let mut longer = after(1000);
        longer.found(Instant::now());
        (0..Longer::FEW).for_each(|_| longer.lost(MTU, MTU));
        assert!(longer.is_open(), "a few are no reason");
    }
}
