//! Lets a sender continue slowly while the window is smaller than the bytes in flight.
//!
//! Without this, nothing leaves until enough packets are acknowledged or declared lost. If a full queue
//! dropped the newest packets, that never happens: only an acknowledgement of a newer packet would reveal the
//! loss, and no newer packet is sent. The sender would wait for QUIC's probe timeout, several round trips
//! that the queue has made long.
//!
//! So after a silence longer than a round trip should take, one packet leaves for every two acknowledged, two
//! at most at once, as in TCP's Proportional Rate Reduction (RFC 6937, section 3). The queue still shrinks.
//! The test `what_is_asked_for_behind_a_full_queue_comes_once_it_has_drained` covers this case.

use std::time::{Duration, Instant};

/// Least number of bytes permitted in flight. Performs no I/O and reads no clock.
#[derive(Debug, Clone, Default)]
pub(super) struct WindowFloor {
    /// Time of the last packet sent.
    last_sent: Option<Instant>,
    /// Half of the bytes acknowledged, less the bytes sent.
    credit: u64,
    /// Bytes permitted in flight, however small the window is.
    bytes: u64,
}

impl WindowFloor {
    /// Packets that may leave at once.
    const MAX_PACKETS: u64 = 2;

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn on_sent(&mut self, now: Instant, bytes: u16) {
        self.last_sent = Some(now);
        self.credit = self.credit.saturating_sub(bytes.into());
    }

    pub(super) fn on_acked(&mut self, bytes: u64, mtu: u16) {
        self.credit = (self.credit + bytes / 2).min(Self::MAX_PACKETS * u64::from(mtu));
    }

    /// Sets the floor at the end of an acknowledgement. `rtt_bound` is the time that a round trip may take.
    pub(super) fn on_end_acks(&mut self, now: Instant, in_flight: u64, rtt_bound: Duration) {
        let is_held = self.last_sent.is_some_and(|at| now.saturating_duration_since(at) > rtt_bound);
        self.bytes = if is_held { in_flight + self.credit } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MTU: u16 = 1200;
    const RTT_BOUND: Duration = Duration::from_millis(150);

    /// Sends 20 packets at once. One of them is acknowledged at each time of `millis`.
    fn after_acks(millis: &[u64]) -> WindowFloor {
        let mut floor = WindowFloor::default();
        let began = Instant::now();
        floor.on_sent(began, MTU);
        for (left, millis) in (0..20).rev().zip(millis) {
            floor.on_acked(MTU.into(), MTU);
            floor.on_end_acks(began + Duration::from_millis(*millis), left * u64::from(MTU), RTT_BOUND);
        }
        floor
    }

    #[test]
    fn while_a_round_trip_lasts_nothing_goes_on() {
        assert_eq!(after_acks(&[50, 90, 100, 150]).bytes(), 0);
    }

    #[test]
    fn after_it_a_packet_leaves_for_every_two_and_never_more_than_two() {
        let packet = u64::from(MTU);
        let in_flight = |acknowledged: u64| (20 - acknowledged) * packet;
        assert_eq!(after_acks(&[100, 151]).bytes(), in_flight(2) + packet);
        assert_eq!(after_acks(&[100, 151, 200, 250]).bytes(), in_flight(4) + 2 * packet);
        assert_eq!(after_acks(&[100, 151, 200, 250, 300, 350]).bytes(), in_flight(6) + 2 * packet);
    }

    #[test]
    fn what_leaves_is_waited_for_again() {
        let mut floor = after_acks(&[100, 151, 200]);
        let now = Instant::now() + Duration::from_secs(1);
        floor.on_sent(now, MTU);
        floor.on_end_acks(now + RTT_BOUND, 10_000, RTT_BOUND);
        assert_eq!(floor.bytes(), 0);
        // The credit of half a packet is left.
        floor.on_end_acks(now + 2 * RTT_BOUND, 10_000, RTT_BOUND);
        assert_eq!(floor.bytes(), 10_000 + u64::from(MTU) / 2);
    }
}
