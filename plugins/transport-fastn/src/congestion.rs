//! Which congestion control a path gets.
//!
//! With loss, BBR3 carries audio many times faster than Cubic; on loopback, where nothing is lost, Cubic needs less
//! pacing and is faster. A controller is made for each path before anything is known of it, and is not told the path's
//! address; so [`Auto`] starts as BBR3 and becomes Cubic when the first round trips prove shorter than any link's.
//!
//! BBR3 paces at the rate that it measured, and noq's pacer keeps no more than 10 ms of what is due (`MAX_BURST_INTERVAL` in
//! noq-proto 1.4.0's `connection/pacing.rs`). An end that gets its turn later than that, on a busy machine or a sleepy
//! phone, sends less than the path carries, BBR3 measures less, and so on down: with turns up to 40 ms late a link of
//! 2.2 Mbit/s fell to 0.3, without a loss. So [`Auto`] names [`HEADROOM`] times BBR3's rate: what is due may wait as many
//! times longer, and the window is what holds the sender back. BBR3's is twice what fits on the path and what is
//! acknowledged in bursts besides, for which noq-proto 1.4.0 takes, after a pause, all that came before it. So it is bounded by
//! what passes, and again where a queue builds up ([`queue_bound`]); on a path that becomes longer it opens before BBR3 knows
//! ([`path_growth`]). Where the window falls below what is in flight, or all of that was lost, a little goes on ([`window_floor`],
//! [`probe_allowance`]). Loss alone never makes it Cubic: over a full queue of 16 to 64 kB at up to 100 ms, BBR3 is as quick.

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

use self::{path_growth::Longer, probe_allowance::More, queue_bound::Queue, window_floor::Reduction};
use crate::options::Congestion;

/// Below this round trip a path stays in one machine or on one switch.
const NEAR: Duration = Duration::from_millis(1);

/// Packets in flight on a near path. A receiver that finds more than 128 waiting has no turn left to answer in: tokio then
/// takes its socket for not ready (`tokio::task::coop`), and iroh 1.4.1 drops what was to be sent (`poll_send` in its
/// `socket/transports.rs`), be it a request, which leaves again 27 ms later.
const NEAR_WINDOW: u64 = 120;

/// Times BBR3's pacing rate: what is due is kept for 40 ms instead of 10. Not until something has come back of what was sent
/// after a pause: nothing on the path makes room by then, and a window that leaves at once overruns a short queue.
const HEADROOM: u64 = 4;

pub(crate) fn factory(choice: Congestion) -> Arc<dyn ControllerFactory + Send + Sync> {
    match choice {
        Congestion::Auto => Arc::new(AutoFactory),
        Congestion::Cubic => Arc::new(CubicConfig::default()),
        Congestion::Bbr => Arc::new(Bbr3Config::default()),
    }
}

/// The least round trip that a path's controller was told of; only [`Auto`] remembers it.
pub(crate) fn least_rtt(controller: Box<dyn Controller>) -> Option<Duration> {
    controller.into_any().downcast::<Auto>().ok()?.least_rtt
}

struct AutoFactory;

impl ControllerFactory for AutoFactory {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let inner = Arc::new(Bbr3Config::default()).build(now, current_mtu);
        Box::new(Auto {
            inner,
            mtu: current_mtu,
            far: true,
            least_rtt: None,
            start: Start::Over,
            queue: Queue::new(),
            longer: Longer::default(),
            more: More::default(),
            reduction: Reduction::default(),
        })
    }
}

/// The first round trip after a pause, or after the window opened wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Nothing is in flight.
    Ahead,
    /// Since then something is.
    Since(Instant),
    Over,
}

impl Start {
    fn sent(&mut self, now: Instant) {
        if *self == Self::Ahead {
            *self = Self::Since(now);
        }
    }

    /// What was `sent` then was acknowledged. A few bytes may go ahead of what follows them.
    fn acked(&mut self, sent: Instant, least_rtt: Duration) {
        if let Self::Since(began) = *self
            && sent >= began + least_rtt / 2
        {
            *self = Self::Over;
        }
    }
}

#[derive(Debug)]
struct Auto {
    inner: Box<dyn Controller>,
    mtu: u16,
    /// BBR3 is at work.
    far: bool,
    least_rtt: Option<Duration>,
    start: Start,
    queue: Queue,
    longer: Longer,
    more: More,
    reduction: Reduction,
}

impl Auto {
    fn look(&mut self, now: Instant, sent: Instant, rtt: &RttEstimator) {
        let least = rtt.min().min(now.saturating_duration_since(sent));
        self.least_rtt = Some(self.least_rtt.map_or(least, |it| it.min(least)));
        // The least round trip ever only falls, so this happens once at most.
        if self.far && rtt.min() < NEAR {
            self.far = false;
            self.inner = Arc::new(CubicConfig::default()).build(now, self.mtu);
        }
    }

    /// The bound on what is in flight, in bytes.
    fn most(&self) -> u64 {
        if self.far { self.queue.most().min(self.passes()) } else { NEAR_WINDOW * u64::from(self.mtu) }
    }

    /// The window without that bound: not less than what fits on a path that is longer than BBR3 knows.
    fn opened(&self) -> u64 {
        let bandwidth = self.inner.metrics().bandwidth_estimate.filter(|_| self.longer.is_open());
        bandwidth.map_or(0, |bits| self.queue.fits(bits / 8)).max(self.inner.window())
    }

    /// What BBR3's bandwidth lets through without a long queue, in bytes; what a connection begins with where it knows little.
    fn passes(&self) -> u64 {
        let bandwidth = self.inner.metrics().bandwidth_estimate;
        let passes = bandwidth.map_or(u64::MAX, |bits| self.queue.passes(bits / 8));
        passes.max(self.inner.initial_window())
    }
}

impl Controller for Auto {
    fn on_sent(&mut self, now: Instant, bytes: u64, largest_pn: u64) {
        self.inner.on_sent(now, bytes, largest_pn);
    }

    fn on_packet_sent(&mut self, now: Instant, bytes: u16, pn: u64) {
        self.inner.on_packet_sent(now, bytes, pn);
        self.more.sent(now, bytes, self.mtu);
        self.start.sent(now);
        self.reduction.sent(now, bytes);
    }

    fn on_cwnd_limited(&mut self) {
        self.inner.on_cwnd_limited();
        self.more.window_is_full();
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
        self.look(now, sent, rtt);
        // Cubic's window rises while it is full. Not because of the bound, or a loss would not bring it below that.
        let held_back = !self.far && self.inner.window() >= self.most();
        self.inner.on_ack(now, sent, bytes, pn, app_limited || held_back, rtt);
        self.more.acked(now, sent);
        self.start.acked(sent, rtt.min());
        self.longer.acked(now, bytes);
        self.reduction.acked(bytes, self.mtu);
        if self.far {
            self.queue.acked(sent, bytes, pn);
        }
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, largest_acked: Option<u64>) {
        self.inner.on_end_acks(now, in_flight, app_limited, largest_acked);
        self.reduction.acknowledged(now, in_flight, self.queue.bound());
        if in_flight == 0 {
            self.start = Start::Ahead;
        }
        let room = (in_flight, self.opened().min(self.passes()));
        if self.queue.acknowledged(now, largest_acked, room, !app_limited, self.mtu) {
            self.longer.found(now);
            // As after a pause, nothing makes room yet for all that may leave.
            self.start = Start::Since(now);
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
        self.more.lost();
        self.longer.lost(lost_bytes, self.mtu);
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
        self.opened().min(self.most()).saturating_add(self.more.bytes()).max(self.reduction.bytes())
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = self.inner.metrics();
        metrics.congestion_window = self.window();
        // Cubic names no rate.
        let headroom = if self.start == Start::Over { HEADROOM } else { 1 };
        metrics.pacing_rate = metrics.pacing_rate.map(|rate| rate.saturating_mul(headroom));
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self {
            inner: self.inner.clone_box(),
            queue: self.queue.clone(),
            longer: self.longer.clone(),
            more: self.more.clone(),
            reduction: self.reduction.clone(),
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
