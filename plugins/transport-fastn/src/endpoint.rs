//! The local end: dials with a pool, accepts with a handshake.

mod connection_pool;
mod handshake_limit;
mod quic_endpoint;

use std::{
    collections::{BTreeSet, HashMap},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex as StdMutex, Weak},
    time::Duration,
};

use iroh::{
    Endpoint as QuicEndpoint, EndpointId,
    endpoint::{Connection as QuicConnection, Incoming},
};
use media_plugin_sdk::transport::{BoxFuture, Connection, Endpoint, PeerAddress, Result, TransportError};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
    time::timeout,
};

use crate::{
    connection::{FastnConnection, Task},
    handshake::Greeting,
    id52,
    wire::code,
};

use handshake_limit::{Door, Place};
pub(crate) use quic_endpoint::bind;

/// Admitted peers that wait for `accept`; more, of those that may be connected at once, wait before it.
const WAITING: usize = 16;
/// The most that closing takes.
const CLOSING: Duration = Duration::from_secs(1);

pub(crate) struct FastnEndpoint {
    quic: QuicEndpoint,
    greeting: Arc<Greeting>,
    connect_timeout: Duration,
    direct: bool,
    pool: StdMutex<HashMap<EndpointId, Arc<Mutex<Slot>>>>,
    arrivals: Mutex<mpsc::Receiver<Arc<FastnConnection>>>,
    _accepting: Task,
}

/// The connection that we dialled to a peer. Locked while dialling, so that two callers share one dial.
#[derive(Default)]
struct Slot {
    /// What was shown in its handshake; another token takes another handshake.
    token: Option<String>,
    connection: Weak<FastnConnection>,
}

impl FastnEndpoint {
    fn start(quic: QuicEndpoint, greeting: Greeting, connect_timeout: Duration, direct: bool) -> Arc<Self> {
        let greeting = Arc::new(greeting);
        let (ready, arrivals) = mpsc::channel(WAITING);
        let accepting = tokio::spawn(accept_all(quic.clone(), greeting.clone(), connect_timeout, ready));
        Arc::new(Self {
            quic,
            greeting,
            connect_timeout,
            direct,
            pool: StdMutex::default(),
            arrivals: Mutex::new(arrivals),
            _accepting: Task(accepting.abort_handle()),
        })
    }
}

async fn accept_all(
    quic: QuicEndpoint,
    greeting: Arc<Greeting>,
    limit: Duration,
    ready: mpsc::Sender<Arc<FastnConnection>>,
) {
    let mut door = Door::default();
    let mut handshakes = JoinSet::new();
    loop {
        tokio::select! {
            incoming = quic.accept() => {
                let Some(incoming) = incoming else { return };
                if door.is_crowded() && !incoming.remote_addr_validated() {
                    // It comes again with a token that only its true address was told.
                    let _ = incoming.retry();
                    continue;
                }
                let place = door.enter(incoming.remote_addr().into());
                handshakes.spawn(receive(incoming, greeting.clone(), limit, ready.clone(), place));
            }
            Some(_) = handshakes.join_next() => {}
        }
    }
}

async fn receive(
    incoming: Incoming,
    greeting: Arc<Greeting>,
    limit: Duration,
    ready: mpsc::Sender<Arc<FastnConnection>>,
    mut place: Place,
) {
    let connected = tokio::select! {
        biased;
        connected = timeout(limit, incoming) => connected,
        _ = &mut place => return tracing::debug!("a peer that did not complete its connection gave way"),
    };
    let connection = match connected {
        Ok(Ok(connection)) => connection,
        Ok(Err(e)) => return tracing::debug!("a peer did not complete its connection: {e:#}"),
        Err(_) => return tracing::debug!("a peer did not complete its connection in time"),
    };
    if let Some(connection) = shake_hands(connection, &greeting, limit, place).await {
        // Fails when the endpoint is gone, and the connection ends with it.
        let _ = ready.send(connection).await;
    }
}

async fn shake_hands(
    connection: QuicConnection,
    greeting: &Greeting,
    limit: Duration,
    mut place: Place,
) -> Option<Arc<FastnConnection>> {
    let peer = connection.remote_id().fmt_short();
    let received = tokio::select! {
        biased;
        received = timeout(limit, greeting.receive(&connection)) => received,
        _ = &mut place => {
            tracing::debug!(%peer, "no handshake yet: it gave way");
            connection.close(code::REFUSED.into(), TransportError::FULL.as_bytes());
            return None;
        }
    };
    match received {
        Ok(Ok(admitted)) => {
            tracing::debug!(%peer, "admitted");
            let room = Some(admitted.place);
            Some(FastnConnection::start(connection, limit, room, admitted.first))
        }
        Ok(Err(refusal)) => {
            tracing::debug!(%peer, reason = refusal.reason, "refused");
            connection.close(refusal.code.into(), refusal.reason.as_bytes());
            None
        }
        Err(_) => {
            tracing::debug!(%peer, "no handshake in time");
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
            addresses = loopback(&self.quic.bound_sockets()).iter().map(ToString::to_string).collect();
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
            // On a task of its own, which goes on when it takes too long to be waited for.
            let closing = tokio::spawn(async move { quic.close().await });
            let _ = timeout(CLOSING, closing).await;
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

/// Where sockets that listen everywhere are reached from the same machine.
fn loopback(bound: &[SocketAddr]) -> BTreeSet<SocketAddr> {
    let reachable = |address: &SocketAddr| match (address, address.ip().is_unspecified()) {
        (SocketAddr::V4(_), true) => (Ipv4Addr::LOCALHOST, address.port()).into(),
        (SocketAddr::V6(_), true) => (Ipv6Addr::LOCALHOST, address.port()).into(),
        (_, false) => *address,
    };
    bound.iter().map(reachable).collect()
}
