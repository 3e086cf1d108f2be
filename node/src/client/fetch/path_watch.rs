//! Notices that the path has fallen silent, and moves to a new connection.
//!
//! A path that swallows packets says nothing: QUIC waits for tens of seconds. So the node is pinged while it is asked for
//! something and nothing comes, and now and then while its answers last; without an answer it is dialled anew, by every
//! address, while the old connection is still given a chance. While paused, or with everything fetched, nothing is sent.

use std::{future::pending, pin::pin, sync::Arc, time::Duration};

use media_plugin_sdk::transport::{Connection, TransportError};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    dial::{Dial, not_before, spread},
    fetch::came,
};

/// After so long without a byte a node that is asked for something is pinged.
const QUIET: Duration = Duration::from_millis(500);
/// From so long a round trip on, a request that is lost twice could be heard: our QUIC (noq) sends after a timeout only what
/// asks for an acknowledgement, and what was lost another round trip later. Packets that follow the lost one tell it sooner:
/// there a ping leaves [`FOLLOWS`] a request, and again after half a round trip without a byte.
const LONG: Duration = Duration::from_millis(150);
const FOLLOWS: Duration = Duration::from_millis(20);
/// After so long one from which something will be wanted: no less than the target is held then, which is time enough to find
/// out once it is asked; most of what a node is sent by a listener would be pings. Half the length of a chunk, so that one
/// ping is enough between two. Sooner where a ping may wait for longer than the rest of [`SUSPECT`].
const QUIET_RESTING: Duration = Duration::from_millis(1500);
/// So long after the last byte a path is suspect, if the ping could wait for [`LEAST_PATIENCE`] until then; it need not wait
/// for more than [`PATIENCE`], unless [`PATIENCE_RTTS`] round trips are more.
const SUSPECT: Duration = Duration::from_secs(2);
const LEAST_PATIENCE: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(1);
const PATIENCE_RTTS: u32 = 4;
const MOST_PATIENCE: Duration = Duration::from_secs(2);
/// A ping without an answer for [`OVERDUE`] and one and a half round trips is repeated, again and again after [`REPEAT`] or
/// half a round trip: a burst of loss takes so many packets, and hardly anything else is sent into one. Not where bytes
/// come: it is behind them.
const OVERDUE: Duration = Duration::from_millis(100);
const REPEAT: Duration = Duration::from_millis(30);
/// So long a silent connection stays while another is tried, or so many round trips.
const GRACE: Duration = Duration::from_millis(400);
const GRACE_RTTS: u32 = 3;
const MOST_GRACE: Duration = Duration::from_secs(1);
/// Between two attempts, when there is no connection and one can't be made; twice as long each time that the node closed it
/// before it was of use, up to what is waited when it says no.
const RETRY: Duration = Duration::from_millis(200);
const RETRY_REFUSED: Duration = Duration::from_secs(2);

/// What is wanted from the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing, or nothing for now: paused.
    Nothing,
    /// Something, once there is room for it.
    Later,
    /// Something that it was asked for.
    Now,
}

/// What is wanted, and since when.
struct Watched {
    wanted: watch::Receiver<Wanted>,
    now: Wanted,
    since: Instant,
    /// When it began to be watched. That nothing came while nothing was wanted proves nothing.
    began: Instant,
    /// When the last ping left.
    pinged: Option<Instant>,
    /// How long to wait when the node closes the next connection.
    retry: Duration,
}

impl Watched {
    fn quiet_at(&self, heard: Instant, rtt: Duration) -> Instant {
        let resting = heard + SUSPECT.saturating_sub(PATIENCE_RTTS * rtt).clamp(QUIET, QUIET_RESTING);
        match self.now {
            Wanted::Now if rtt >= LONG && self.pinged < Some(self.since) => self.since + FOLLOWS,
            Wanted::Now if rtt >= LONG => heard + (rtt / 2).min(QUIET),
            Wanted::Now => (heard.max(self.since) + QUIET).min(resting),
            Wanted::Later | Wanted::Nothing => resting,
        }
    }

    /// Whether a loss is to be found out as soon as possible.
    fn is_urgent(&self, rtt: Duration) -> bool {
        self.now == Wanted::Now && rtt >= LONG
    }

    /// Comes back, up to date, once more or less is wanted.
    async fn changed(&mut self) {
        if self.wanted.changed().await.is_err() {
            pending::<()>().await;
        }
        (self.now, self.since) = (*self.wanted.borrow_and_update(), Instant::now());
    }

    /// Sleeps for as long as no more and no less is wanted.
    async fn sleep_until(&mut self, at: Instant) {
        tokio::select! {
            () = sleep_until(at) => {}
            () = self.changed() => {}
        }
    }
}

/// Watches while something is wanted from the node, and tells whether the path is `silent`; ends with the sender.
pub(super) async fn run(dial: Arc<Dial>, mut wanted: watch::Receiver<Wanted>, silent: watch::Sender<bool>) {
    while let Ok(now) = wanted.wait_for(|it| *it != Wanted::Nothing).await.map(|it| *it) {
        let began = Instant::now();
        let mut watched =
            Watched { wanted: wanted.clone(), now, since: began, began, pinged: None, retry: RETRY };
        let watching = async {
            loop {
                look(&dial, &mut watched, &silent).await;
            }
        };
        tokio::select! {
            () = watching => {}
            ended = wanted.wait_for(|it| *it == Wanted::Nothing) => if ended.is_err() { return },
        }
    }
}

/// Waits for quiet, pings, and acts on what comes of it.
async fn look(dial: &Dial, watched: &mut Watched, silent: &watch::Sender<bool>) {
    let tell = |is: bool| silent.send_if_modified(|was| std::mem::replace(was, is) != is);
    let connection = match dial.connection().await {
        Ok(connection) => connection,
        Err(TransportError::Unreachable(_)) => return sleep(spread(RETRY)).await,
        Err(TransportError::Closed(_)) => {
            let wait = spread(watched.retry);
            watched.retry = (2 * watched.retry).min(RETRY_REFUSED);
            return sleep(wait).await;
        }
        Err(TransportError::Full { retry_after }) => return sleep(not_before(retry_after)).await,
        Err(_) => return sleep(RETRY_REFUSED).await,
    };
    watched.retry = RETRY;
    let rtt = dial.least_rtt().unwrap_or_default();
    let quiet_at = watched.quiet_at(dial.heard(), rtt);
    if quiet_at > Instant::now() {
        tell(false);
        return watched.sleep_until(quiet_at).await;
    }
    dial.note_path(connection.as_ref());
    let rtt = dial.least_rtt().unwrap_or_default();
    let (asked, received) = (Instant::now(), connection.received());
    let patience = patience(dial.heard().max(watched.began), rtt);
    let mut ping = pin!(ping(&connection, watched, rtt));
    match timeout(patience, &mut ping).await {
        Ok(Ok(())) => return dial.note_heard(),
        Ok(Err(_)) => {
            tell(true);
            dial.forget(&connection).await;
            return;
        }
        // The pong may be behind a queue of other bytes, be they of a stream that was given up.
        Err(_) if dial.heard() > asked || came(received, connection.received()) > 0 => return,
        Err(_) => {}
    }
    tell(true);
    tracing::info!(path = %connection.path().remote, "the path has fallen silent: dialling anew");
    tokio::select! {
        Ok(()) = &mut ping => dial.note_heard(),
        moved = dial.move_from(&connection, (GRACE_RTTS * rtt).clamp(GRACE, MOST_GRACE)) => {
            if let Err(error) = moved {
                tracing::debug!("dialling anew: {error}");
            }
        }
    }
}

/// How long a ping may wait for its answer.
fn patience(heard: Instant, rtt: Duration) -> Duration {
    let left = (heard + SUSPECT).saturating_duration_since(Instant::now());
    left.clamp(LEAST_PATIENCE, PATIENCE).max((PATIENCE_RTTS * rtt).min(MOST_PATIENCE))
}

/// Comes back with the first answer to a ping, which is repeated until then while nothing else comes. A request that is made
/// meanwhile has one of its own.
async fn ping(
    connection: &Arc<dyn Connection>,
    watched: &mut Watched,
    rtt: Duration,
) -> Result<(), TransportError> {
    let mut pings = JoinSet::new();
    let mut next = Instant::now();
    let overdue = OVERDUE + rtt.mul_f64(1.5);
    let again = REPEAT.max(rtt / 2);
    let mut wait = if watched.is_urgent(rtt) { again } else { overdue };
    let mut received = connection.received();
    loop {
        tokio::select! {
            biased;
            Some(Ok(answer)) = pings.join_next() => return answer,
            () = watched.changed() => if watched.is_urgent(rtt) {
                (next, wait, received) = (watched.since + FOLLOWS, again, connection.received());
            },
            () = sleep_until(next) => {
                let before = std::mem::replace(&mut received, connection.received());
                if came(before, received) > 0 {
                    next += overdue;
                    continue;
                }
                let connection = Arc::clone(connection);
                // What it sent may be lost, and it not know.
                let is_late = watched.now == Wanted::Now && watched.since.elapsed() >= QUIET;
                watched.pinged = Some(Instant::now());
                pings.spawn(async move {
                    if is_late { connection.probe().await } else { connection.ping().await }
                });
                next += wait;
                wait = again;
            }
        }
    }
}

#[cfg(test)]
mod tests;
