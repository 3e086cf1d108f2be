use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use media_plugin_sdk::transport::Connection;

/// Greatest number of connections of one peer. It allows several players of one person at once, and the dead
/// connections of players that moved to another network. Tested by `one_peer_does_not_take_all_places`.
const MAX_PER_PEER: usize = 16;

/// The connections of each peer, oldest first. If a peer has [`MAX_PER_PEER`] connections, a new one closes its
/// oldest one. That is usually dead: a player whose path died reconnects before the old connection has timed out.
/// So no peer takes all slots.
#[derive(Default)]
pub(super) struct ConnectionTable(Mutex<HashMap<String, VecDeque<Arc<dyn Connection>>>>);

impl ConnectionTable {
    /// Adds a connection. It stays in the table until the returned guard is dropped.
    pub(super) fn insert(self: &Arc<Self>, connection: &Arc<dyn Connection>) -> ConnectionGuard {
        self.change(connection, |connections| {
            connections.push_back(Arc::clone(connection));
            if connections.len() > MAX_PER_PEER
                && let Some(oldest) = connections.pop_front()
            {
                oldest.close("too many connections of one peer: the oldest ends");
            }
        });
        ConnectionGuard { table: Arc::clone(self), connection: Arc::clone(connection) }
    }

    fn change(
        &self,
        connection: &Arc<dyn Connection>,
        change: impl FnOnce(&mut VecDeque<Arc<dyn Connection>>),
    ) {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut connections = peers.remove(&connection.peer()).unwrap_or_default();
        change(&mut connections);
        if !connections.is_empty() {
            peers.insert(connection.peer(), connections);
        }
    }
}

/// Keeps a connection in the table until it is dropped.
pub(super) struct ConnectionGuard {
    table: Arc<ConnectionTable>,
    connection: Arc<dyn Connection>,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let is_other = |other: &Arc<dyn Connection>| !Arc::ptr_eq(other, &self.connection);
        self.table.change(&self.connection, |connections| connections.retain(is_other));
    }
}
