//! Link to one node: connects on first use, keeps the connection, and replaces it when it is lost.
//!
//! Connection attempts overlap. So a lost handshake packet costs a fraction of a second rather than the transport's timeout,
//! and after an outage of any length the next attempt starts soon.

use std::{
    sync::{
        Arc, Mutex as StdMutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use media_plugin_sdk::transport::{Connection, Endpoint, Path, PeerAddress, TransportError};
use media_protocol::{ACCESS_ENDED, ErrorCode, WireError};
use tokio::{
    sync::{Mutex, watch},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{
    backoff::spread,
    path_history::{PathChange, PathHistory},
};
use crate::client::stats::EventLog;

/// Link to one node, shared by everything in this process that talks to it.
pub struct NodeLink {
    endpoint: Arc<dyn Endpoint>,
    peer: PeerAddress,
    token: Option<String>,
    /// Locked while connecting, so that concurrent requests share one connection.
    connection: Mutex<Option<Arc<dyn Connection>>>,
    /// Sends at each new connection.
    connected: watch::Sender<()>,
    history: PathHistory,
    connects: AtomicU64,
    connect_micros: AtomicU64,
    bind_time: Duration,
    created: Instant,
    /// Time of the node's last sign of life, in microseconds since `created`.
    heard_micros: AtomicU64,
    unanswered: StdMutex<Unanswered>,
}

/// Consecutive requests without an answer on the present connection.
#[derive(Default)]
struct Unanswered {
    count: u32,
    last: Option<Instant>,
}

type Connected = Result<Arc<dyn Connection>, TransportError>;

/// Timeout of every connection attempt but the first, which has the transport's own.
/// Tested by `an_attempt_after_the_first_ends_after_three_seconds`.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// Interval between connection attempts on a path with a short round trip: at first, and from the fifth attempt on. A longer
/// round trip widens it up to [`MAX_INTERVAL`], which also applies while no round trip is known.
/// Tested by `attempts_overlap_however_long_the_round_trip_has_grown`.
const FIRST_INTERVAL: Duration = Duration::from_millis(200);
const LATER_INTERVAL: Duration = Duration::from_millis(400);
const MAX_INTERVAL: Duration = Duration::from_secs(1);
/// Consecutive unanswered requests that end a connection. One can be a slow encoder. Two mean that packets are lost, and
/// the node's next retransmission may be seconds away.
/// Tested by `answers_to_pings_are_no_progress_and_two_starved_streams_end_a_connection`.
const MAX_UNANSWERED: u32 = 2;

impl NodeLink {
    /// Creates a link to `peer` through `endpoint`, with the token for the handshake. Does not connect yet.
    #[must_use]
    pub fn new(endpoint: Arc<dyn Endpoint>, peer: PeerAddress, token: Option<String>) -> Self {
        Self {
            endpoint,
            peer,
            token,
            connection: Mutex::new(None),
            connected: watch::Sender::new(()),
            history: PathHistory::new(),
            connects: AtomicU64::new(0),
            connect_micros: AtomicU64::new(0),
            bind_time: Duration::ZERO,
            created: Instant::now(),
            heard_micros: AtomicU64::new(0),
            unanswered: StdMutex::default(),
        }
    }

    /// Records the time that binding the endpoint took.
    #[must_use]
    pub fn with_bind_time(self, bind_time: Duration) -> Self {
        Self { bind_time, ..self }
    }

    /// The node's identity: the text form of its key.
    #[must_use]
    pub fn peer(&self) -> &str {
        &self.peer.id
    }

    /// Returns the connection. Connects if there is none.
    ///
    /// # Errors
    /// As [`Endpoint::connect`].
    pub async fn connection(&self) -> Connected {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = slot.as_ref() {
            return Ok(Arc::clone(connection));
        }
        let began = Instant::now();
        let connection = self.connect().await?;
        self.store(&mut slot, &connection, began);
        Ok(connection)
    }

    /// Starts connection attempts until one succeeds, the node refuses, or the first one fails.
    async fn connect(&self) -> Connected {
        let mut attempts = JoinSet::<(u32, Connected)>::new();
        let mut number = 0;
        let mut next = Instant::now();
        loop {
            tokio::select! {
                Some(Ok((number, attempt))) = attempts.join_next() => match attempt {
                    Err(TransportError::Unreachable(_) | TransportError::Closed(_)) if number > 0 => {}
                    ended => return ended,
                },
                () = sleep_until(next) => {
                    attempts.spawn(self.attempt(number));
                    next += self.interval(number);
                    number += 1;
                }
            }
        }
    }

    /// One connection attempt; returns its number with the result.
    fn attempt(&self, number: u32) -> impl Future<Output = (u32, Connected)> + use<> {
        let endpoint = Arc::clone(&self.endpoint);
        let peer = self.peer.clone();
        let token = self.token.clone();
        async move {
            let connecting = endpoint.connect_new(&peer, token.as_deref());
            let connected = match number {
                0 => connecting.await,
                _ => timeout(ATTEMPT_TIMEOUT, connecting)
                    .await
                    .unwrap_or_else(|_| Err(TransportError::Unreachable("no answer".into()))),
            };
            (number, connected)
        }
    }

    /// Time from attempt `number` to the next: enough for a handshake, and longer for later attempts, up to a bound. The random
    /// part keeps the clients of a restarted node from connecting all at once.
    fn interval(&self, number: u32) -> Duration {
        let handshake = self.min_rtt().map_or(MAX_INTERVAL, |rtt| (3 * rtt).min(MAX_INTERVAL));
        spread(handshake.max((FIRST_INTERVAL * (1 + number / 4)).min(LATER_INTERVAL)))
    }

    /// Stores a new connection, whose attempts began at `began`.
    fn store(&self, slot: &mut Option<Arc<dyn Connection>>, fresh: &Arc<dyn Connection>, began: Instant) {
        if self.connects.fetch_add(1, Ordering::Relaxed) == 0 {
            let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.connect_micros.store(micros, Ordering::Relaxed);
        }
        self.note_heard();
        self.note_answer();
        self.history.note_new_connection(fresh.path());
        *slot = Some(Arc::clone(fresh));
        self.connected.send_replace(());
    }

    /// Waits until the node closes the connection because it no longer admits this device. Returns its refusal. Cancel-safe.
    pub(super) async fn access_ended(&self) -> WireError {
        let mut connected = self.connected.subscribe();
        loop {
            connected.mark_unchanged();
            let present = self.connection.lock().await.clone();
            if let Some(present) = present {
                let reason = tokio::select! {
                    // The sender lives in this link, so this never fails.
                    _ = connected.changed() => continue,
                    reason = present.closed() => reason,
                };
                if let Some((_, code)) = reason.split_once(ACCESS_ENDED) {
                    let text = match code {
                        "expired" => "the ticket has expired",
                        "revoked" => "revoked by the owner",
                        other => other,
                    };
                    return WireError::new(ErrorCode::from(code), text);
                }
            }
            let _ = connected.changed().await;
        }
    }

    /// Drops `bad`, so that the next request connects again. Returns false if it was dropped before.
    pub(super) async fn forget(&self, bad: &Arc<dyn Connection>) -> bool {
        Self::drop_from(&mut *self.connection.lock().await, bad)
    }

    fn drop_from(slot: &mut Option<Arc<dyn Connection>>, bad: &Arc<dyn Connection>) -> bool {
        let dropped = slot.take_if(|present| Arc::ptr_eq(present, bad));
        dropped.inspect(|connection| connection.close("lost")).is_some()
    }

    /// Does the same as [`NodeLink::forget`] in a task of its own. Must be called within a runtime.
    pub(super) fn forget_soon(self: &Arc<Self>, bad: &Weak<dyn Connection>) {
        if let Some(bad) = bad.upgrade() {
            let link = Arc::clone(self);
            tokio::spawn(async move { link.forget(&bad).await });
        }
    }

    /// Counts a request that got no byte within its `patience`. Drops the connection at the second in a row. Requests that
    /// waited at the same time count as one.
    pub(super) async fn note_no_answer(&self, connection: &Arc<dyn Connection>, patience: Duration) {
        let mut slot = self.connection.lock().await;
        let is_present = slot.as_ref().is_some_and(|present| Arc::ptr_eq(present, connection));
        if is_present && self.count_unanswered(patience) >= MAX_UNANSWERED {
            Self::drop_from(&mut slot, connection);
        }
    }

    fn count_unanswered(&self, patience: Duration) -> u32 {
        let mut unanswered = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        if unanswered.last.is_none_or(|last| last.elapsed() >= patience) {
            unanswered.count += 1;
            unanswered.last = Some(Instant::now());
        }
        unanswered.count
    }

    /// Records that part of an answer arrived.
    pub(super) fn note_answer(&self) {
        *self.unanswered.lock().unwrap_or_else(PoisonError::into_inner) = Unanswered::default();
    }

    /// Replaces a silent connection. For `grace` the old one stays open: a caller that sees it recover drops this future.
    /// After that the old one is closed, because a transport may send new packets along the path of an open connection.
    pub(super) async fn replace(
        &self,
        silent: &Arc<dyn Connection>,
        grace: Duration,
    ) -> Result<(), TransportError> {
        let began = Instant::now();
        let Ok(connected) = timeout(grace, self.connect()).await else {
            self.forget(silent).await;
            return self.connection().await.map(drop);
        };
        let fresh = connected?;
        let mut slot = self.connection.lock().await;
        if slot.as_ref().is_none_or(|present| Arc::ptr_eq(present, silent)) {
            self.store(&mut slot, &fresh, began);
            silent.close("silent");
        }
        Ok(())
    }

    /// Closes the connection with a goodbye, so that the node need not find out by a timeout. The next request connects again.
    pub async fn disconnect(&self) {
        if let Some(connection) = self.connection.lock().await.take() {
            connection.close("done");
        }
    }

    /// Closes the connection and the endpoint. For a link that does not share its endpoint; a pool closes shared endpoints
    /// itself.
    pub async fn close(&self) {
        self.disconnect().await;
        self.endpoint.close().await;
    }

    /// Records the present path of a connection.
    pub(super) fn note_path(&self, connection: &dyn Connection) {
        self.history.note(connection.path());
    }

    /// The last changes of the path.
    #[must_use]
    pub fn path_changes(&self) -> EventLog<PathChange> {
        self.history.changes()
    }

    /// Records a sign of life of the node.
    pub(super) fn note_heard(&self) {
        let micros = u64::try_from(self.created.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.heard_micros.fetch_max(micros, Ordering::Relaxed);
    }

    /// Instant of the node's last sign of life; the creation of this link if there was none.
    pub(super) fn heard(&self) -> Instant {
        self.created + Duration::from_micros(self.heard_micros.load(Ordering::Relaxed))
    }

    /// The least round trip measured on the present path. It is the path's own delay, while the smoothed round trip includes
    /// the wait in full queues, which can be seconds.
    pub(super) fn min_rtt(&self) -> Option<Duration> {
        self.history.min_rtt()
    }

    /// The present path, or the last one known.
    #[must_use]
    pub fn path(&self) -> Path {
        if let Ok(slot) = self.connection.try_lock()
            && let Some(connection) = slot.as_ref()
        {
            self.note_path(connection.as_ref());
        }
        self.history.last()
    }

    /// Time that binding the endpoint took, if it was recorded.
    #[must_use]
    pub fn bind_time(&self) -> Duration {
        self.bind_time
    }

    /// Time that the first connect took, with its handshake.
    #[must_use]
    pub fn connect_time(&self) -> Duration {
        Duration::from_micros(self.connect_micros.load(Ordering::Relaxed))
    }

    /// Number of connections after the first.
    #[must_use]
    pub fn reconnects(&self) -> u64 {
        self.connects.load(Ordering::Relaxed).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests;
