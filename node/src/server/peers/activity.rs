//! The activity of each connection, for the status of the node.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use media_plugin_sdk::transport::Connection;
use media_protocol::TrackId;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::server::counter::Counter;

/// Time after the last request for a chunk from which on a peer counts as idle: more than the highest buffer level of a
/// player by default. Tested by `a_peer_plays_until_it_has_asked_for_nothing_for_30_s`.
const IDLE_AFTER: Duration = Duration::from_secs(30);

/// One connection as the node's owner sees it. Fields are only added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionStatus {
    /// Identity of the peer.
    pub peer: String,
    /// Label of its ticket or identity.
    pub label: String,
    /// Kind of the network path now, such as `LAN`.
    pub path: String,
    /// Time of its connection, in seconds since 1970.
    pub since: u64,
    /// Title of the track that it plays; `None` if it asked for no chunk lately.
    pub playing: Option<String>,
    /// Bytes of answers handed to the transport.
    pub bytes_sent: u64,
}

/// The activity of one connection.
pub(super) struct Activity {
    connection: Arc<dyn Connection>,
    label: String,
    since: u64,
    last_chunk: Mutex<Option<(TrackId, Instant)>>,
    bytes_sent: Counter,
}

impl Activity {
    /// The activity of a connection that begins now.
    fn new(connection: Arc<dyn Connection>, label: &str) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self {
            connection,
            label: label.into(),
            since,
            last_chunk: Mutex::default(),
            bytes_sent: Counter::default(),
        }
    }

    /// Notes a request for a chunk of this track.
    pub(super) fn note_chunk(&self, track: &TrackId) {
        let mut last_chunk = self.last_chunk.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *last_chunk {
            Some((last, at)) if last == track => *at = Instant::now(),
            other => *other = Some((track.clone(), Instant::now())),
        }
    }

    /// Counts bytes of answers that the transport has taken.
    pub(super) fn note_sent(&self, bytes: u64) {
        self.bytes_sent.add(bytes);
    }

    /// The track that the peer plays.
    fn playing(&self) -> Option<TrackId> {
        let last_chunk = self.last_chunk.lock().unwrap_or_else(PoisonError::into_inner);
        last_chunk.as_ref().filter(|(_, at)| at.elapsed() < IDLE_AFTER).map(|(track, _)| track.clone())
    }

    fn status(&self, title: impl Fn(&TrackId) -> Option<String>) -> ConnectionStatus {
        ConnectionStatus {
            peer: self.connection.peer(),
            label: self.label.clone(),
            path: self.connection.path_kind().to_string(),
            since: self.since,
            playing: self.playing().map(|track| title(&track).unwrap_or_else(|| track.to_string())),
            bytes_sent: self.bytes_sent.get(),
        }
    }
}

/// The activity of all connections, oldest first. Bounded by the slots for peers.
#[derive(Default)]
pub(super) struct ActivityTable(Mutex<Vec<Arc<Activity>>>);

impl ActivityTable {
    /// Adds a connection until the guard is dropped.
    pub(super) fn insert(self: &Arc<Self>, connection: &Arc<dyn Connection>, label: &str) -> ActivityGuard {
        let activity = Arc::new(Activity::new(Arc::clone(connection), label));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&activity));
        ActivityGuard { table: Arc::clone(self), activity }
    }

    /// Closes all connections.
    pub(super) fn close_all(&self, reason: &str) {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        table.iter().for_each(|activity| activity.connection.close(reason));
    }

    /// The status of all connections. `title` names a track.
    pub(super) fn status(&self, title: impl Fn(&TrackId) -> Option<String>) -> Vec<ConnectionStatus> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        table.iter().map(|activity| activity.status(&title)).collect()
    }
}

/// Keeps a connection in the table until it is dropped.
pub(super) struct ActivityGuard {
    table: Arc<ActivityTable>,
    pub(super) activity: Arc<Activity>,
}

impl Drop for ActivityGuard {
    fn drop(&mut self) {
        let mut table = self.table.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.retain(|other| !Arc::ptr_eq(other, &self.activity));
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use media_plugin_sdk::transport::{BoxFuture, Incoming, Path, PathKind, Result, Stream};

    use super::*;

    struct Peer;

    impl Connection for Peer {
        fn peer(&self) -> String {
            "friend".into()
        }

        fn path(&self) -> Path {
            Path { kind: PathKind::Lan, remote: String::new(), rtt: None, min_rtt: None, loss: None }
        }

        fn open<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Stream>> {
            Box::pin(pending())
        }

        fn accept(&self) -> BoxFuture<'_, Option<Incoming>> {
            Box::pin(pending())
        }

        fn ping(&self) -> BoxFuture<'_, Result<()>> {
            Box::pin(pending())
        }

        fn closed(&self) -> BoxFuture<'_, String> {
            Box::pin(pending())
        }

        fn close(&self, _: &str) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_plays_until_it_has_asked_for_nothing_for_30_s() {
        let table = Arc::new(ActivityTable::default());
        let connection: Arc<dyn Connection> = Arc::new(Peer);
        let guard = table.insert(&connection, "phone");
        let activity = &guard.activity;
        let status = || table.status(|_| Some("So What".into())).remove(0);
        assert_eq!(
            (status().peer.as_str(), status().label.as_str(), status().path.as_str()),
            ("friend", "phone", "LAN")
        );
        assert_eq!(status().playing, None);
        activity.note_chunk(&"0".repeat(16).parse().unwrap());
        activity.note_sent(5);
        tokio::time::advance(Duration::from_secs(29)).await;
        assert_eq!((status().playing.as_deref(), status().bytes_sent), (Some("So What"), 5));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(status().playing, None);
        drop(guard);
        assert!(table.status(|_| None).is_empty());
    }
}
