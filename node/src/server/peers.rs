//! The connections of peers: admits them, over any transport, and runs a session for each.

use std::{future::Future, sync::Arc};

use media_plugin_sdk::transport::{Admit, Connection, Endpoint, TransportError};
use media_protocol::{ACCESS_ENDED, session::server::RequestLimits};
use tokio::{sync::watch, task::JoinSet};
use tracing::Instrument as _;

use self::{activity::ActivityTable, connection_table::ConnectionTable};
use super::{caller::Caller, service::Service};
use crate::access::Grant;

mod access;
mod activity;
mod connection_table;
mod session;

pub use access::Access;
pub use activity::ConnectionStatus;

/// The peers of a server, over all its transports.
pub(super) struct Peers {
    service: Arc<Service>,
    limits: RequestLimits,
    connections: Arc<ConnectionTable>,
    activities: Arc<ActivityTable>,
    stopping: watch::Sender<bool>,
}

impl Peers {
    pub(super) fn new(service: Arc<Service>) -> Self {
        let config = service.config();
        let requests = config.max_requests_per_peer.max(1);
        let limits = RequestLimits { requests, encode_ahead: config.encode_ahead };
        let connections = Arc::new(ConnectionTable::new(config.max_peers));
        let activities = Arc::default();
        Self { service, limits, connections, activities, stopping: watch::Sender::new(false) }
    }

    /// Number of connections.
    pub(super) fn connected(&self) -> usize {
        self.connections.len()
    }

    /// All connections as the node's owner sees them, oldest first.
    pub(super) fn connections(&self) -> Vec<ConnectionStatus> {
        let catalog = self.service.catalog();
        self.activities.status(|id| catalog.track(id).map(|track| track.title))
    }

    /// Closes all connections.
    pub(super) fn disconnect_all(&self, reason: &str) {
        self.activities.close_all(reason);
    }

    /// Returns a receiver that becomes true when the server stops.
    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Ends [`Peers::serve`].
    pub(super) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Returns the function that decides on a peer during its handshake. It admits the peer if `access` does and a
    /// slot is free. It does not take the slot; [`Peers::serve`] does.
    pub(super) fn admit(&self, access: Access) -> Admit {
        let connections = Arc::clone(&self.connections);
        Arc::new(move |peer, token| {
            let admission = access.admit(peer, token)?;
            if !connections.has_room() {
                return Err(TransportError::FULL.into());
            }
            Ok(admission)
        })
    }

    /// Runs a session for each connection of the endpoint, until the endpoint is closed or the server stops.
    /// Closes the endpoint at the end.
    pub(super) async fn serve(self: Arc<Self>, endpoint: Arc<dyn Endpoint>) {
        let mut stopping = self.stopping();
        let mut sessions = JoinSet::new();
        let mut next = endpoint.accept();
        loop {
            tokio::select! {
                accepted = &mut next => {
                    let Some(connection) = accepted else { break };
                    next = endpoint.accept();
                    if let Some(session) = self.session(connection) {
                        sessions.spawn(session);
                    }
                }
                Some(ended) = sessions.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!("a session failed: {error}");
                    }
                }
                _ = stopping.wait_for(|stopping| *stopping) => break,
            }
        }
        endpoint.close().await;
        sessions.shutdown().await;
    }

    /// The session of a new connection, which ends with the peer's grant. Closes the connection and returns `None` if it gets
    /// no place.
    fn session(&self, connection: Arc<dyn Connection>) -> Option<impl Future<Output = ()> + use<>> {
        let counters = self.service.counters();
        let grant = connection.grant().and_then(|grant| grant.downcast::<Grant>().ok());
        let Some(grant) = grant else {
            tracing::error!("a connection without a grant: the transport dropped it");
            connection.close("internal_error");
            return None;
        };
        let Some(guard) = self.connections.insert(&connection, grant.label()) else {
            counters.peers_turned_away.add(1);
            connection.close(TransportError::FULL);
            return None;
        };
        counters.peers_served.add(1);
        let active = self.activities.insert(&connection, grant.label());
        let service = Arc::clone(&self.service);
        let limits = self.limits;
        // The span has the level `error`, so that it is part of log lines of every level. The first 8 characters of
        // the id are enough to tell peers apart.
        let span = tracing::error_span!("session", peer = %format_args!("{:.8}", connection.peer()));
        let session = async move {
            tracing::info!(path = %connection.path().kind, ticket = grant.label(), "a peer connected");
            let caller = Caller::new(&connection.peer(), grant.as_ref().clone());
            let guard = Arc::new(guard);
            let session = async {
                let activity = Arc::clone(&active.activity);
                session::run(service, limits, caller, Arc::clone(&connection), guard, activity).await;
                connection.closed().await
            };
            tokio::select! {
                reason = session => tracing::info!(%reason, "a peer disconnected"),
                refusal = grant.ended() => {
                    connection.close(&format!("{ACCESS_ENDED}{}", refusal.code()));
                    tracing::info!(reason = %refusal, "disconnected a peer");
                }
            }
        };
        Some(session.instrument(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{library::Catalog, plugins, server::config::ServerConfig};

    #[test]
    fn a_full_node_says_so_only_to_peers_it_would_admit() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::recall(&[folder.path().to_owned()], false, None).unwrap();
        let config = ServerConfig { max_peers: 0, encoders: 1, ..ServerConfig::default() };
        let service = Service::start(config, plugins::registry(), Arc::new(catalog)).unwrap();
        let peers = Peers::new(Arc::new(service));
        let access = Access { ids: ["friend".to_owned()].into(), ..Access::default() };
        let admit = peers.admit(access);
        let code = |peer| admit(peer, None).err().map(|refusal| refusal.code);
        assert_eq!(code("friend").as_deref(), Some("server_full"));
        assert_eq!(code("stranger").as_deref(), Some("unauthorized"));
    }
}
