//! How two nodes reach each other. Transports are built in: an async runtime does not cross a shared library's border.
//!
//! A connection carries streams in both directions. The side that opens a stream names a protocol and sends one JSON
//! value; what follows is bytes, both ways, until each side finishes. The transport delivers, it does not interpret.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A boxed future, so that the traits here can be used as objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a transport call returns.
pub type Result<T> = std::result::Result<T, TransportError>;

/// Why a transport failed. Each message is one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// A wrong option, address or key; the message says what is allowed.
    #[error("{0}")]
    BadArgument(String),
    /// No local endpoint could be made (port in use, no such interface).
    #[error("{0}")]
    Bind(String),
    /// The peer could not be reached.
    #[error("{0}")]
    Unreachable(String),
    /// The peer was reached and turned us away, with its code (`unauthorized`, `invalid_token`, …).
    #[error("the node turned this client away: {0}")]
    Refused(String),
    /// The peer was reached and would let us in, but has no room.
    #[error("the node is full; try again in {} s", .retry_after.as_secs_f32())]
    Full {
        /// When to try again, from now.
        retry_after: Duration,
    },
    /// The connection or the stream ended: closed by the peer, timed out, or lost.
    #[error("{0}")]
    Closed(String),
    /// The peer does not keep to the protocol, or went over a limit.
    #[error("{0}")]
    Protocol(String),
}

impl TransportError {
    /// The code of a peer that has no room.
    pub const FULL: &'static str = "server_full";
    /// After so long a peer that has no room is asked again, where it names no time of its own: a place is free when
    /// somebody leaves, and each question costs the peer a handshake.
    pub const FULL_RETRY: Duration = Duration::from_secs(5);
    /// The longest time that a peer may name.
    const LONGEST_RETRY: Duration = Duration::from_secs(60);

    /// What a peer's refusal is, from its code and from the time after which it is to be asked again.
    #[must_use]
    pub fn refused(code: impl Into<String>, retry_after: Option<Duration>) -> Self {
        let code = code.into();
        if code != Self::FULL {
            return Self::Refused(code);
        }
        Self::Full { retry_after: retry_after.unwrap_or(Self::FULL_RETRY).min(Self::LONGEST_RETRY) }
    }
}

/// What a peer is and where to look for it. Everything but `id` is a hint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerAddress {
    /// The peer's identity, in the transport's own text form (an ID52).
    pub id: String,
    /// Addresses to try: `ip:port`, a relay's URL, a name in memory.
    pub addresses: Vec<String>,
}

/// How a node is bound.
#[derive(Clone)]
pub struct Bind {
    /// The node's secret key, 32 bytes.
    pub secret_key: [u8; 32],
    /// The `[transport.ID]` table of the configuration as one JSON object, empty when there is none.
    pub options: String,
    /// What this node calls itself in a handshake: name and version.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The protocols that it serves or asks for, as on the wire.
    pub protocols: Vec<String>,
    /// Decides who may come in; a node that only dials passes [`refuse_all`].
    pub admit: Admit,
}

impl fmt::Debug for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bind")
            .field("options", &self.options)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Decides on a peer from its identity (proven by the transport) and the token of its handshake. `Err` is a code that
/// the peer is told: `unauthorized`, `invalid_token`, `server_full`.
pub type Admit = Arc<dyn Fn(&str, Option<&str>) -> std::result::Result<(), String> + Send + Sync>;

/// Lets nobody in.
#[must_use]
pub fn refuse_all() -> Admit {
    Arc::new(|_, _| Err("unauthorized".into()))
}

/// A transport that is linked in.
pub struct TransportRegistration(
    /// Makes the plugin object, once per process.
    pub fn() -> Box<dyn Transport>,
);
inventory::collect!(TransportRegistration);

/// What a transport says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportInfo {
    /// The id in config, tickets and on the command line.
    pub id: String,
    /// The plugin's version.
    pub version: String,
    /// One line for `plugins list`.
    pub description: String,
}

/// A kind of transport.
pub trait Transport: Send + Sync {
    /// What this transport is.
    fn info(&self) -> TransportInfo;

    /// Makes the local end. A process needs one; connections share it.
    ///
    /// # Errors
    /// `BadArgument` names the option; `Bind` the address and why.
    fn bind<'a>(&'a self, bind: &'a Bind) -> BoxFuture<'a, Result<Arc<dyn Endpoint>>>;

    /// The identity that belongs to a secret key, in this transport's text form.
    fn identity(&self, secret_key: &[u8; 32]) -> String;
}

/// The local end.
pub trait Endpoint: Send + Sync {
    /// This node's identity and where it can be reached now.
    fn address(&self) -> PeerAddress;

    /// Connects and shakes hands. A live connection to the same peer may be handed out again.
    ///
    /// Cancel-safe. Gives up by itself after the transport's configured time (10 s by default).
    ///
    /// # Errors
    /// `Unreachable`, `Refused`, `Protocol`.
    fn connect<'a>(
        &'a self,
        peer: &'a PeerAddress,
        token: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>>;

    /// As [`Endpoint::connect`], but never hands out a connection that there is: for when that one is suspected to be dead.
    /// It is let be. What is given here is right for a transport that always connects anew.
    ///
    /// # Errors
    /// As [`Endpoint::connect`].
    fn connect_anew<'a>(
        &'a self,
        peer: &'a PeerAddress,
        token: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        self.connect(peer, token)
    }

    /// The next peer that came in and was admitted; `None` once closed. Handshakes run beside each other, so a slow peer
    /// holds up nobody.
    fn accept(&self) -> BoxFuture<'_, Option<Arc<dyn Connection>>>;

    /// Closes all connections and tells the peers. Waits a second at most.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// A connection to one peer. Dropping the last handle closes it.
pub trait Connection: Send + Sync {
    /// The peer's identity, proven by the transport.
    fn peer(&self) -> String;

    /// What the bytes travel at this moment.
    fn path(&self) -> Path;

    /// The kind of [`Self::path`], which may cost less than all of it.
    fn path_kind(&self) -> PathKind {
        self.path().kind
    }

    /// How many bytes have come along this path so far, be they of streams that nobody reads any more: while it grows, the path
    /// is alive. `None` where the transport does not count.
    fn received(&self) -> Option<u64> {
        None
    }

    /// Opens a stream: names the protocol, sends one JSON value.
    ///
    /// # Errors
    /// `Closed`, `Protocol`.
    fn open<'a>(&'a self, protocol: &'a str, data: &'a str) -> BoxFuture<'a, Result<Stream>>;

    /// The next stream that the peer opened; `None` once the connection has ended.
    fn accept(&self) -> BoxFuture<'_, Option<Incoming>>;

    /// Comes back once the peer's transport has answered, which costs a round trip and a few bytes and disturbs nobody above
    /// it. On a path that swallows packets that is never: the caller bounds the wait. Cancel-safe.
    ///
    /// # Errors
    /// `Closed`, `Protocol`.
    fn ping(&self) -> BoxFuture<'_, Result<()>>;

    /// As [`Self::ping`], for a peer that owes something which does not come: with an answer that its transport wants to have
    /// acknowledged, so that it learns at once which of the packets before that were lost. May cost more.
    ///
    /// # Errors
    /// As [`Self::ping`].
    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        self.ping()
    }

    /// Ends when the connection has, with the reason in words.
    fn closed(&self) -> BoxFuture<'_, String>;

    /// Closes it at once.
    fn close(&self, reason: &str);
}

/// A stream that the peer opened.
pub struct Incoming {
    /// The protocol it named, at most 256 bytes.
    pub protocol: String,
    /// The JSON value it sent, at most 64 KiB, not yet parsed.
    pub data: String,
    /// The stream, to answer on.
    pub stream: Stream,
}

/// Both halves of a stream.
pub struct Stream {
    /// Towards the peer.
    pub send: Box<dyn SendStream>,
    /// From the peer.
    pub recv: Box<dyn RecvStream>,
}

/// The sending half. Dropping it without [`SendStream::finish`] aborts the stream.
pub trait SendStream: Send {
    /// Sends bytes, waiting for the peer's flow control. Does not copy where the transport can avoid it.
    ///
    /// # Errors
    /// `Closed` when the peer stopped reading or is gone.
    fn send(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<()>>;

    /// Says that nothing more comes. What was sent is still delivered.
    ///
    /// # Errors
    /// `Closed`.
    fn finish(&mut self) -> Result<()>;
}

/// The receiving half. Dropping it tells the peer to stop.
pub trait RecvStream: Send {
    /// The next bytes, at most `max` of them, in order; `None` once the peer has finished. Cancel-safe.
    ///
    /// # Errors
    /// `Closed` when the stream was aborted or the connection lost.
    fn recv(&mut self, max: usize) -> BoxFuture<'_, Result<Option<Bytes>>>;
}

/// What the bytes travel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Path {
    /// The kind of way.
    pub kind: PathKind,
    /// The remote address in text, empty in memory.
    pub remote: String,
    /// Round-trip time, smoothed: with what waits on the way.
    pub rtt: Option<Duration>,
    /// The least that was measured since the connection began: without what waits, or nearly.
    #[serde(default)]
    pub least_rtt: Option<Duration>,
    /// Packets lost of those sent since the connection began, 0 to 1.
    pub loss: Option<f64>,
}

/// The kind of way between two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathKind {
    /// The same process.
    Memory,
    /// The same machine.
    Loopback,
    /// A private network.
    Lan,
    /// Straight through the internet.
    Direct,
    /// Through a relay.
    Relayed,
    /// Not known yet.
    Unknown,
}

impl PathKind {
    /// The name to show to a person.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Loopback => "loopback",
            Self::Lan => "LAN",
            Self::Direct => "direct",
            Self::Relayed => "relayed",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for PathKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
