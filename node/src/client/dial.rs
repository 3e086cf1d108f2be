//! The way to one node: connects on first use, keeps the connection, connects again once it is lost.
//!
//! Attempts to connect overlap: an answer that was lost costs a fraction of a second, not the transport's patience, and
//! after an outage however long the next attempt is near.

use std::{
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use media_plugin_sdk::transport::{Connection, Endpoint, Path, PathKind, PeerAddress, TransportError};
use tokio::{
    sync::Mutex,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::recent::Recent;

/// The bytes travel another way than before, as far as one was known.
#[derive(Debug, Clone)]
pub struct PathChange {
    /// When it was noticed.
    pub at: Instant,
    /// The way before.
    pub from: Path,
    /// The way from now on.
    pub to: Path,
}

/// See the module.
pub struct Dial {
    endpoint: Arc<dyn Endpoint>,
    peer: PeerAddress,
    token: Option<String>,
    /// Held while connecting, so that requests made meanwhile share the one connection.
    connection: Mutex<Option<Arc<dyn Connection>>>,
    last_path: std::sync::Mutex<Path>,
    path_changes: std::sync::Mutex<Recent<PathChange>>,
    connects: AtomicU64,
    connect_micros: AtomicU64,
    bind_time: Duration,
    born: Instant,
    /// When the node last gave a sign of life, in microseconds since `born`.
    heard: AtomicU64,
}

type Dialled = Result<Arc<dyn Connection>, TransportError>;

/// The first attempt has all the time that the transport gives it; those after it are cut short.
const LATER_ATTEMPT: Duration = Duration::from_secs(3);
/// Between two attempts where the round trip is not known, or is short; longer round trips stretch it.
const UNKNOWN_GAP: Duration = Duration::from_secs(1);
const SHORTEST_GAP: Duration = Duration::from_millis(200);
const LONGEST_GAP: Duration = Duration::from_millis(400);

/// 0.8 to 1 times as long, at random.
fn spread(time: Duration) -> Duration {
    time.mul_f64(0.8 + 0.2 * f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX))
}

/// When to ask a node again that named this time: not before, and not all at once.
pub(super) fn not_before(named: Duration) -> Duration {
    spread(named.mul_f64(1.25))
}

impl Dial {
    /// A way to `peer` through `endpoint`, with the handshake's token. Connects to nothing yet.
    #[must_use]
    pub fn new(endpoint: Arc<dyn Endpoint>, peer: PeerAddress, token: Option<String>) -> Self {
        let unknown = Path { kind: PathKind::Unknown, remote: String::new(), rtt: None, loss: None };
        Self {
            endpoint,
            peer,
            token,
            connection: Mutex::new(None),
            last_path: std::sync::Mutex::new(unknown),
            path_changes: std::sync::Mutex::default(),
            connects: AtomicU64::new(0),
            connect_micros: AtomicU64::new(0),
            bind_time: Duration::ZERO,
            born: Instant::now(),
            heard: AtomicU64::new(0),
        }
    }

    /// Notes how long it took to make the endpoint.
    #[must_use]
    pub fn bound_in(self, bind_time: Duration) -> Self {
        Self { bind_time, ..self }
    }

    /// The node's id.
    pub(super) fn peer(&self) -> &str {
        &self.peer.id
    }

    /// The connection, made if there is none.
    ///
    /// # Errors
    /// As [`Endpoint::connect`].
    pub async fn connection(&self) -> Result<Arc<dyn Connection>, TransportError> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = slot.as_ref() {
            return Ok(Arc::clone(connection));
        }
        let connection = self.dial().await?;
        *slot = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// Attempts to connect until one succeeds, the node says no, or the first has failed.
    async fn dial(&self) -> Dialled {
        let began = Instant::now();
        let mut attempts = JoinSet::<(u32, Dialled)>::new();
        let (mut number, mut next) = (0, Instant::now());
        loop {
            tokio::select! {
                Some(Ok((number, attempt))) = attempts.join_next() => match attempt {
                    Err(TransportError::Unreachable(_)) if number > 0 => {}
                    Err(error) => return Err(error),
                    Ok(connection) => {
                        self.connected(connection.as_ref(), began);
                        return Ok(connection);
                    }
                },
                () = sleep_until(next) => {
                    attempts.spawn(self.attempt(number));
                    next += self.gap(number);
                    number += 1;
                }
            }
        }
    }

    /// One attempt, with its number.
    fn attempt(&self, number: u32) -> impl Future<Output = (u32, Dialled)> + use<> {
        let (endpoint, peer, token) = (Arc::clone(&self.endpoint), self.peer.clone(), self.token.clone());
        async move {
            let connecting = endpoint.connect_anew(&peer, token.as_deref());
            let connected = match number {
                0 => connecting.await,
                _ => timeout(LATER_ATTEMPT, connecting)
                    .await
                    .unwrap_or_else(|_| Err(TransportError::Unreachable("no answer".into()))),
            };
            (number, connected)
        }
    }

    /// From one attempt to the next: room for a handshake, growing to a bound, and a random part so that the listeners of a
    /// node that comes back do not all come at once.
    fn gap(&self, number: u32) -> Duration {
        let gap = match self.rtt() {
            Some(rtt) => (3 * rtt).max((SHORTEST_GAP * (1 + number / 4)).min(LONGEST_GAP)),
            None => UNKNOWN_GAP,
        };
        spread(gap)
    }

    fn connected(&self, connection: &dyn Connection, began: Instant) {
        if self.connects.fetch_add(1, Ordering::Relaxed) == 0 {
            let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.connect_micros.store(micros, Ordering::Relaxed);
        }
        self.note_heard();
        self.note_path(connection);
    }

    /// Drops `bad`, so that the next request connects anew. Does nothing if another has taken its place.
    pub(super) async fn forget(&self, bad: &Arc<dyn Connection>) {
        let mut slot = self.connection.lock().await;
        if slot.as_ref().is_some_and(|it| Arc::ptr_eq(it, bad)) {
            bad.close("lost");
            *slot = None;
        }
    }

    /// Drops whatever connection there is. Does nothing while one is being made.
    pub(super) fn forget_any(&self) {
        if let Some(connection) = self.connection.try_lock().ok().and_then(|mut slot| slot.take()) {
            connection.close("silent");
        }
    }

    /// Moves from a connection that has fallen silent to a new one. For `grace` the old one stays, in case it recovers: drop
    /// this then. After that it is closed, because a transport may send what is new along the path of what is there.
    pub(super) async fn move_from(
        &self,
        silent: &Arc<dyn Connection>,
        grace: Duration,
    ) -> Result<(), TransportError> {
        let Ok(dialled) = timeout(grace, self.dial()).await else {
            self.forget(silent).await;
            return self.connection().await.map(drop);
        };
        let fresh = dialled?;
        let mut slot = self.connection.lock().await;
        if slot.as_ref().is_none_or(|it| Arc::ptr_eq(it, silent)) {
            *slot = Some(fresh);
            silent.close("silent");
        }
        Ok(())
    }

    /// Says goodbye, so that the node need not find out by itself, and closes the local end.
    pub async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take() {
            connection.close("done");
        }
        self.endpoint.close().await;
    }

    pub(super) fn note_path(&self, connection: &dyn Connection) {
        let mut last = self.last_path.lock().unwrap_or_else(PoisonError::into_inner);
        let from = std::mem::replace(&mut *last, connection.path());
        if from.kind != PathKind::Unknown && (from.kind, &from.remote) != (last.kind, &last.remote) {
            let change = PathChange { at: Instant::now(), from, to: last.clone() };
            self.path_changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
        }
    }

    /// How the path changed.
    #[must_use]
    pub fn path_changes(&self) -> Recent<PathChange> {
        self.path_changes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Something came from the node.
    pub(super) fn note_heard(&self) {
        let micros = u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.heard.fetch_max(micros, Ordering::Relaxed);
    }

    /// When something last came from the node; when this was made, if nothing did.
    pub(super) fn heard(&self) -> Instant {
        self.born + Duration::from_micros(self.heard.load(Ordering::Relaxed))
    }

    /// The round trip, as last seen; cheap.
    pub(super) fn rtt(&self) -> Option<Duration> {
        self.last_path.lock().unwrap_or_else(PoisonError::into_inner).rtt
    }

    /// What the bytes travel, as last seen.
    #[must_use]
    pub fn path(&self) -> Path {
        if let Ok(slot) = self.connection.try_lock()
            && let Some(connection) = slot.as_ref()
        {
            self.note_path(connection.as_ref());
        }
        self.last_path.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long making the endpoint took, if that was noted.
    #[must_use]
    pub fn bind_time(&self) -> Duration {
        self.bind_time
    }

    /// How long the first connect took, handshake included.
    #[must_use]
    pub fn connect_time(&self) -> Duration {
        Duration::from_micros(self.connect_micros.load(Ordering::Relaxed))
    }

    /// How often it connected after the first time.
    #[must_use]
    pub fn reconnects(&self) -> u64 {
        self.connects.load(Ordering::Relaxed).saturating_sub(1)
    }
}
