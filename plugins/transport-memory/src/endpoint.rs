use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use media_plugin_sdk::transport::{
    Admit, BoxFuture, Connection, Endpoint, PeerAddress, Result, TransportError,
};
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use crate::{
    connection::{self, MemoryConnection},
    link::Link,
};

/// Limit of admitted peers that wait for `accept`. At the limit a dial fails with `Full`. Tested by
/// `a_node_with_256_peers_to_accept_is_full`.
const MAX_PENDING_PEERS: usize = 256;

/// Bound endpoints of this process, by identity.
static BOUND: Mutex<Option<HashMap<String, Entry>>> = Mutex::new(None);

/// Part of a bound endpoint that a dialling endpoint needs.
#[derive(Clone)]
struct Entry {
    admit: Admit,
    arrivals: mpsc::Sender<Arc<MemoryConnection>>,
    /// Open connections of the endpoint, closed together with it.
    links: Arc<Mutex<Vec<Weak<Link>>>>,
}

impl Entry {
    /// Adds a connection to those that close with the endpoint, and forgets connections that have ended.
    fn track(&self, link: &Arc<Link>) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|link| link.strong_count() > 0);
        links.push(Arc::downgrade(link));
    }
}

struct MemoryEndpoint {
    identity: String,
    /// Closed together with the endpoint.
    shutdown: Arc<Link>,
    entry: Entry,
    arrivals: AsyncMutex<mpsc::Receiver<Arc<MemoryConnection>>>,
}

pub(crate) fn bind(identity: String, admit: Admit) -> Result<Arc<dyn Endpoint>> {
    let (sender, arrivals) = mpsc::channel(MAX_PENDING_PEERS);
    let entry = Entry { admit, arrivals: sender, links: Arc::default() };
    with_bound(|bound| {
        if bound.contains_key(&identity) {
            return Err(TransportError::Bind(format!(
                "transport memory: {identity} is already bound in this process; close that endpoint or use another key"
            )));
        }
        bound.insert(identity.clone(), entry.clone());
        Ok(())
    })?;
    Ok(Arc::new(MemoryEndpoint {
        identity,
        shutdown: Link::new(),
        entry,
        arrivals: AsyncMutex::new(arrivals),
    }))
}

fn with_bound<T>(work: impl FnOnce(&mut HashMap<String, Entry>) -> T) -> T {
    work(BOUND.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
}

impl MemoryEndpoint {
    fn shut_down(&self) {
        if self.shutdown.reason().is_some() {
            return;
        }
        self.shutdown.close("the node was closed");
        with_bound(|bound| bound.remove(&self.identity));
        for link in self.entry.links.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if let Some(link) = link.upgrade() {
                link.close("the node was closed");
            }
        }
    }

    fn dial(&self, peer: &PeerAddress, token: Option<&str>) -> Result<Arc<dyn Connection>> {
        if self.shutdown.reason().is_some() {
            return Err(TransportError::Closed("cannot connect: this node was closed".into()));
        }
        let Some(target) = with_bound(|bound| bound.get(&peer.id).cloned()) else {
            return Err(TransportError::Unreachable(format!(
                "cannot reach {}: no such node in this process",
                peer.id
            )));
        };
        let admission = (target.admit)(&self.identity, token);
        let admission = admission.map_err(|refusal| TransportError::refused(refusal, None))?;
        let (near, far) = connection::pair(&self.identity, &peer.id, admission);
        self.entry.track(near.link());
        target.track(near.link());
        target.arrivals.try_send(far).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => TransportError::refused(TransportError::FULL, None),
            mpsc::error::TrySendError::Closed(_) => {
                TransportError::Unreachable(format!("cannot reach {}: the node was closed", peer.id))
            }
        })?;
        Ok(near)
    }
}

impl Endpoint for MemoryEndpoint {
    fn address(&self) -> PeerAddress {
        PeerAddress { id: self.identity.clone(), addresses: vec!["memory".into()] }
    }

    fn connect<'a>(
        &'a self,
        peer: &'a PeerAddress,
        token: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        Box::pin(async move { self.dial(peer, token) })
    }

    fn accept(&self) -> BoxFuture<'_, Option<Arc<dyn Connection>>> {
        Box::pin(async move {
            let mut arrivals = self.arrivals.lock().await;
            let next = tokio::select! {
                biased;
                _ = self.shutdown.closed() => None,
                next = arrivals.recv() => next,
            };
            next.map(|connection| -> Arc<dyn Connection> { connection })
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move { self.shut_down() })
    }
}

impl Drop for MemoryEndpoint {
    fn drop(&mut self) {
        self.shut_down();
    }
}
