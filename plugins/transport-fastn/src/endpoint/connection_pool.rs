//! Dialling, with one connection per peer.

use std::{
    net::SocketAddr,
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use iroh::{
    EndpointAddr, EndpointId, RelayUrl, TransportAddr,
    endpoint::{ConnectError, ConnectWithOptsError, ConnectingError, ConnectionError, TransportErrorCode},
};
use media_plugin_sdk::transport::{PeerAddress, Result, TransportError};
use tokio::{sync::Mutex, time::timeout};

use super::{FastnEndpoint, Slot};
use crate::{connection::FastnConnection, error, id52, wire::ALPN};

/// When a node is asked again that has room, but too many at its door: it shakes hands with hundreds in a second.
const CROWDED_RETRY: Duration = Duration::from_millis(500);
/// TLS's `no_application_protocol`, RFC 7301.
const NO_ALPN: u8 = 120;

impl FastnEndpoint {
    pub(super) async fn connect_pooled(
        &self,
        peer: &PeerAddress,
        token: Option<&str>,
    ) -> Result<Arc<FastnConnection>> {
        let slot = self.slot(id52::decode(&peer.id)?);
        let dial = async {
            let mut slot = slot.lock().await;
            if let Some(live) = slot.live(token) {
                return Ok(live);
            }
            let connection = self.dial(peer, token).await?;
            *slot = Slot::new(token, &connection);
            Ok(connection)
        };
        self.bounded(peer, dial).await
    }

    /// Beside whatever the pool has; what comes of it takes that one's place.
    pub(super) async fn dial_new(
        &self,
        peer: &PeerAddress,
        token: Option<&str>,
    ) -> Result<Arc<FastnConnection>> {
        let connection = self.bounded(peer, self.dial(peer, token)).await?;
        // Whoever holds the lock dials too, and puts what comes of that in its place.
        if let Ok(mut slot) = self.slot(id52::decode(&peer.id)?).try_lock() {
            *slot = Slot::new(token, &connection);
        }
        Ok(connection)
    }

    async fn bounded<T>(&self, peer: &PeerAddress, dial: impl Future<Output = Result<T>>) -> Result<T> {
        timeout(self.connect_timeout, dial).await.unwrap_or_else(|_| {
            let tried = tried(&self.target(id52::decode(&peer.id)?, &peer.addresses));
            let seconds = self.connect_timeout.as_secs_f32();
            Err(unreachable(&peer.id, &tried, &format!("no answer within {seconds} s")))
        })
    }

    async fn dial(&self, peer: &PeerAddress, token: Option<&str>) -> Result<Arc<FastnConnection>> {
        let target = self.target(id52::decode(&peer.id)?, &peer.addresses);
        let tried = tried(&target);
        let connecting = self.quic.connect(target, ALPN).await;
        let connection = connecting.map_err(|e| connect_error(&e, &peer.id, &tried))?;
        self.greeting.send(&connection, token).await?;
        Ok(FastnConnection::start(connection, self.connect_timeout, None, None))
    }

    fn slot(&self, id: EndpointId) -> Arc<Mutex<Slot>> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        // Forgets peers that nobody is connected or connecting to.
        pool.retain(|_, slot| {
            Arc::strong_count(slot) > 1
                || slot.try_lock().is_ok_and(|slot| slot.connection.strong_count() > 0)
        });
        pool.entry(id).or_default().clone()
    }

    /// Hints that this transport or these options have no use for are passed over.
    fn target(&self, id: EndpointId, hints: &[String]) -> EndpointAddr {
        let parse = |hint: &String| match hint.parse::<SocketAddr>() {
            Ok(address) => self.direct.then_some(TransportAddr::Ip(address)),
            Err(_) => hint.parse::<RelayUrl>().ok().map(TransportAddr::Relay),
        };
        EndpointAddr::from_parts(id, hints.iter().filter_map(parse))
    }
}

impl Slot {
    fn new(token: Option<&str>, connection: &Arc<FastnConnection>) -> Self {
        Self { token: token.map(str::to_owned), connection: Arc::downgrade(connection) }
    }

    fn live(&self, token: Option<&str>) -> Option<Arc<FastnConnection>> {
        let connection = Weak::upgrade(&self.connection)?;
        (self.token.as_deref() == token && connection.is_alive()).then_some(connection)
    }
}

fn tried(target: &EndpointAddr) -> String {
    let addresses: Vec<String> = target
        .ip_addrs()
        .map(ToString::to_string)
        .chain(target.relay_urls().map(ToString::to_string))
        .collect();
    if addresses.is_empty() { "its identity alone".into() } else { addresses.join(", ") }
}

fn unreachable(peer: &str, tried: &str, why: &str) -> TransportError {
    TransportError::Unreachable(format!("cannot reach {peer} by {tried}: {why}"))
}

fn connect_error(error: &ConnectError, peer: &str, tried: &str) -> TransportError {
    let quic = match error {
        ConnectError::Connection { source, .. } => Some(source),
        ConnectError::Connecting { source: ConnectingError::ConnectionError { source, .. }, .. } => {
            Some(source)
        }
        _ => None,
    };
    match quic {
        Some(ConnectionError::ConnectionClosed(close))
            if close.error_code == TransportErrorCode::CONNECTION_REFUSED =>
        {
            TransportError::refused(TransportError::FULL, Some(CROWDED_RETRY))
        }
        Some(ConnectionError::ConnectionClosed(close))
            if close.error_code == TransportErrorCode::crypto(NO_ALPN) =>
        {
            TransportError::Protocol(format!("{peer} was reached by {tried} but is no fastn node"))
        }
        Some(ConnectionError::TransportError(e)) => unreachable(
            peer,
            tried,
            &format!("another node answers there ({})", error::printable(&e.to_string())),
        ),
        Some(ConnectionError::TimedOut) => unreachable(peer, tried, "no answer"),
        Some(other) => unreachable(peer, tried, &error::reason(other)),
        None => match error {
            ConnectError::Connect { source: ConnectWithOptsError::SelfConnect { .. }, .. } => {
                unreachable(peer, tried, "that is this node itself")
            }
            ConnectError::Connect { source: ConnectWithOptsError::NoAddress { .. }, .. } => {
                unreachable(peer, tried, "no address is known and none was found")
            }
            other => unreachable(peer, tried, &error::printable(&format!("{other:#}"))),
        },
    }
}
