//! Watch over the path to a node: notices that it has fallen silent, and replaces the connection.
//!
//! On a path that loses all packets, QUIC waits for tens of seconds. So the watch pings a node that owes an answer and sends
//! nothing. It also pings, less often, while the buffer is full and no answer is due. If the node does not answer, it is
//! dialled again at all its addresses, while the old connection gets a grace period. No ping is sent while playback is paused
//! or everything is fetched.

use std::{future::pending, pin::pin, sync::Arc, time::Duration};

use media_plugin_sdk::transport::{Connection, TransportError};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    backoff::{not_before, spread},
    node_link::NodeLink,
    traffic::bytes_between,
};
use crate::client::buffer::Supply;

/// Silence after which a node that owes an answer is pinged.
/// Tested by `a_node_that_will_be_asked_later_is_pinged_now_and_then`.
const QUIET: Duration = Duration::from_millis(500);
/// Round trip from which a ping follows each request. On such a path a request that is lost twice could cause a dropout: after
/// a timeout our QUIC library (noq) first sends a probe that asks for an acknowledgement, and the lost data only a round trip
/// later. A packet sent right behind the request reveals its loss sooner. Tested by
/// `only_on_a_long_path_a_ping_follows_a_request`.
const LONG_RTT: Duration = Duration::from_millis(150);
/// Delay of that ping after the request. Further pings leave after each half round trip without a byte. Tested by
/// `on_a_long_path_a_ping_follows_a_request_whatever_else_waits`.
const PING_AFTER_REQUEST: Duration = Duration::from_millis(20);
/// Silence after which the node is pinged while no request is pending. The buffer then holds its target level, which is time
/// enough to find a dead path. The silence is half a chunk, so that one ping lies between two requests. It is shorter if the
/// round trip is long, so that a ping has waited for [`PATIENCE_RTTS`] round trips when [`SUSPECT`] is over. Tested by
/// `a_node_that_will_be_asked_later_is_pinged_now_and_then`.
const QUIET_RESTING: Duration = Duration::from_millis(1500);
/// Silence after which a path is suspect, if a ping has waited for [`MIN_PATIENCE`] by then.
/// Tested by `silence_is_told_within_two_seconds_on_a_long_path_too`.
const SUSPECT: Duration = Duration::from_secs(2);
/// Shortest and longest wait for the answer to a ping. If [`PATIENCE_RTTS`] round trips are longer, they count instead, up to
/// [`MAX_RTT_PATIENCE`]. Tested by `a_ping_waits_for_its_answer_by_silence_and_round_trip`.
const MIN_PATIENCE: Duration = Duration::from_millis(500);
const MAX_PATIENCE: Duration = Duration::from_secs(1);
const PATIENCE_RTTS: u32 = 4;
const MAX_RTT_PATIENCE: Duration = Duration::from_secs(2);
/// A ping without an answer is repeated after [`OVERDUE`] and one and a half round trips, then after each [`REPEAT`] or half
/// round trip, so that one of the pings outlasts a burst of loss. It is not repeated while other bytes arrive: its answer waits
/// behind them. Tested by `a_ping_is_repeated_until_a_burst_of_loss_is_over`.
const OVERDUE: Duration = Duration::from_millis(100);
const REPEAT: Duration = Duration::from_millis(30);
/// Time for which a silent connection stays open while another is made: [`GRACE_RTTS`] round trips, at least [`GRACE`] and at
/// most [`MAX_GRACE`]. Tested by `a_silent_connection_stays_for_a_grace_period`.
const GRACE: Duration = Duration::from_millis(400);
const GRACE_RTTS: u32 = 3;
const MAX_GRACE: Duration = Duration::from_secs(1);
/// Wait between two attempts while no connection can be made. Each connection that the node closes before use doubles it, up
/// to the wait after a refusal. Tested by `attempts_to_connect_are_spaced`.
const RETRY: Duration = Duration::from_millis(200);
const RETRY_REFUSED: Duration = Duration::from_secs(2);

/// Demand of the session for the node's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Demand {
    /// Nothing will be requested: paused, or everything is fetched.
    Idle,
    /// The next request leaves once the buffer has room.
    Resting,
    /// A request is pending.
    Pending,
}

/// The demand as the watch sees it, and the state of its probes.
struct Watch {
    demand: watch::Receiver<Demand>,
    present: Demand,
    /// Instant at which the demand became the present one.
    since: Instant,
    /// Start of the watch. Silence before it proves nothing.
    began: Instant,
    /// Instant of the last ping.
    pinged: Option<Instant>,
    /// Wait after the next connection that the node closes before use.
    retry: Duration,
}

impl Watch {
    fn new(demand: watch::Receiver<Demand>, present: Demand) -> Self {
        let now = Instant::now();
        Self { demand, present, since: now, began: now, pinged: None, retry: RETRY }
    }

    /// Instant at which the path is probed, unless something arrives before.
    fn probe_at(&self, heard: Instant, rtt: Duration) -> Instant {
        let resting = heard + SUSPECT.saturating_sub(PATIENCE_RTTS * rtt).clamp(QUIET, QUIET_RESTING);
        match self.present {
            Demand::Pending if rtt >= LONG_RTT && self.pinged < Some(self.since) => {
                self.since + PING_AFTER_REQUEST
            }
            Demand::Pending if rtt >= LONG_RTT => heard + (rtt / 2).min(QUIET),
            Demand::Pending => (heard.max(self.since) + QUIET).min(resting),
            Demand::Resting | Demand::Idle => resting,
        }
    }

    /// True if a lost request must be revealed as soon as possible.
    fn is_urgent(&self, rtt: Duration) -> bool {
        self.present == Demand::Pending && rtt >= LONG_RTT
    }

    /// Waits for a change of the demand.
    async fn changed(&mut self) {
        if self.demand.changed().await.is_err() {
            pending::<()>().await;
        }
        self.present = *self.demand.borrow_and_update();
        self.since = Instant::now();
    }

    /// Sleeps until `at` or a change of the demand.
    async fn sleep_until(&mut self, at: Instant) {
        tokio::select! {
            () = sleep_until(at) => {}
            () = self.changed() => {}
        }
    }
}

/// Watches the path while there is demand, and publishes whether it is silent. Ends when the sender of the demand is dropped.
pub(super) async fn run(
    link: Arc<NodeLink>,
    mut demand: watch::Receiver<Demand>,
    silence: watch::Sender<bool>,
    supply: Arc<Supply>,
) {
    loop {
        let Ok(present) = demand.wait_for(|demand| *demand != Demand::Idle).await.map(|demand| *demand)
        else {
            return;
        };
        let mut watch = Watch::new(demand.clone(), present);
        let probes = async {
            loop {
                probe_once(&link, &mut watch, &silence, &supply).await;
            }
        };
        tokio::select! {
            () = probes => {}
            ended = demand.wait_for(|demand| *demand == Demand::Idle) => if ended.is_err() { return },
        }
    }
}

/// Waits until the path is quiet, probes it once, and replaces the connection if there is no answer.
async fn probe_once(link: &NodeLink, watch: &mut Watch, silence: &watch::Sender<bool>, supply: &Supply) {
    let publish = |is: bool| silence.send_if_modified(|was| std::mem::replace(was, is) != is);
    let connection = match link.connection().await {
        Ok(connection) => connection,
        Err(error) => return wait_after(&error, &mut watch.retry).await,
    };
    watch.retry = RETRY;
    let rtt = link.min_rtt().unwrap_or_default();
    let probe_at = watch.probe_at(link.heard(), rtt);
    if probe_at > Instant::now() {
        publish(false);
        return watch.sleep_until(probe_at).await;
    }
    link.note_path(connection.as_ref());
    let rtt = link.min_rtt().unwrap_or_default();
    let began = Instant::now();
    let received = connection.received();
    let patience = patience(link.heard().max(watch.began), rtt);
    let mut ping = pin!(ping(&connection, watch, rtt));
    match timeout(patience, &mut ping).await {
        Ok(Ok(sent)) => {
            supply.ping_answered(sent.into_std());
            return link.note_heard();
        }
        Ok(Err(_)) => {
            publish(true);
            link.forget(&connection).await;
            return;
        }
        // The answer may wait behind other bytes, perhaps of a stream that was abandoned.
        Err(_) if link.heard() > began || bytes_between(received, connection.received()) > 0 => return,
        Err(_) => {}
    }
    publish(true);
    tracing::info!(path = %connection.path().remote, "the path is silent: connecting again");
    tokio::select! {
        Ok(_) = &mut ping => link.note_heard(),
        replaced = link.replace(&connection, (GRACE_RTTS * rtt).clamp(GRACE, MAX_GRACE)) => {
            if let Err(error) = replaced {
                tracing::debug!("connecting again failed: {error}");
            }
        }
    }
}

/// Waits before the next attempt to connect. `retry` is the wait after a connection that the node closed before use.
async fn wait_after(error: &TransportError, retry: &mut Duration) {
    let wait = match error {
        TransportError::Unreachable(_) => spread(RETRY),
        TransportError::Closed(_) => {
            let wait = spread(*retry);
            *retry = (2 * *retry).min(RETRY_REFUSED);
            wait
        }
        TransportError::Full { retry_after } => not_before(*retry_after),
        _ => RETRY_REFUSED,
    };
    sleep(wait).await;
}

/// Longest wait for the answer to a ping after silence since `heard`.
fn patience(heard: Instant, rtt: Duration) -> Duration {
    let left = (heard + SUSPECT).saturating_duration_since(Instant::now());
    left.clamp(MIN_PATIENCE, MAX_PATIENCE).max((PATIENCE_RTTS * rtt).min(MAX_RTT_PATIENCE))
}

/// Pings until the first answer, repeatedly while nothing else arrives. A request made meanwhile gets a ping of its own.
/// Returns the instant at which the answered ping left.
async fn ping(
    connection: &Arc<dyn Connection>,
    watch: &mut Watch,
    rtt: Duration,
) -> Result<Instant, TransportError> {
    let mut pings = JoinSet::new();
    let mut next = Instant::now();
    let overdue = OVERDUE + rtt.mul_f64(1.5);
    let repeat = REPEAT.max(rtt / 2);
    let mut wait = if watch.is_urgent(rtt) { repeat } else { overdue };
    let mut received = connection.received();
    loop {
        tokio::select! {
            biased;
            Some(Ok(answer)) = pings.join_next() => return answer,
            () = watch.changed() => if watch.is_urgent(rtt) {
                next = watch.since + PING_AFTER_REQUEST;
                wait = repeat;
                received = connection.received();
            },
            () = sleep_until(next) => {
                let before = std::mem::replace(&mut received, connection.received());
                if bytes_between(before, received) > 0 {
                    next += overdue;
                    continue;
                }
                let connection = Arc::clone(connection);
                // The node may not know yet that a late answer was lost. The acknowledgement of a probe reveals it.
                let is_late = watch.present == Demand::Pending && watch.since.elapsed() >= QUIET;
                let sent = Instant::now();
                watch.pinged = Some(sent);
                pings.spawn(async move {
                    let answered = if is_late { connection.probe().await } else { connection.ping().await };
                    answered.map(|()| sent)
                });
                next += wait;
                wait = repeat;
            }
        }
    }
}

#[cfg(test)]
mod tests;
