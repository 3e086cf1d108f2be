//! Goes on, a little, behind a window that has shrunk below what is in flight.
//!
//! Else nothing leaves until enough is acknowledged or counts as lost, and where a full queue took the newest packets, that
//! is never: an acknowledgement of something newer would tell, but nothing newer is sent. Then all waits for QUIC's probe
//! timeout, of several round trips that the queue made long. So each time that nothing was sent for longer than a round trip
//! should take, up to two packets leave, one for every two that were acknowledged, as in TCP's Proportional Rate Reduction
//! (RFC 6937, section 3), and what waits still becomes less.

use std::time::{Duration, Instant};

/// See the module. Pure.
#[derive(Debug, Clone, Default)]
pub(super) struct Reduction {
    /// When something was last sent.
    sent: Option<Instant>,
    /// Half of the bytes that were acknowledged since, but for what was sent for them.
    credit: u64,
    /// What may be in flight, in bytes, however small the window is.
    bytes: u64,
}

impl Reduction {
    /// Packets that may leave at once.
    const MOST: u64 = 2;

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn sent(&mut self, now: Instant, bytes: u16) {
        self.sent = Some(now);
        self.credit = self.credit.saturating_sub(bytes.into());
    }

    pub(super) fn acked(&mut self, bytes: u64, mtu: u16) {
        self.credit = (self.credit + bytes / 2).min(Self::MOST * u64::from(mtu));
    }

    /// An acknowledgement has been looked through; a round trip should take no longer than `bound`.
    pub(super) fn acknowledged(&mut self, now: Instant, in_flight: u64, bound: Duration) {
        let is_held = self.sent.is_some_and(|at| now.saturating_duration_since(at) > bound);
        self.bytes = if is_held { in_flight + self.credit } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MTU: u16 = 1200;
    const BOUND: Duration = Duration::from_millis(150);

    /// 20 packets are in flight, of which one is acknowledged at each of `millis` after the last was sent.
    fn after(millis: &[u64]) -> Reduction {
        let (mut reduction, began) = (Reduction::default(), Instant::now());
        reduction.sent(began, MTU);
        for (left, millis) in (0..20).rev().zip(millis) {
            reduction.acked(MTU.into(), MTU);
            reduction.acknowledged(began + Duration::from_millis(*millis), left * u64::from(MTU), BOUND);
        }
        reduction
    }

    #[test]
    fn while_a_round_trip_lasts_nothing_goes_on() {
        assert_eq!(after(&[50, 90, 100, 150]).bytes(), 0);
    }

    #[test]
    fn after_it_a_packet_leaves_for_every_two_and_never_more_than_two() {
        let packet = u64::from(MTU);
        let in_flight = |acknowledged: u64| (20 - acknowledged) * packet;
        assert_eq!(after(&[100, 151]).bytes(), in_flight(2) + packet);
        assert_eq!(after(&[100, 151, 200, 250]).bytes(), in_flight(4) + 2 * packet);
        assert_eq!(after(&[100, 151, 200, 250, 300, 350]).bytes(), in_flight(6) + 2 * packet);
    }

    #[test]
    fn what_leaves_is_waited_for_again() {
        let mut reduction = after(&[100, 151, 200]);
        let now = Instant::now() + Duration::from_secs(1);
        reduction.sent(now, MTU);
        reduction.acknowledged(now + BOUND, 10_000, BOUND);
        assert_eq!(reduction.bytes(), 0);
        // Half a packet was left.
        reduction.acknowledged(now + 2 * BOUND, 10_000, BOUND);
        assert_eq!(reduction.bytes(), 10_000 + u64::from(MTU) / 2);
    }
}
