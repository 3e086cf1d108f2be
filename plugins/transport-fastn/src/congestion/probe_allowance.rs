//! Permits a few packets beyond the window after the path lost everything in flight.
//!
//! Without an acknowledgement QUIC declares nothing lost, so the window stays full. Two packets leave each
//! time QUIC's probe timeout expires (RFC 9002, section 6.2), and the timeout doubles each time. Meanwhile
//! noq-proto 1.4.0 holds back even acknowledgements (`path_congestion_check` in its `connection/mod.rs`,
//! against RFC 9002, section 7), so the peer's pings get no answer. A burst that loses 20 packets in a row
//! would block the path for seconds. The test `a_burst_that_takes_all_that_is_in_flight_costs_a_second`
//! covers this case.

use std::time::{Duration, Instant};

/// Packets that each probe permits beyond the window. Performs no I/O and reads no clock.
#[derive(Debug, Clone, Default)]
pub(super) struct ProbeAllowance {
    /// True if the window is full, so that the next packet sent is a probe.
    window_full: bool,
    /// Time of the last acknowledgement, and the round trip it measured.
    last_ack: Option<(Instant, Duration)>,
    /// Bytes permitted in flight beyond the window.
    bytes: u64,
}

impl ProbeAllowance {
    /// Packets permitted per probe.
    const PER_PROBE: u64 = 16;
    /// Packets permitted until the next acknowledgement.
    const MAX_PACKETS: u64 = 64;

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn on_window_full(&mut self) {
        self.window_full = true;
    }

    /// Raises the allowance if this packet is a probe and no acknowledgement has come for half a round trip.
    /// QUIC also sends into a full window while acknowledgements arrive, if the window shrank.
    pub(super) fn on_sent(&mut self, now: Instant, bytes: u16, mtu: u16) {
        let is_silent = self.last_ack.is_none_or(|(at, rtt)| now.saturating_duration_since(at) > rtt / 2);
        if std::mem::take(&mut self.window_full) && is_silent {
            // QUIC sends two packets per probe timeout, which are in flight too.
            let more = 2 * u64::from(bytes) + Self::PER_PROBE * u64::from(mtu);
            self.bytes = (self.bytes + more).min(Self::MAX_PACKETS * u64::from(mtu));
        }
    }

    /// Ends the allowance. `sent` is the time at which the acknowledged packet left.
    pub(super) fn on_acked(&mut self, now: Instant, sent: Instant) {
        let last_ack = Some((now, now.saturating_duration_since(sent)));
        *self = Self { last_ack, ..Self::default() };
    }

    /// A lost packet leaves space in the window.
    pub(super) fn on_lost(&mut self) {
        self.window_full = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MTU: u16 = 1452;

    #[test]
    fn only_a_probe_brings_more_and_an_answer_ends_it() {
        let mut allowance = ProbeAllowance::default();
        let began = Instant::now();
        let at = |millis| began + Duration::from_millis(millis);
        allowance.on_acked(at(50), began);
        allowance.on_sent(at(60), 1452, MTU);
        assert_eq!(allowance.bytes(), 0, "the window is not full");
        allowance.on_window_full();
        allowance.on_sent(at(70), 1200, MTU);
        assert_eq!(allowance.bytes(), 0, "acknowledgements arrive");
        allowance.on_window_full();
        allowance.on_sent(at(200), 1200, MTU);
        assert_eq!(allowance.bytes(), 2 * 1200 + 16 * 1452);
        allowance.on_sent(at(200), 1200, MTU);
        assert_eq!(allowance.bytes(), 2 * 1200 + 16 * 1452, "the second packet of the same probe");
        for _ in 0..10 {
            allowance.on_window_full();
            allowance.on_sent(at(300), 1200, MTU);
        }
        assert_eq!(allowance.bytes(), 64 * 1452);
        allowance.on_acked(at(400), at(300));
        assert_eq!(allowance.bytes(), 0);
    }
}
