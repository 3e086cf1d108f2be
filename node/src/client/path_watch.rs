//! Notices that the path has fallen silent, and moves to a new connection.
//!
//! A path that swallows packets says nothing: QUIC waits for tens of seconds. So the node is pinged while something is wanted
//! from it and nothing comes; without an answer it is dialled anew, by every address, while the old connection is still
//! given a chance. While paused, or with everything fetched, nothing is sent.

use std::{sync::Arc, time::Duration};

use media_plugin_sdk::transport::TransportError;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::dial::{Dial, not_before};

/// After so long without a byte the node is pinged.
const QUIET: Duration = Duration::from_millis(500);
/// A ping without an answer for so long, or for [`PATIENCE_RTTS`] round trips, makes a path suspect.
const PATIENCE: Duration = Duration::from_secs(1);
const PATIENCE_RTTS: u32 = 4;
/// So long a silent connection stays while another is tried, or so many round trips.
const GRACE: Duration = Duration::from_millis(400);
const GRACE_RTTS: u32 = 3;
/// Between two attempts, when there is no connection and one can't be made, or the node says no.
const RETRY: Duration = Duration::from_millis(200);
const RETRY_REFUSED: Duration = Duration::from_secs(2);

/// Watches while `wanted` says that something is wanted from the node; ends with its sender.
pub(super) async fn run(dial: Arc<Dial>, mut wanted: watch::Receiver<bool>) {
    while wanted.wait_for(|wanted| *wanted).await.is_ok() {
        let watching = async {
            loop {
                look(&dial).await;
            }
        };
        tokio::select! {
            () = watching => {}
            ended = wanted.wait_for(|wanted| !*wanted) => if ended.is_err() { return },
        }
    }
}

/// Waits for quiet, pings, and acts on what comes of it.
async fn look(dial: &Dial) {
    let connection = match dial.connection().await {
        Ok(connection) => connection,
        Err(TransportError::Unreachable(_)) => return sleep(RETRY).await,
        Err(TransportError::Full { retry_after }) => return sleep(not_before(retry_after)).await,
        Err(_) => return sleep(RETRY_REFUSED).await,
    };
    let quiet_at = dial.heard() + QUIET;
    if quiet_at > Instant::now() {
        return sleep_until(quiet_at).await;
    }
    dial.note_path(connection.as_ref());
    let rtt = dial.rtt().unwrap_or_default();
    let asked = Instant::now();
    let mut ping = connection.ping();
    match timeout(PATIENCE.max(PATIENCE_RTTS * rtt), &mut ping).await {
        Ok(Ok(())) => return dial.note_heard(),
        Ok(Err(_)) => return dial.forget(&connection).await,
        // The pong may be behind a queue of other bytes.
        Err(_) if dial.heard() > asked => return,
        Err(_) => {}
    }
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
