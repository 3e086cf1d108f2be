//! Who comes in, and for how long.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use media_plugin_sdk::transport::{Admit, Connection, Endpoint, TransportError};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use tracing::Instrument as _;

use super::{Node, session};

/// Whom a node lets in. The default is nobody.
#[derive(Clone, Default)]
pub struct Access {
    /// Everybody.
    pub open: bool,
    /// These identities, whatever token they bring.
    pub ids: BTreeSet<String>,
    /// Whoever brings this token: the capability of the node's tickets.
    pub capability: Option<String>,
}

/// The capability is a secret.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let capability = self.capability.as_ref().map(|_| "(redacted)");
        f.debug_struct("Access")
            .field("open", &self.open)
            .field("ids", &self.ids)
            .field("capability", &capability)
            .finish()
    }
}

impl Access {
    fn check(&self, peer: &str, token: Option<&str>) -> Result<(), &'static str> {
        if self.open || self.ids.contains(peer) {
            return Ok(());
        }
        match (&self.capability, token) {
            // Hashes are compared in constant time, and hide how long the capability is.
            (Some(ours), Some(theirs))
                if blake3::hash(ours.as_bytes()) == blake3::hash(theirs.as_bytes()) =>
            {
                Ok(())
            }
            (Some(_), Some(_)) => Err("invalid_token"),
            _ => Err("unauthorized"),
        }
    }
}

/// The connections of each peer, the oldest first. Over [`Present::EACH`] the oldest is closed: one that lost its way, be it
/// to a path that died, comes in anew before the old connection has timed out, and nobody takes all places.
#[derive(Default)]
pub(super) struct Present(Mutex<HashMap<String, VecDeque<Arc<dyn Connection>>>>);

impl Present {
    /// One person's players that run side by side, and what is left of those that moved.
    const EACH: usize = 16;

    fn with(
        &self,
        connection: &Arc<dyn Connection>,
        change: impl FnOnce(&mut VecDeque<Arc<dyn Connection>>),
    ) {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = peers.remove(&connection.peer()).unwrap_or_default();
        change(&mut own);
        if !own.is_empty() {
            peers.insert(connection.peer(), own);
        }
    }

    fn enter(&self, connection: &Arc<dyn Connection>) {
        self.with(connection, |own| {
            own.push_back(Arc::clone(connection));
            if own.len() > Self::EACH
                && let Some(oldest) = own.pop_front()
            {
                oldest.close("too many connections of one peer: the oldest ends");
            }
        });
    }
}

/// A peer that is there, until this is dropped.
struct Presence {
    node: Arc<Node>,
    connection: Arc<dyn Connection>,
    _place: OwnedSemaphorePermit,
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.node.present.with(&self.connection, |own| own.retain(|it| !Arc::ptr_eq(it, &self.connection)));
    }
}

/// Whom `access` lets in while there are places. The place itself is taken by [`serve`].
pub(super) fn admit(access: Access, places: Arc<Semaphore>) -> Admit {
    Arc::new(move |peer, token| {
        access.check(peer, token)?;
        if places.available_permits() == 0 {
            return Err(TransportError::FULL.into());
        }
        Ok(())
    })
}

/// Runs a session for each peer, until the endpoint is closed or the node stops.
pub(super) async fn serve(node: Arc<Node>, endpoint: Arc<dyn Endpoint>) {
    let mut stopping = node.stopping.subscribe();
    let mut sessions = JoinSet::new();
    let mut next = endpoint.accept();
    loop {
        tokio::select! {
            accepted = &mut next => {
                let Some(connection) = accepted else { break };
                next = endpoint.accept();
                welcome(&node, connection, &mut sessions);
            }
            Some(ended) = sessions.join_next() => {
                if let Err(error) = ended {
                    tracing::error!("a session failed: {error}");
                }
            }
            _ = stopping.wait_for(|it| *it) => break,
        }
    }
    endpoint.close().await;
    sessions.shutdown().await;
}

fn welcome(node: &Arc<Node>, connection: Arc<dyn Connection>, sessions: &mut JoinSet<()>) {
    match node.places.clone().try_acquire_owned() {
        Ok(_place) => {
            node.counters.peers_served.add(1);
            node.present.enter(&connection);
            let presence = Presence { node: node.clone(), connection, _place };
            // Of the highest level, so that what is logged below it has it too. The id is cut: its beginning tells peers apart.
            let span =
                tracing::error_span!("session", peer = %format_args!("{:.8}", presence.connection.peer()));
            sessions.spawn(attend(presence).instrument(span));
        }
        Err(_) => {
            node.counters.peers_turned_away.add(1);
            connection.close(TransportError::FULL);
        }
    }
}

async fn attend(presence: Presence) {
    let Presence { node, connection, .. } = &presence;
    tracing::info!(path = %connection.path().kind, "a peer came in");
    session::run(node.clone(), connection.clone()).await;
    let reason = connection.closed().await;
    tracing::info!(%reason, "a peer left");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access { ids: ["friend".to_owned()].into(), capability: Some("secret".into()), ..Access::default() }
    }

    #[test]
    fn nobody_comes_in_by_default() {
        assert_eq!(Access::default().check("a", Some("b")), Err("unauthorized"));
        assert_eq!(Access::default().check("", None), Err("unauthorized"));
    }

    #[test]
    fn a_token_or_an_identity_lets_in() {
        assert_eq!(access().check("stranger", Some("secret")), Ok(()));
        assert_eq!(access().check("stranger", Some("secret2")), Err("invalid_token"));
        assert_eq!(access().check("stranger", None), Err("unauthorized"));
        assert_eq!(access().check("friend", None), Ok(()));
        assert_eq!(access().check("friend", Some("an old token")), Ok(()));
        assert_eq!(Access { open: true, ..Access::default() }.check("stranger", None), Ok(()));
    }

    #[test]
    fn a_full_node_says_so_only_to_those_it_would_let_in() {
        let admit = admit(access(), Arc::new(Semaphore::new(0)));
        assert_eq!(admit("friend", None), Err("server_full".into()));
        assert_eq!(admit("stranger", None), Err("unauthorized".into()));
    }

    #[test]
    fn the_capability_is_not_printed() {
        assert!(!format!("{:?}", access()).contains("secret"));
    }
}
