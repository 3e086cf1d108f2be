//! Pool of links: one connection to each node, shared by everything in this process that talks to it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use media_plugin_sdk::transport::{Endpoint, PeerAddress};

use super::node_link::NodeLink;

/// A node as a ticket names it: one route, and the token for the handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAddress {
    /// Id of the transport.
    pub transport: String,
    /// Identity and addresses.
    pub peer: PeerAddress,
    /// Token for the handshake.
    pub token: Option<String>,
}

/// Key of a link. Each token has a link of its own, since a node grants rights by token.
#[derive(PartialEq, Eq, Hash)]
struct LinkKey {
    transport: String,
    peer: String,
    token: Option<String>,
}

struct LocalEndpoint {
    transport: String,
    endpoint: Arc<dyn Endpoint>,
    bind_time: Duration,
}

/// One link to each node, over endpoints that the links share.
///
/// A link is kept until [`ConnectionPool::close`], so their number is that of the nodes used.
#[derive(Default)]
pub struct ConnectionPool(Mutex<State>);

#[derive(Default)]
struct State {
    endpoints: Vec<LocalEndpoint>,
    links: HashMap<LinkKey, Arc<NodeLink>>,
}

impl ConnectionPool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an endpoint, and the time that binding it took. A transport may have several endpoints with different identities.
    pub fn add_endpoint(&self, transport: &str, endpoint: Arc<dyn Endpoint>, bind_time: Duration) {
        let transport = transport.to_owned();
        self.lock().endpoints.push(LocalEndpoint { transport, endpoint, bind_time });
    }

    /// Returns the link to a node, the same for each call. Does not connect.
    ///
    /// `None` if no endpoint of the node's transport was added, or only one with the node's own identity: a node does not
    /// connect to itself. Bind one, add it and call again.
    #[must_use]
    pub fn get(&self, node: &NodeAddress) -> Option<Arc<NodeLink>> {
        let mut state = self.lock();
        let State { endpoints, links } = &mut *state;
        let key = LinkKey {
            transport: node.transport.clone(),
            peer: node.peer.id.clone(),
            token: node.token.clone(),
        };
        if let Some(link) = links.get(&key) {
            return Some(Arc::clone(link));
        }
        let is_usable = |local: &&LocalEndpoint| {
            local.transport == node.transport && local.endpoint.address().id != node.peer.id
        };
        let local = endpoints.iter().find(is_usable)?;
        let link = NodeLink::new(Arc::clone(&local.endpoint), node.peer.clone(), node.token.clone());
        let link = Arc::new(link.with_bind_time(local.bind_time));
        links.insert(key, Arc::clone(&link));
        Some(link)
    }

    /// Says goodbye on each connection and closes the endpoints. Links that are still held cannot connect again.
    pub async fn close(&self) {
        let State { endpoints, links } = std::mem::take(&mut *self.lock());
        for link in links.values() {
            link.disconnect().await;
        }
        for local in endpoints {
            local.endpoint.close().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::client::test_support::net::Net;

    fn node(peer: &str) -> NodeAddress {
        let peer = PeerAddress { id: peer.into(), addresses: Vec::new() };
        NodeAddress { transport: "fake".into(), peer, token: None }
    }

    fn pool() -> (Arc<Net>, ConnectionPool) {
        let net = Arc::new(Net::default());
        let pool = ConnectionPool::default();
        pool.add_endpoint("fake", net.endpoint(), Duration::from_millis(7));
        (net, pool)
    }

    #[tokio::test(start_paused = true)]
    async fn one_node_has_one_connection_whoever_uses_it() {
        let (net, pool) = pool();
        let first = pool.get(&node("a")).unwrap();
        let second = pool.get(&node("a")).unwrap();
        let (one, other) = tokio::join!(first.connection(), second.connection());
        assert!(Arc::ptr_eq(&one.unwrap(), &other.unwrap()));
        assert_eq!(net.dials.load(Ordering::Relaxed), 1);
        assert_eq!(first.bind_time(), Duration::from_millis(7));
    }

    #[tokio::test(start_paused = true)]
    async fn nodes_tokens_and_transports_have_connections_of_their_own() {
        let (net, pool) = pool();
        pool.add_endpoint("other", net.endpoint(), Duration::ZERO);
        let token = NodeAddress { token: Some("t".into()), ..node("a") };
        let other = NodeAddress { transport: "other".into(), ..node("a") };
        for node in [node("a"), node("b"), token, other] {
            pool.get(&node).unwrap().connection().await.unwrap();
        }
        assert_eq!(net.dials.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn an_endpoint_is_needed_for_the_transport_and_none_connects_to_itself() {
        let (net, pool) = pool();
        assert!(pool.get(&NodeAddress { transport: "absent".into(), ..node("a") }).is_none());
        let own = node(&net.endpoint().address().id);
        assert!(pool.get(&own).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn closing_says_goodbye_on_each_connection() {
        let (net, pool) = pool();
        pool.get(&node("a")).unwrap().connection().await.unwrap();
        pool.get(&node("b")).unwrap().connection().await.unwrap();
        let _never_connected = pool.get(&node("c")).unwrap();
        pool.close().await;
        assert_eq!(*net.goodbyes.lock().unwrap(), ["done", "done"]);
        assert_eq!(net.closed_endpoints.load(Ordering::Relaxed), 1);
        assert!(pool.get(&node("a")).is_none(), "its endpoint is closed");
    }
}
