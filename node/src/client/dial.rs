//! The way to one node: connects on first use, keeps the connection, connects again once it is lost.
//!
//! Attempts to connect overlap: an answer that was lost costs a fraction of a second, not the transport's patience, and
//! after an outage however long the next attempt is near.

mod seen;

use std::{
    sync::{
        Arc, Mutex as StdMutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use media_plugin_sdk::transport::{Connection, Endpoint, Path, PeerAddress, TransportError};
use tokio::{
    sync::Mutex,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

pub use self::seen::PathChange;
use self::seen::Seen;
use super::recent::Recent;

/// See the module.
pub struct Dial {
    endpoint: Arc<dyn Endpoint>,
    peer: PeerAddress,
    token: Option<String>,
    /// Held while connecting, so that requests made meanwhile share the one connection.
    connection: Mutex<Option<Arc<dyn Connection>>>,
    seen: Seen,
    connects: AtomicU64,
    connect_micros: AtomicU64,
    bind_time: Duration,
    born: Instant,
    /// When the node last gave a sign of life, in microseconds since `born`.
    heard: AtomicU64,
    /// Requests in a row to which nothing came on this connection, and when the last one was counted.
    unanswered: StdMutex<(u32, Option<Instant>)>,
}

type Dialled = Result<Arc<dyn Connection>, TransportError>;

/// The first attempt has all the time that the transport gives it; those after it are cut short.
const LATER_ATTEMPT: Duration = Duration::from_secs(3);
/// Between two attempts where the round trip is short, the first few times and then; longer ones stretch it up to
/// [`WIDEST_GAP`], which is also the gap where none is known.
const SHORTEST_GAP: Duration = Duration::from_millis(200);
const LONGEST_GAP: Duration = Duration::from_millis(400);
const WIDEST_GAP: Duration = Duration::from_secs(1);
/// As many requests to which nothing comes, one after the other, are more than a node that is slow to encode: what the node
/// has in flight is lost, and its next probe may be seconds away.
const UNANSWERED: u32 = 2;

/// 0.8 to 1 times as long, at random.
pub(super) fn spread(time: Duration) -> Duration {
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
        Self {
            endpoint,
            peer,
            token,
            connection: Mutex::new(None),
            seen: Seen::nothing(),
            connects: AtomicU64::new(0),
            connect_micros: AtomicU64::new(0),
            bind_time: Duration::ZERO,
            born: Instant::now(),
            heard: AtomicU64::new(0),
            unanswered: StdMutex::default(),
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
        let began = Instant::now();
        let connection = self.dial().await?;
        self.keep(&mut slot, &connection, began);
        Ok(connection)
    }

    /// Attempts to connect until one succeeds, the node says no, or the first has failed.
    async fn dial(&self) -> Dialled {
        let mut attempts = JoinSet::<(u32, Dialled)>::new();
        let (mut number, mut next) = (0, Instant::now());
        loop {
            tokio::select! {
                Some(Ok((number, attempt))) = attempts.join_next() => match attempt {
                    Err(TransportError::Unreachable(_) | TransportError::Closed(_)) if number > 0 => {}
                    ended => return ended,
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
            let connecting = endpoint.connect_new(&peer, token.as_deref());
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
        let room = self.least_rtt().map_or(WIDEST_GAP, |rtt| (3 * rtt).min(WIDEST_GAP));
        spread(room.max((SHORTEST_GAP * (1 + number / 4)).min(LONGEST_GAP)))
    }

    /// From now on `fresh` is the connection. It took since `began` to make.
    fn keep(&self, slot: &mut Option<Arc<dyn Connection>>, fresh: &Arc<dyn Connection>, began: Instant) {
        if self.connects.fetch_add(1, Ordering::Relaxed) == 0 {
            let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.connect_micros.store(micros, Ordering::Relaxed);
        }
        self.note_heard();
        self.note_answer();
        self.seen.note_fresh(fresh.path());
        *slot = Some(Arc::clone(fresh));
    }

    /// Drops `bad`, so that the next request connects anew. Does nothing, and says so, if it was dropped before.
    pub(super) async fn forget(&self, bad: &Arc<dyn Connection>) -> bool {
        Self::drop_from(&mut *self.connection.lock().await, bad)
    }

    fn drop_from(slot: &mut Option<Arc<dyn Connection>>, bad: &Arc<dyn Connection>) -> bool {
        let dropped = slot.take_if(|it| Arc::ptr_eq(it, bad));
        dropped.inspect(|it| it.close("lost")).is_some()
    }

    /// As [`Dial::forget`], as soon as nobody else looks at the connection. Must be called within a runtime.
    pub(super) fn forget_soon(self: &Arc<Self>, bad: &Weak<dyn Connection>) {
        if let Some(bad) = bad.upgrade() {
            let dial = Arc::clone(self);
            tokio::spawn(async move { dial.forget(&bad).await });
        }
    }

    /// Nothing came to a request on this connection for as long as its `patience`; the second time in a row it is dropped.
    /// Requests that waited at the same time are one.
    pub(super) async fn note_no_answer(&self, connection: &Arc<dyn Connection>, patience: Duration) {
        let mut slot = self.connection.lock().await;
        let is_there = slot.as_ref().is_some_and(|it| Arc::ptr_eq(it, connection));
        if is_there && self.count_unanswered(patience) >= UNANSWERED {
            Self::drop_from(&mut slot, connection);
        }
    }

    fn count_unanswered(&self, patience: Duration) -> u32 {
        let mut unanswered = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, last) = &mut *unanswered;
        if last.is_none_or(|last| last.elapsed() >= patience) {
            (*count, *last) = (*count + 1, Some(Instant::now()));
        }
        *count
    }

    /// Something came to a request.
    pub(super) fn note_answer(&self) {
        *self.unanswered.lock().unwrap_or_else(PoisonError::into_inner) = (0, None);
    }

    /// Moves from a connection that has fallen silent to a new one. For `grace` the old one stays, in case it recovers: drop
    /// this then. After that it is closed, because a transport may send what is new along the path of what is there.
    pub(super) async fn move_from(
        &self,
        silent: &Arc<dyn Connection>,
        grace: Duration,
    ) -> Result<(), TransportError> {
        let began = Instant::now();
        let Ok(dialled) = timeout(grace, self.dial()).await else {
            self.forget(silent).await;
            return self.connection().await.map(drop);
        };
        let fresh = dialled?;
        let mut slot = self.connection.lock().await;
        if slot.as_ref().is_none_or(|it| Arc::ptr_eq(it, silent)) {
            self.keep(&mut slot, &fresh, began);
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
        self.seen.note(connection.path());
    }

    /// How the path changed.
    #[must_use]
    pub fn path_changes(&self) -> Recent<PathChange> {
        self.seen.changes()
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

    /// The least round trip seen on the present path, which is the path's own: behind a full queue the last one can be
    /// seconds.
    pub(super) fn least_rtt(&self) -> Option<Duration> {
        self.seen.least_rtt()
    }

    /// What the bytes travel, as last seen.
    #[must_use]
    pub fn path(&self) -> Path {
        if let Ok(slot) = self.connection.try_lock()
            && let Some(connection) = slot.as_ref()
        {
            self.note_path(connection.as_ref());
        }
        self.seen.last()
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

#[cfg(test)]
mod tests;
