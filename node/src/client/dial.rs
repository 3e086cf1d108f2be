//! The way to one node: connects on first use, keeps the connection, connects again once it is lost.

use std::{
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use media_plugin_sdk::transport::{Connection, Endpoint, Path, PathKind, PeerAddress, TransportError};
use tokio::sync::Mutex;

/// See the module.
pub struct Dial {
    endpoint: Arc<dyn Endpoint>,
    peer: PeerAddress,
    token: Option<String>,
    /// Held while connecting, so that requests made meanwhile share the one connection.
    connection: Mutex<Option<Arc<dyn Connection>>>,
    last_path: std::sync::Mutex<Path>,
    connects: AtomicU64,
    connect_micros: AtomicU64,
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
            connects: AtomicU64::new(0),
            connect_micros: AtomicU64::new(0),
        }
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
        let connection = self.endpoint.connect(&self.peer, self.token.as_deref()).await?;
        if self.connects.fetch_add(1, Ordering::Relaxed) == 0 {
            let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.connect_micros.store(micros, Ordering::Relaxed);
        }
        self.note_path(connection.as_ref());
        *slot = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// Drops `bad`, so that the next request connects anew. Does nothing if another has taken its place.
    pub(super) async fn forget(&self, bad: &Arc<dyn Connection>) {
        let mut slot = self.connection.lock().await;
        if slot.as_ref().is_some_and(|it| Arc::ptr_eq(it, bad)) {
            bad.close("lost");
            *slot = None;
        }
    }

    /// Drops whatever connection there is.
    pub(super) async fn forget_any(&self) {
        if let Some(connection) = self.connection.lock().await.take() {
            connection.close("silent");
        }
    }

    /// Says goodbye, so that the node need not find out by itself, and closes the local end.
    pub async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take() {
            connection.close("done");
        }
        self.endpoint.close().await;
    }

    pub(super) fn note_path(&self, connection: &dyn Connection) {
        *self.last_path.lock().unwrap_or_else(PoisonError::into_inner) = connection.path();
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
