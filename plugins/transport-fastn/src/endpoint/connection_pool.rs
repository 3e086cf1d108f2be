//! Pool of dialled connections, one per peer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex as StdMutex, PoisonError, Weak},
};

use iroh::EndpointId;
use tokio::sync::Mutex;

use crate::connection::FastnConnection;

/// The connection last dialled to each peer.
#[derive(Default)]
pub(super) struct ConnectionPool(StdMutex<HashMap<EndpointId, Arc<Mutex<PooledConnection>>>>);

impl ConnectionPool {
    /// Returns the entry of a peer, an empty one for a new peer. A caller holds its lock while dialling, so
    /// that concurrent callers share one dial.
    pub(super) fn entry(&self, id: EndpointId) -> Arc<Mutex<PooledConnection>> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Removes peers without a connection and without a dial in progress.
        entries.retain(|_, entry| {
            Arc::strong_count(entry) > 1
                || entry.try_lock().is_ok_and(|pooled| pooled.connection.strong_count() > 0)
        });
        entries.entry(id).or_default().clone()
    }
}

/// Connection to one peer, and the token of its handshake. A caller with another token needs another
/// handshake.
#[derive(Default)]
pub(super) struct PooledConnection {
    token: Option<String>,
    connection: Weak<FastnConnection>,
}

impl PooledConnection {
    pub(super) fn new(token: Option<&str>, connection: &Arc<FastnConnection>) -> Self {
        Self { token: token.map(str::to_owned), connection: Arc::downgrade(connection) }
    }

    /// Returns the connection if it is alive and was made with the same token.
    pub(super) fn live(&self, token: Option<&str>) -> Option<Arc<FastnConnection>> {
        let connection = Weak::upgrade(&self.connection)?;
        (self.token.as_deref() == token && connection.is_alive()).then_some(connection)
    }
}
