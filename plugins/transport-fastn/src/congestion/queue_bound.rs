//! Keeps the queue before a path's narrowest link short.
//!
//! BBR3 learns how much fits on a path only from a long transfer. A chunk of music on a slow link ends before
//! that, so BBR3's window only grows and the sender sends the whole chunk at once. The chunk then waits in
//! the link's queue for seconds, and everything else waits behind it. If the queue is full, the end of the
//! chunk is lost, which QUIC notices one long round trip later.
//!
//! The window is therefore limited to the bytes that pass within the permitted round trip: the least round
//! trip plus [`QueueBound::MAX_QUEUE_DELAY`], which is also the target of LEDBAT (RFC 6817). BBR3's bandwidth
//! gives the first limit. If round trips still take longer than permitted, the limit is cut in proportion.

use std::time::{Duration, Instant};

/// Limit of the window, derived from round trips. Performs no I/O and reads no clock.
#[derive(Debug, Clone)]
pub(super) struct QueueBound {
    /// Bytes permitted in flight.
    window_limit: u64,
    /// Least round trip of the present interval and of the one before.
    min_rtts: [Duration; 2],
    /// Start of the present interval.
    interval_start: Option<Instant>,
    /// Last cut of the limit, until a packet shows that it was enough.
    last_cut: Option<Cut>,
    /// Newest packet of the acknowledgement that is being processed.
    newest: Option<NewestPacket>,
}

/// A reduction of the limit.
#[derive(Debug, Clone)]
struct Cut {
    /// Time of the cut. A packet sent earlier does not show its effect.
    at: Instant,
    /// Round trip that caused the cut.
    rtt: Duration,
    /// Limit before the first of the ineffective cuts.
    limit_before: u64,
    /// Number of ineffective cuts in a row, up to this one.
    ineffective_cuts: u32,
}

/// Newest packet of an acknowledgement, and the bytes of all its packets.
#[derive(Debug, Clone)]
struct NewestPacket {
    number: u64,
    sent: Instant,
    bytes: u64,
}

impl QueueBound {
    /// Packets may wait in the queue for this time, or for the least round trip if that is longer. Tested by
    /// `a_queue_lowers_the_bound_to_what_passes`.
    const MAX_QUEUE_DELAY: Duration = Duration::from_millis(100);
    /// Interval of the least round trip, which is kept for two intervals. BBR3 empties the path as often to
    /// measure it (draft-ietf-ccwg-bbr-05, section 2.14.2, `ProbeRTTInterval`). Tested by
    /// `a_least_round_trip_is_kept_for_ten_seconds`.
    const MIN_RTT_INTERVAL: Duration = Duration::from_secs(5);
    /// Packets that are always permitted in flight (the same draft, section 2.7, `MinPipeCwnd`).
    const MIN_PACKETS: u64 = 4;
    /// Number of ineffective cuts in a row after which this sender does not cause the queue: other traffic
    /// fills it, or the path has become longer. Tested by `a_path_that_has_become_longer_is_soon_no_queue`.
    const MAX_INEFFECTIVE_CUTS: u32 = 2;

    pub(super) const fn new() -> Self {
        Self {
            window_limit: u64::MAX,
            min_rtts: [Duration::MAX; 2],
            interval_start: None,
            last_cut: None,
            newest: None,
        }
    }

    /// Bytes permitted in flight according to the round trips, `u64::MAX` before the first cut.
    pub(super) fn window_limit(&self) -> u64 {
        self.window_limit
    }

    /// Bytes permitted in flight at a `bandwidth` in bytes per second, before a queue has built up.
    pub(super) fn bandwidth_limit(&self, bandwidth: u64) -> u64 {
        bytes_in(bandwidth, self.rtt_bound())
    }

    /// Bytes that fit on the path without a queue, at a `bandwidth` in bytes per second.
    pub(super) fn bandwidth_delay_product(&self, bandwidth: u64) -> u64 {
        bytes_in(bandwidth, self.min_rtt())
    }

    fn min_rtt(&self) -> Duration {
        let [present, previous] = self.min_rtts;
        present.min(previous)
    }

    /// Time that a round trip may take.
    pub(super) fn rtt_bound(&self) -> Duration {
        let min_rtt = self.min_rtt();
        min_rtt.saturating_add(min_rtt.max(Self::MAX_QUEUE_DELAY))
    }

    /// Notes one packet of an acknowledgement.
    pub(super) fn on_acked(&mut self, sent: Instant, bytes: u64, number: u64) {
        let newest = self.newest.get_or_insert(NewestPacket { number, sent, bytes: 0 });
        newest.bytes += bytes;
        if number >= newest.number {
            newest.number = number;
            newest.sent = sent;
        }
    }

    /// Updates the limit at the end of an acknowledgement. Returns true if the path proved to be longer now.
    ///
    /// `largest_acked` is the newest packet of the path that was ever acknowledged, `in_flight` the bytes not
    /// acknowledged yet, `window` the window in bytes without this limit. The limit rises only if the window
    /// was full (`is_full`).
    pub(super) fn on_end_acks(
        &mut self,
        now: Instant,
        largest_acked: Option<u64>,
        in_flight: u64,
        window: u64,
        is_full: bool,
        mtu: u16,
    ) -> bool {
        // Only the newest packet measures a round trip (RFC 9002, section 5.1). The acknowledgement of an
        // older one was lost or delayed.
        let newest = self.newest.take().filter(|packet| largest_acked == Some(packet.number));
        let Some(NewestPacket { sent, bytes, .. }) = newest else { return false };
        let rtt = now.saturating_duration_since(sent);
        self.observe_rtt(now, rtt);
        let floor = Self::MIN_PACKETS * u64::from(mtu);
        let shows_last_cut = self.last_cut.as_ref().is_none_or(|cut| sent > cut.at);
        if rtt <= self.rtt_bound() {
            if shows_last_cut {
                self.last_cut = None;
            }
            if is_full && self.window_limit < window {
                self.window_limit += bytes / 2;
            }
        } else if shows_last_cut && in_flight + bytes >= floor {
            return self.cut(now, rtt, window, floor);
        }
        false
    }

    /// Cuts the limit. After [`Self::MAX_INEFFECTIVE_CUTS`] restores it and returns true: the path is longer
    /// now.
    fn cut(&mut self, now: Instant, rtt: Duration, window: u64, floor: u64) -> bool {
        let bound = self.rtt_bound();
        // An effective cut halves the excess over the bound.
        let is_ineffective = |cut: &Cut| rtt - bound > cut.rtt.saturating_sub(bound) / 2;
        let (limit_before, ineffective_cuts) = match self.last_cut.take() {
            Some(cut) if is_ineffective(&cut) => (cut.limit_before, cut.ineffective_cuts + 1),
            _ => (self.window_limit, 0),
        };
        if ineffective_cuts == Self::MAX_INEFFECTIVE_CUTS {
            self.window_limit = limit_before;
            self.min_rtts = [rtt; 2];
            return true;
        }
        let in_flight = self.window_limit.min(window);
        // These bytes took `rtt` to pass, so this share of them passes within the bound.
        let share = u128::from(in_flight) * bound.as_micros() / rtt.as_micros().max(1);
        let share = u64::try_from(share).unwrap_or(u64::MAX);
        // After an ineffective cut, the next one at least halves the bytes in flight. That shows if this
        // sender causes the queue.
        let limit = if ineffective_cuts > 0 { share.min(in_flight / 2) } else { share };
        self.window_limit = limit.max(floor);
        self.last_cut = Some(Cut { at: now, rtt, limit_before, ineffective_cuts });
        false
    }

    fn observe_rtt(&mut self, now: Instant, rtt: Duration) {
        let is_over = |start| now.saturating_duration_since(start) >= Self::MIN_RTT_INTERVAL;
        if self.interval_start.is_none_or(is_over) {
            self.min_rtts = [rtt, self.min_rtts[0]];
            self.interval_start = Some(now);
        }
        self.min_rtts[0] = self.min_rtts[0].min(rtt);
    }
}

/// Bytes that pass within `time` at a `bandwidth` in bytes per second.
fn bytes_in(bandwidth: u64, time: Duration) -> u64 {
    u64::try_from(u128::from(bandwidth) * time.as_micros() / 1_000_000).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);
    const MTU: u16 = 1200;
    const WINDOW: u64 = 100_000;

    /// Acknowledges one packet after each of the round trips, in ms, and returns the limit.
    fn after(queue: &mut QueueBound, now: &mut Instant, rtts: &[u32]) -> u64 {
        for rtt in rtts {
            let sent = *now + MILLI;
            *now = sent + *rtt * MILLI;
            queue.on_acked(sent, MTU.into(), 0);
            queue.on_end_acks(*now, Some(0), WINDOW, WINDOW, true, MTU);
        }
        queue.window_limit()
    }

    #[test]
    fn a_queue_lowers_the_bound_to_what_passes() {
        let mut queue = QueueBound::new();
        let mut now = Instant::now();
        assert_eq!(after(&mut queue, &mut now, &[50, 60, 150]), u64::MAX);
        assert_eq!(after(&mut queue, &mut now, &[300]), WINDOW / 2);
        assert_eq!(after(&mut queue, &mut now, &[50, 4_000]), 4 * u64::from(MTU));
    }

    #[test]
    fn one_queue_lowers_it_once() {
        let mut queue = QueueBound::new();
        let now = Instant::now();
        for rtt in [50].into_iter().chain(300..400) {
            queue.on_acked(now, 1, 0);
            queue.on_end_acks(now + rtt * MILLI, Some(0), WINDOW, WINDOW, true, MTU);
        }
        assert_eq!(queue.window_limit(), WINDOW / 2);
    }

    #[test]
    fn an_acknowledgement_that_comes_late_is_no_queue() {
        let mut queue = QueueBound::new();
        let now = Instant::now();
        let mut acknowledge = |packets: &[(u32, u64)], largest_acked| {
            packets.iter().for_each(|(sent, number)| queue.on_acked(now + *sent * MILLI, 1, *number));
            queue.on_end_acks(now + 500 * MILLI, Some(largest_acked), WINDOW, WINDOW, true, MTU);
            queue.window_limit()
        };
        assert_eq!(acknowledge(&[(0, 1), (450, 9), (100, 2)], 9), u64::MAX);
        assert_eq!(acknowledge(&[(0, 3)], 9), u64::MAX, "a newer packet was acknowledged before");
        assert_eq!(acknowledge(&[(0, 10)], 10), WINDOW * 3 / 10);
    }

    #[test]
    fn it_rises_while_it_holds_back() {
        let mut queue = QueueBound::new();
        let mut now = Instant::now();
        after(&mut queue, &mut now, &[50, 300]);
        assert_eq!(after(&mut queue, &mut now, &[100; 10]), WINDOW / 2 + 10 * 600);
        assert!((WINDOW..WINDOW + 1200).contains(&after(&mut queue, &mut now, &[100; 300])));
        let before = queue.window_limit();
        queue.on_acked(now, 1200, 0);
        queue.on_end_acks(now + 50 * MILLI, Some(0), before, 2 * before, false, MTU);
        assert_eq!(queue.window_limit(), before, "the window was not full");
    }

    #[test]
    fn a_path_that_has_become_longer_is_soon_no_queue() {
        let mut queue = QueueBound::new();
        let mut now = Instant::now();
        after(&mut queue, &mut now, &[50]);
        let limits: Vec<u64> = (0..20).map(|_| after(&mut queue, &mut now, &[300])).collect();
        assert_eq!(limits[..2], [WINDOW / 2, WINDOW / 4]);
        assert!(limits[2..].iter().all(|limit| *limit >= WINDOW), "{limits:?}");
        // A queue on the longer path is noticed again.
        assert!(after(&mut queue, &mut now, &[1200]) < WINDOW);
    }

    #[test]
    fn a_lone_packet_that_takes_long_is_no_queue() {
        let mut queue = QueueBound::new();
        let now = Instant::now();
        for rtt in [50, 2000] {
            queue.on_acked(now, 100, 0);
            queue.on_end_acks(now + rtt * MILLI, Some(0), 0, WINDOW, false, MTU);
        }
        assert_eq!(queue.window_limit(), u64::MAX);
    }

    #[test]
    fn a_least_round_trip_is_kept_for_ten_seconds() {
        let mut queue = QueueBound::new();
        let began = Instant::now();
        let mut rtt_bound_at = |millis: u32, rtt: u32| {
            queue.observe_rtt(began + millis * MILLI, rtt * MILLI);
            queue.rtt_bound()
        };
        assert_eq!(rtt_bound_at(0, 50), 150 * MILLI);
        assert_eq!(rtt_bound_at(5_000, 120), 150 * MILLI);
        assert_eq!(rtt_bound_at(9_999, 120), 150 * MILLI);
        assert_eq!(rtt_bound_at(10_000, 130), 240 * MILLI);
    }
}
