//! Local end of the transport: dials through a pool of connections, and accepts peers after a handshake.

mod connection_pool;
mod handshake_limit;
mod name_resolver;
mod quic_endpoint;

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use iroh::{
    Endpoint as QuicEndpoint, EndpointAddr, EndpointId, RelayUrl, SecretKey, TransportAddr,
    endpoint::{Connection as QuicConnection, Incoming},
};
use media_plugin_sdk::transport::{
    BindOptions, BoxFuture, Connection, Endpoint, PeerAddress, Result, TransportError,
};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
    time::timeout,
};

use self::{
    connection_pool::{ConnectionPool, PooledConnection},
    handshake_limit::{HandshakeLimiter, Slot},
};
use crate::{
    connection::{AbortOnDrop, Agreement, FastnConnection},
    error,
    handshake::{Admitted, Handshake},
    id52,
    local_network::Announcement,
    options::Options,
    wire::{ALPN, code},
};

/// Capacity of the queue of admitted peers before `accept`. Further admitted peers wait in tasks of their
/// own, as many as the option `max_peers` permits.
const MAX_PENDING_PEERS: usize = 16;
/// Longest time that [`FastnEndpoint::close`] waits for the peers.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) struct FastnEndpoint {
    quic: QuicEndpoint,
    handshake: Arc<Handshake>,
    connect_timeout: Duration,
    /// The option `direct`: dials IP addresses, not only relays.
    direct: bool,
    pool: ConnectionPool,
    /// `None` without the option `mdns`, or on a network without multicast.
    announcement: Option<Announcement>,
    arrivals: Mutex<mpsc::Receiver<Arc<FastnConnection>>>,
    _accept_loop: AbortOnDrop,
}

impl FastnEndpoint {
    pub(crate) async fn bind(bind: &BindOptions) -> Result<Arc<Self>> {
        let options = Options::parse(&bind.options)?;
        let quic = quic_endpoint::bind(&options, &SecretKey::from_bytes(&bind.secret_key)).await?;
        let announcement = options.mdns.then(|| Announcement::start(&quic)).flatten();
        let handshake = Arc::new(Handshake::new(bind, options.max_peers));
        let connect_timeout = options.connect_timeout();
        let (ready, arrivals) = mpsc::channel(MAX_PENDING_PEERS);
        let accept_loop = tokio::spawn(accept_loop(quic.clone(), handshake.clone(), connect_timeout, ready));
        Ok(Arc::new(Self {
            quic,
            handshake,
            connect_timeout,
            direct: options.direct,
            pool: ConnectionPool::default(),
            announcement,
            arrivals: Mutex::new(arrivals),
            _accept_loop: AbortOnDrop(accept_loop.abort_handle()),
        }))
    }

    async fn connect_pooled(&self, peer: &PeerAddress, token: Option<&str>) -> Result<Arc<FastnConnection>> {
        let entry = self.pool.entry(id52::decode(&peer.id)?);
        let dial = async {
            let mut pooled = entry.lock().await;
            if let Some(connection) = pooled.live(token) {
                return Ok(connection);
            }
            let connection = self.dial(peer, token).await?;
            *pooled = PooledConnection::new(token, &connection);
            Ok(connection)
        };
        self.with_timeout(peer, dial).await
    }

    /// Dials even if the pool has a connection. The new connection replaces the pooled one.
    async fn dial_new(&self, peer: &PeerAddress, token: Option<&str>) -> Result<Arc<FastnConnection>> {
        let connection = self.with_timeout(peer, self.dial(peer, token)).await?;
        // A caller that holds the lock is dialling as well, and puts its own connection into the pool.
        if let Ok(mut pooled) = self.pool.entry(id52::decode(&peer.id)?).try_lock() {
            *pooled = PooledConnection::new(token, &connection);
        }
        Ok(connection)
    }

    async fn with_timeout<T>(&self, peer: &PeerAddress, dial: impl Future<Output = Result<T>>) -> Result<T> {
        timeout(self.connect_timeout, dial).await.unwrap_or_else(|_| {
            let addresses = describe(&self.target(id52::decode(&peer.id)?, &peer.addresses));
            let seconds = self.connect_timeout.as_secs_f32();
            Err(error::unreachable(&peer.id, &addresses, &format!("no answer within {seconds} s")))
        })
    }

    async fn dial(&self, peer: &PeerAddress, token: Option<&str>) -> Result<Arc<FastnConnection>> {
        let target = self.target(id52::decode(&peer.id)?, &peer.addresses);
        let addresses = describe(&target);
        let connecting = self.quic.connect(target, ALPN).await;
        let connection = connecting.map_err(|e| error::connect(&e, &peer.id, &addresses))?;
        let welcome = self.handshake.initiate(&connection, token).await?;
        let agreement = Agreement { welcome, ..Agreement::default() };
        Ok(FastnConnection::start(connection, self.connect_timeout, agreement, None))
    }

    /// Parses the address hints of a peer. Skips hints of other transports, and IP addresses if `direct` is
    /// off.
    fn target(&self, id: EndpointId, hints: &[String]) -> EndpointAddr {
        let parse = |hint: &String| match hint.parse::<SocketAddr>() {
            Ok(address) => self.direct.then_some(TransportAddr::Ip(address)),
            Err(_) => hint.parse::<RelayUrl>().ok().map(TransportAddr::Relay),
        };
        EndpointAddr::from_parts(id, hints.iter().filter_map(parse))
    }
}

/// Addresses of a dial, for an error message.
fn describe(target: &EndpointAddr) -> String {
    let addresses: Vec<String> = target
        .ip_addrs()
        .map(ToString::to_string)
        .chain(target.relay_urls().map(ToString::to_string))
        .collect();
    if addresses.is_empty() { "its identity alone".into() } else { addresses.join(", ") }
}

/// Accepts connections until the endpoint closes. Each handshake runs in a task of its own, so a slow peer
/// delays no other.
async fn accept_loop(
    quic: QuicEndpoint,
    handshake: Arc<Handshake>,
    limit: Duration,
    ready: mpsc::Sender<Arc<FastnConnection>>,
) {
    let mut limiter = HandshakeLimiter::default();
    let mut handshakes = JoinSet::new();
    loop {
        tokio::select! {
            incoming = quic.accept() => {
                let Some(incoming) = incoming else { return };
                if limiter.requires_validation() && !incoming.remote_addr_validated() {
                    // Sends a token to the peer's address, with which the peer proves on its next attempt
                    // that it is there.
                    let _ = incoming.retry();
                    continue;
                }
                let slot = limiter.acquire(incoming.remote_addr().into());
                handshakes.spawn(receive(incoming, handshake.clone(), limit, ready.clone(), slot));
            }
            Some(_) = handshakes.join_next() => {}
        }
    }
}

/// Completes a connection and its handshake, unless the limiter takes back its slot meanwhile.
async fn receive(
    incoming: Incoming,
    handshake: Arc<Handshake>,
    limit: Duration,
    ready: mpsc::Sender<Arc<FastnConnection>>,
    mut slot: Slot,
) {
    let connected = tokio::select! {
        biased;
        connected = timeout(limit, incoming) => connected,
        _ = &mut slot => return tracing::debug!("dropped an incomplete connection in favour of a newer one"),
    };
    let connection = match connected {
        Ok(Ok(connection)) => connection,
        Ok(Err(e)) => return tracing::debug!("a peer did not complete its connection: {e:#}"),
        Err(_) => return tracing::debug!("a peer did not complete its connection in time"),
    };
    if let Some(connection) = respond(connection, &handshake, limit, slot).await {
        // Fails if the endpoint was dropped. The connection is dropped as well then.
        let _ = ready.send(connection).await;
    }
}

async fn respond(
    connection: QuicConnection,
    handshake: &Handshake,
    limit: Duration,
    mut slot: Slot,
) -> Option<Arc<FastnConnection>> {
    let peer = connection.remote_id().fmt_short();
    let responded = tokio::select! {
        biased;
        responded = timeout(limit, handshake.respond(&connection)) => responded,
        _ = &mut slot => {
            tracing::debug!(%peer, "closed: no handshake yet, and a newer connection needs the slot");
            connection.close(code::REFUSED.into(), TransportError::FULL.as_bytes());
            return None;
        }
    };
    match responded {
        Ok(Ok(admitted)) => {
            tracing::debug!(%peer, "admitted");
            let Admitted { peer_slot, grant, first_stream } = admitted;
            let agreement = Agreement { _peer_slot: Some(peer_slot), grant, ..Agreement::default() };
            Some(FastnConnection::start(connection, limit, agreement, first_stream))
        }
        Ok(Err(refusal)) => {
            tracing::debug!(%peer, reason = refusal.reason, "refused");
            connection.close(refusal.code.into(), refusal.reason.as_bytes());
            None
        }
        Err(_) => {
            tracing::debug!(%peer, "closed: no handshake in time");
            connection.close(code::SLOW.into(), b"no handshake in time");
            None
        }
    }
}

impl Endpoint for FastnEndpoint {
    fn address(&self) -> PeerAddress {
        let known = self.quic.addr();
        let mut addresses: Vec<String> = known.ip_addrs().map(ToString::to_string).collect();
        if addresses.is_empty() {
            addresses = local_addresses(&self.quic.bound_sockets()).iter().map(ToString::to_string).collect();
        }
        addresses.extend(known.relay_urls().map(ToString::to_string));
        PeerAddress { id: id52::encode(&self.quic.id()), addresses }
    }

    fn connect<'a>(
        &'a self,
        peer: &'a PeerAddress,
        token: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        Box::pin(async move {
            let connection: Arc<dyn Connection> = self.connect_pooled(peer, token).await?;
            Ok(connection)
        })
    }

    fn connect_new<'a>(
        &'a self,
        peer: &'a PeerAddress,
        token: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        Box::pin(async move {
            let connection: Arc<dyn Connection> = self.dial_new(peer, token).await?;
            Ok(connection)
        })
    }

    fn announce(&self, name: &str) {
        if let Some(announcement) = &self.announcement {
            announcement.set_name(name);
        }
    }

    fn accept(&self) -> BoxFuture<'_, Option<Arc<dyn Connection>>> {
        Box::pin(async move {
            let mut arrivals = self.arrivals.lock().await;
            let next = tokio::select! {
                biased;
                () = self.quic.closed() => None,
                next = arrivals.recv() => next,
            };
            next.map(|connection| -> Arc<dyn Connection> { connection })
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let quic = self.quic.clone();
            // A task of its own completes the close after the timeout.
            let closing = tokio::spawn(async move { quic.close().await });
            let _ = timeout(CLOSE_TIMEOUT, closing).await;
        })
    }
}

impl Drop for FastnEndpoint {
    fn drop(&mut self) {
        if let (false, Ok(runtime)) = (self.quic.is_closed(), tokio::runtime::Handle::try_current()) {
            let quic = self.quic.clone();
            runtime.spawn(async move { quic.close().await });
        }
    }
}

/// Addresses under which the same machine reaches the bound sockets: loopback for sockets on all interfaces.
fn local_addresses(bound: &[SocketAddr]) -> BTreeSet<SocketAddr> {
    let reachable = |address: &SocketAddr| match (address, address.ip().is_unspecified()) {
        (SocketAddr::V4(_), true) => (Ipv4Addr::LOCALHOST, address.port()).into(),
        (SocketAddr::V6(_), true) => (Ipv6Addr::LOCALHOST, address.port()).into(),
        (_, false) => *address,
    };
    bound.iter().map(reachable).collect()
}
