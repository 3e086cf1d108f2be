//! Notices that the path has fallen silent, and moves to a new connection.
//!
//! A path that swallows packets says nothing: QUIC waits for tens of seconds. So the node is pinged while it is asked for
//! something and nothing comes, and now and then while its answers last; without an answer it is dialled anew, by every
//! address, while the old connection is still given a chance. While paused, or with everything fetched, nothing is sent.

use std::{sync::Arc, time::Duration};

use media_plugin_sdk::transport::TransportError;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::dial::{Dial, not_before};

/// After so long without a byte a node that is asked for something is pinged.
const QUIET: Duration = Duration::from_millis(500);
/// After so long one from which something will be wanted: no less than the target is held then, which is time enough to find
/// out once it is asked; most of what a node is sent by a listener would be pings. Half the length of a chunk, so that one
/// ping is enough between two. With [`PATIENCE_RESTING`] that is 2 s.
const QUIET_RESTING: Duration = Duration::from_millis(1500);
/// A ping without an answer for so long, or for [`PATIENCE_RTTS`] round trips, makes a path suspect.
const PATIENCE: Duration = Duration::from_secs(1);
/// The same for a node that is asked for nothing, and so has nothing else to send first.
const PATIENCE_RESTING: Duration = Duration::from_millis(500);
const PATIENCE_RTTS: u32 = 4;
/// So long a silent connection stays while another is tried, or so many round trips.
const GRACE: Duration = Duration::from_millis(400);
const GRACE_RTTS: u32 = 3;
/// Between two attempts, when there is no connection and one can't be made, or the node says no.
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
}

impl Watched {
    fn quiet_at(&self, heard: Instant) -> Instant {
        match self.now {
            Wanted::Now => (heard.max(self.since) + QUIET).min(heard + QUIET_RESTING),
            Wanted::Later | Wanted::Nothing => heard + QUIET_RESTING,
        }
    }

    fn patience(&self) -> Duration {
        match self.now {
            Wanted::Now => PATIENCE,
            Wanted::Later | Wanted::Nothing => PATIENCE_RESTING,
        }
    }

    /// Sleeps for as long as no more and no less is wanted.
    async fn sleep_until(&mut self, at: Instant) {
        tokio::select! {
            () = sleep_until(at) => {}
            Ok(()) = self.wanted.changed() => {
                (self.now, self.since) = (*self.wanted.borrow_and_update(), Instant::now());
            }
        }
    }
}

/// Watches while something is wanted from the node, and tells whether the path is `silent`; ends with the sender.
pub(super) async fn run(dial: Arc<Dial>, mut wanted: watch::Receiver<Wanted>, silent: watch::Sender<bool>) {
    while let Ok(now) = wanted.wait_for(|it| *it != Wanted::Nothing).await.map(|it| *it) {
        let mut watched = Watched { wanted: wanted.clone(), now, since: Instant::now() };
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
        Err(TransportError::Unreachable(_)) => return sleep(RETRY).await,
        Err(TransportError::Full { retry_after }) => return sleep(not_before(retry_after)).await,
        Err(_) => return sleep(RETRY_REFUSED).await,
    };
    let quiet_at = watched.quiet_at(dial.heard());
    if quiet_at > Instant::now() {
        tell(false);
        return watched.sleep_until(quiet_at).await;
    }
    dial.note_path(connection.as_ref());
    let rtt = dial.rtt().unwrap_or_default();
    let (asked, received) = (Instant::now(), connection.received());
    let mut ping = connection.ping();
    match timeout(watched.patience().max(PATIENCE_RTTS * rtt), &mut ping).await {
        Ok(Ok(())) => return dial.note_heard(),
        Ok(Err(_)) => {
            tell(true);
            return dial.forget(&connection).await;
        }
        // The pong may be behind a queue of other bytes, be they of a stream that was given up.
        Err(_) if dial.heard() > asked || connection.received() > received => return,
        Err(_) => {}
    }
    tell(true);
    tracing::info!(path = %connection.path().remote, "the path has fallen silent: dialling anew");
    tokio::select! {
        Ok(()) = &mut ping => dial.note_heard(),
        moved = dial.move_from(&connection, GRACE.max(GRACE_RTTS * rtt)) => {
            if let Err(error) = moved {
                tracing::debug!("dialling anew: {error}");
            }
        }
    }
}

#[cfg(test)]
mod tests;
