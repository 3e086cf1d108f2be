//! Lets more than the window go after a path that lost all that was in flight.
//!
//! Then nothing is acknowledged, so nothing counts as lost and the window stays full. Two packets leave each time that QUIC's
//! probe timeout expires (RFC 9002, section 6.2), each time after twice as long, and noq-proto 1.4.0 holds back even
//! acknowledgements (`path_congestion_check` in its `connection/mod.rs`, against RFC 9002, section 7), so that the peer's
//! pings have no answer. Where a burst takes 20 packets in a row, that is seconds. So each probe brings a few packets more.

use std::time::{Duration, Instant};

/// See the module. Pure.
#[derive(Debug, Clone, Default)]
pub(super) struct More {
    /// The window is full. What is sent then is a probe.
    full: bool,
    /// When something was last acknowledged, and the round trip that it took.
    acked: Option<(Instant, Duration)>,
    /// What may be in flight beyond the window, in bytes.
    bytes: u64,
}

impl More {
    /// Packets for each probe, and for all of them until one is acknowledged.
    const EACH: u64 = 16;
    const MOST: u64 = 64;

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn window_is_full(&mut self) {
        self.full = true;
    }

    pub(super) fn sent(&mut self, now: Instant, bytes: u16, mtu: u16) {
        // A probe leaves, too, after a window that shrank, while one acknowledgement after the other comes.
        let silent = self.acked.is_none_or(|(at, rtt)| now.saturating_duration_since(at) > rtt / 2);
        if std::mem::take(&mut self.full) && silent {
            // The probes are in flight too.
            let more = 2 * u64::from(bytes) + Self::EACH * u64::from(mtu);
            self.bytes = (self.bytes + more).min(Self::MOST * u64::from(mtu));
        }
    }

    /// What was `sent` then has been acknowledged.
    pub(super) fn acked(&mut self, now: Instant, sent: Instant) {
        let acked = Some((now, now.saturating_duration_since(sent)));
        *self = Self { acked, ..Self::default() };
    }

    /// Something is given up as lost, so there is room in the window.
    pub(super) fn lost(&mut self) {
        self.full = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MTU: u16 = 1452;

    #[test]
    fn only_a_probe_brings_more_and_an_answer_ends_it() {
        let (mut more, began) = (More::default(), Instant::now());
        let at = |millis| began + Duration::from_millis(millis);
        more.acked(at(50), began);
        more.sent(at(60), 1452, MTU);
        assert_eq!(more.bytes(), 0, "the window was not full");
        more.window_is_full();
        more.sent(at(70), 1200, MTU);
        assert_eq!(more.bytes(), 0, "acknowledgements come");
        more.window_is_full();
        more.sent(at(200), 1200, MTU);
        assert_eq!(more.bytes(), 2 * 1200 + 16 * 1452);
        more.sent(at(200), 1200, MTU);
        assert_eq!(more.bytes(), 2 * 1200 + 16 * 1452, "the second probe, and what it brings");
        for _ in 0..10 {
            more.window_is_full();
            more.sent(at(300), 1200, MTU);
        }
        assert_eq!(more.bytes(), 64 * 1452);
        more.acked(at(400), at(300));
        assert_eq!(more.bytes(), 0);
    }
}
