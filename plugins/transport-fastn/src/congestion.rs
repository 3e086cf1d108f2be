//! Congestion control of a path.
//!
//! [`AutoController`] starts every path with BBR3, and switches to Cubic if a round trip is shorter than
//! [`NEAR_RTT`]. Under packet loss BBR3 carries audio many times faster than Cubic. On loopback, which loses
//! nothing, Cubic needs less pacing and is faster. A controller is created before anything about its path is
//! known, and QUIC does not tell it the path's address, so the round trips have to decide. Loss never causes
//! a switch: over a full queue of 16 to 64 kB at up to 100 ms, BBR3 is as fast as Cubic.
//!
//! BBR3 of noq-proto 1.4.0 needs these corrections for audio in chunks:
//!
//! - [`PACING_GAIN`]: the pacer saves at most 10 ms of unused sending time (`MAX_BURST_INTERVAL` in
//!   `connection/pacing.rs`). If a busy machine or a sleeping phone wakes the sender later, it sends less
//!   than the path carries, BBR3 measures less, and the rate falls step by step. With wake-ups up to 40 ms
//!   late, a link of 2.2 Mbit/s fell to 0.3 without any loss. With the gain, the window limits the sender in
//!   place of the pacer.
//! - [`AutoController::bandwidth_limit`]: BBR3's window is twice the bandwidth-delay product, plus an
//!   allowance for bursts. After a pause that allowance counts everything acknowledged before it.
//! - [`queue_bound`]: a queue builds up before the narrowest link of the path.
//! - [`path_growth`]: the round trip becomes longer, which BBR3 ignores for 10 s.
//! - [`window_floor`]: the window falls below the bytes in flight, so the sender stops.
//! - [`probe_allowance`]: the path loses all packets in flight.

mod path_growth;
mod probe_allowance;
mod queue_bound;
mod window_floor;

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};

use iroh::endpoint::{Controller, ControllerFactory, ControllerMetrics, RttEstimator};
use noq_proto::congestion::{Bbr3Config, CubicConfig};

use self::{
    path_growth::PathGrowth, probe_allowance::ProbeAllowance, queue_bound::QueueBound,
    window_floor::WindowFloor,
};
use crate::options::Congestion;

/// Round trip below which a path counts as near: within one machine or one switch. Tested by
/// `a_round_trip_below_a_millisecond_gets_cubic`.
const NEAR_RTT: Duration = Duration::from_millis(1);

/// Window of a near path, in packets. Tested by `a_round_trip_below_a_millisecond_gets_cubic`.
///
/// It stays below 128, the work budget that tokio gives one turn of a task (`tokio::task::coop`). A receiver that finds more
/// packets than that has no budget left to answer: tokio reports its socket as not ready, and iroh 1.4.1 drops the packet that
/// was to be sent (`poll_send` in its `socket/transports.rs`). A request lost that way leaves again 27 ms later.
const NEAR_WINDOW_PACKETS: u64 = 120;
const _: () = assert!(NEAR_WINDOW_PACKETS < 128);

/// Factor on BBR3's pacing rate. It lets the pacer keep up to 40 ms of unused sending time for later, in place of 10 ms. Tested by
/// `late_turns_do_not_wear_the_rate_down` and `the_pacing_rate_is_four_times_bbrs_except_after_a_pause`.
///
/// The controller does not apply it in the first round trip after a pause, or after [`PathGrowth`] has opened the window. No
/// acknowledgement frees space on the path by then, so a whole window sent at once would overrun a short queue. Tested by
/// `after_a_pause_a_window_does_not_overrun_a_short_queue`.
const PACING_GAIN: u64 = 4;

pub(crate) fn factory(choice: Congestion) -> Arc<dyn ControllerFactory + Send + Sync> {
    match choice {
        Congestion::Auto => Arc::new(AutoControllerFactory),
        Congestion::Cubic => Arc::new(CubicConfig::default()),
        Congestion::Bbr => Arc::new(Bbr3Config::default()),
    }
}

/// Returns the least round trip that a path's controller has seen. Only [`AutoController`] keeps it.
pub(crate) fn min_rtt(controller: Box<dyn Controller>) -> Option<Duration> {
    controller.into_any().downcast::<AutoController>().ok()?.min_rtt
}

struct AutoControllerFactory;

impl ControllerFactory for AutoControllerFactory {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let inner = Arc::new(Bbr3Config::default()).build(now, current_mtu);
        Box::new(AutoController {
            inner,
            mtu: current_mtu,
            uses_bbr: true,
            min_rtt: None,
            first_round_trip: FirstRoundTrip::Over,
            queue_bound: QueueBound::new(),
            path_growth: PathGrowth::default(),
            probe_allowance: ProbeAllowance::default(),
            window_floor: WindowFloor::default(),
        })
    }
}

/// First round trip after a pause, or after [`PathGrowth`] opened the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FirstRoundTrip {
    /// Nothing is in flight.
    NotStarted,
    /// The first packet was sent at this time.
    Running(Instant),
    Over,
}

impl FirstRoundTrip {
    fn on_sent(&mut self, now: Instant) {
        if *self == Self::NotStarted {
            *self = Self::Running(now);
        }
    }

    /// Ends the round trip if the acknowledged packet was sent in its second half or later. An earlier packet
    /// proves nothing: a few bytes may leave well before the bulk of a chunk. Tested by
    /// `a_few_bytes_ahead_do_not_end_the_first_round_trip`.
    fn on_acked(&mut self, sent: Instant, min_rtt: Duration) {
        if let Self::Running(began) = *self
            && sent >= began + min_rtt / 2
        {
            *self = Self::Over;
        }
    }
}

/// BBR3 with corrections, or Cubic on a near path.
#[derive(Debug)]
struct AutoController {
    inner: Box<dyn Controller>,
    /// Packet size of the path, in bytes.
    mtu: u16,
    /// True if `inner` is BBR3, false if it is Cubic.
    uses_bbr: bool,
    min_rtt: Option<Duration>,
    first_round_trip: FirstRoundTrip,
    queue_bound: QueueBound,
    path_growth: PathGrowth,
    probe_allowance: ProbeAllowance,
    window_floor: WindowFloor,
}

impl AutoController {
    /// Notes a round trip, and switches to Cubic if the path proves near. The least round trip only falls, so
    /// that happens once at most.
    fn observe_rtt(&mut self, now: Instant, sent: Instant, rtt: &RttEstimator) {
        let sample = rtt.min().min(now.saturating_duration_since(sent));
        self.min_rtt = Some(self.min_rtt.map_or(sample, |least| least.min(sample)));
        if self.uses_bbr && rtt.min() < NEAR_RTT {
            self.uses_bbr = false;
            self.inner = Arc::new(CubicConfig::default()).build(now, self.mtu);
        }
    }

    /// Upper bound of the window, in bytes.
    fn window_limit(&self) -> u64 {
        if self.uses_bbr {
            self.queue_bound.window_limit().min(self.bandwidth_limit())
        } else {
            NEAR_WINDOW_PACKETS * u64::from(self.mtu)
        }
    }

    /// Window of `inner`, in bytes. While [`PathGrowth`] is active, at least the bandwidth-delay product of
    /// the longer path.
    fn unlimited_window(&self) -> u64 {
        let bandwidth = self.bandwidth().filter(|_| self.path_growth.is_active());
        let grown = bandwidth.map_or(0, |bandwidth| self.queue_bound.bandwidth_delay_product(bandwidth));
        grown.max(self.inner.window())
    }

    /// Bytes that pass the path within the permitted round trip at BBR3's bandwidth, but at least the initial
    /// window.
    fn bandwidth_limit(&self) -> u64 {
        let limit =
            self.bandwidth().map_or(u64::MAX, |bandwidth| self.queue_bound.bandwidth_limit(bandwidth));
        limit.max(self.inner.initial_window())
    }

    /// BBR3's estimate, in bytes per second. `None` under Cubic, and before the first estimate.
    fn bandwidth(&self) -> Option<u64> {
        self.inner.metrics().bandwidth_estimate.map(|bits| bits / 8)
    }
}

impl Controller for AutoController {
    fn on_sent(&mut self, now: Instant, bytes: u64, largest_pn: u64) {
        self.inner.on_sent(now, bytes, largest_pn);
    }

    fn on_packet_sent(&mut self, now: Instant, bytes: u16, pn: u64) {
        self.inner.on_packet_sent(now, bytes, pn);
        self.probe_allowance.on_sent(now, bytes, self.mtu);
        self.first_round_trip.on_sent(now);
        self.window_floor.on_sent(now, bytes);
    }

    fn on_cwnd_limited(&mut self) {
        self.inner.on_cwnd_limited();
        self.probe_allowance.on_window_full();
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        pn: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.observe_rtt(now, sent, rtt);
        // Cubic's window grows while it is full. It must not grow beyond `window_limit`, or the first losses
        // would not bring it below that limit.
        let is_limited = !self.uses_bbr && self.inner.window() >= self.window_limit();
        self.inner.on_ack(now, sent, bytes, pn, app_limited || is_limited, rtt);
        self.probe_allowance.on_acked(now, sent);
        self.first_round_trip.on_acked(sent, rtt.min());
        self.path_growth.on_acked(now, bytes);
        self.window_floor.on_acked(bytes, self.mtu);
        if self.uses_bbr {
            self.queue_bound.on_acked(sent, bytes, pn);
        }
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, largest_acked: Option<u64>) {
        self.inner.on_end_acks(now, in_flight, app_limited, largest_acked);
        self.window_floor.on_end_acks(now, in_flight, self.queue_bound.rtt_bound());
        if in_flight == 0 {
            self.first_round_trip = FirstRoundTrip::NotStarted;
        }
        let window = self.unlimited_window().min(self.bandwidth_limit());
        if self.queue_bound.on_end_acks(now, largest_acked, in_flight, window, !app_limited, self.mtu) {
            self.path_growth.start(now);
            // As after a pause, no acknowledgement has freed space yet for the wider window.
            self.first_round_trip = FirstRoundTrip::Running(now);
        }
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent: bool,
        is_ecn: bool,
        lost_bytes: u64,
        largest_lost_pn: u64,
    ) {
        self.inner.on_congestion_event(now, sent, is_persistent, is_ecn, lost_bytes, largest_lost_pn);
    }

    fn on_packet_lost(&mut self, lost_bytes: u16, pn: u64, now: Instant) {
        self.inner.on_packet_lost(lost_bytes, pn, now);
        self.probe_allowance.on_lost();
        self.path_growth.on_lost(lost_bytes, self.mtu);
    }

    fn on_spurious_congestion_event(&mut self) {
        self.inner.on_spurious_congestion_event();
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.mtu = new_mtu;
        self.inner.on_mtu_update(new_mtu);
    }

    fn on_ack_frequency_update(&mut self, threshold: u64, max_ack_delay: Duration) {
        self.inner.on_ack_frequency_update(threshold, max_ack_delay);
    }

    fn window(&self) -> u64 {
        let window = self.unlimited_window().min(self.window_limit());
        window.saturating_add(self.probe_allowance.bytes()).max(self.window_floor.bytes())
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = self.inner.metrics();
        metrics.congestion_window = self.window();
        let pacing_gain = if self.first_round_trip == FirstRoundTrip::Over { PACING_GAIN } else { 1 };
        // Cubic has no pacing rate.
        metrics.pacing_rate = metrics.pacing_rate.map(|rate| rate.saturating_mul(pacing_gain));
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self {
            inner: self.inner.clone_box(),
            queue_bound: self.queue_bound.clone(),
            path_growth: self.path_growth.clone(),
            probe_allowance: self.probe_allowance.clone(),
            window_floor: self.window_floor.clone(),
            ..*self
        })
    }

    fn initial_window(&self) -> u64 {
        self.inner.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod simulation;
