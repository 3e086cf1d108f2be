//! Traits of a transport, which connects two nodes.
//!
//! Transports are always linked into the node: two shared libraries cannot share one async runtime.
//!
//! A connection carries streams, and either side opens them. The side that opens a stream names a protocol
//! and sends one JSON value. Bytes follow in both directions until each side finishes. The transport does not
//! interpret them.
//!
//! # Threads
//!
//! All futures run on the node's tokio runtime. [`Transport`], [`Endpoint`] and [`Connection`] are shared by
//! tasks; each half of a [`Stream`] belongs to one task. No method blocks its thread.

use std::{any::Any, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Boxed future. It lets the traits of this module be used as objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Result of a transport call.
pub type Result<T> = std::result::Result<T, TransportError>;

/// Error of a transport. Each message is one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// An option, address or key is wrong. The message names the permitted values.
    #[error("{0}")]
    BadArgument(String),
    /// The local endpoint cannot be bound: the port is in use, or the interface does not exist.
    #[error("{0}")]
    Bind(String),
    /// The peer cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// The peer refused this node.
    #[error("the node turned this client away: {0}")]
    Refused(Refusal),
    /// The peer admits this node, but has no free slot.
    #[error("the node is full; try again in {} s", .retry_after.as_secs_f32())]
    Full {
        /// Time after which to try again.
        retry_after: Duration,
    },
    /// The connection or stream ended: closed by the peer, timed out, or lost.
    #[error("{0}")]
    Closed(String),
    /// One side broke the protocol or a limit.
    #[error("{0}")]
    Protocol(String),
}

impl TransportError {
    /// Refusal code of a peer without a free slot.
    pub const FULL: &'static str = "server_full";
    /// Retry delay for a full peer that names none. A slot becomes free when another peer leaves, and each
    /// attempt costs the full peer a handshake.
    pub const FULL_RETRY: Duration = Duration::from_secs(5);
    /// Longest retry delay that a peer can impose. Tested by `a_full_peer_cannot_keep_a_client_away_for_long`.
    const MAX_RETRY: Duration = Duration::from_secs(60);

    /// Returns the error for a refusal: `Full` for the code [`Self::FULL`], with the peer's retry delay,
    /// otherwise `Refused`.
    #[must_use]
    pub fn refused(refusal: impl Into<Refusal>, retry_after: Option<Duration>) -> Self {
        let refusal = refusal.into();
        if refusal.code != Self::FULL {
            return Self::Refused(refusal);
        }
        Self::Full { retry_after: retry_after.unwrap_or(Self::FULL_RETRY).min(Self::MAX_RETRY) }
    }
}

/// Refusal of a peer, as its handshake carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Code from which a client decides how to continue: `unauthorized`, `invalid_token`, `server_full`, …
    pub code: String,
    /// One line for a person; empty if there is nothing to add to the code.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.reason.is_empty() { &self.code } else { &self.reason })
    }
}

/// A refusal by its code alone.
impl From<&str> for Refusal {
    fn from(code: &str) -> Self {
        Self { code: code.into(), reason: String::new() }
    }
}

/// Admission of a peer.
#[derive(Clone, Default)]
pub struct Admission {
    /// Data of the node about this peer. [`Connection::grant`] returns it at the accepting side.
    pub grant: Option<Arc<dyn Any + Send + Sync>>,
    /// Facts that the handshake tells the peer.
    pub welcome: Welcome,
}

/// Facts that an accepting node tells a peer in the handshake. A node of version 0.1 sends none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Welcome {
    /// Names of the node's features beyond version 0.1.
    pub features: Vec<String>,
    /// Names of the peer's rights.
    pub rights: Vec<String>,
    /// Token that the peer must use from now on. A secret.
    pub auth_token: Option<String>,
    /// Version of the node's program. The transport fills it at the dialling side.
    pub version: String,
}

impl Welcome {
    /// Greatest number of features, and of rights, that a client reads.
    pub const MAX_NAMES: usize = 64;
    /// Greatest length of each name, and of the token, in bytes.
    pub const MAX_NAME: usize = 64;

    /// Drops names and a token over the limits, or with other characters than printable ASCII.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        let is_name = |name: &String| {
            (1..=Self::MAX_NAME).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic())
        };
        for names in [&mut self.features, &mut self.rights] {
            names.retain(is_name);
            names.truncate(Self::MAX_NAMES);
        }
        self.auth_token = self.auth_token.filter(is_name);
        if !is_name(&self.version) {
            self.version.clear();
        }
        self
    }
}

/// Hides the token, which is a secret.
impl fmt::Debug for Welcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { features, rights, auth_token: _, version } = self;
        let mut shown = f.debug_struct("Welcome");
        shown
            .field("features", features)
            .field("rights", rights)
            .field("version", version)
            .finish_non_exhaustive()
    }
}

/// Identity and addresses of a peer. The identity is authenticated; the addresses are hints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerAddress {
    /// Identity in the transport's own text form, such as an ID52.
    pub id: String,
    /// Addresses to try: `ip:port`, or the URL of a relay. A transport skips addresses of other kinds.
    pub addresses: Vec<String>,
}

/// A node that announces itself on the local network. Anybody there can announce anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanNode {
    /// Name of the node.
    pub name: String,
    /// Its identity and addresses. Only a connection shows that the node has this identity.
    pub address: PeerAddress,
}

/// Settings of an endpoint.
#[derive(Clone)]
pub struct BindOptions {
    /// Secret key of the node, from which its identity follows.
    pub secret_key: [u8; 32],
    /// The table `[transport.ID]` of the configuration as one JSON object, empty if there is no such table.
    pub options: String,
    /// Name of this program in a handshake.
    pub name: String,
    /// Version of this program in a handshake.
    pub version: String,
    /// Protocols that the node serves or requests, by their names on the wire.
    pub protocols: Vec<String>,
    /// Admission rule for peers. A node that only dials passes [`refuse_all`].
    pub admit: Admit,
}

impl fmt::Debug for BindOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BindOptions")
            .field("options", &self.options)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Admission rule. Its arguments are a peer's identity, authenticated by the transport, and the token of its
/// handshake.
///
/// Runs on the async runtime for each handshake, so it must not block.
pub type Admit = Arc<dyn Fn(&str, Option<&str>) -> std::result::Result<Admission, Refusal> + Send + Sync>;

/// Returns an admission rule that refuses every peer.
#[must_use]
pub fn refuse_all() -> Admit {
    Arc::new(|_, _| Err("unauthorized".into()))
}

/// Registration of a transport. `inventory::submit! { TransportRegistration(|| Box::new(MyTransport)) }` adds
/// it to the node that links the crate.
pub struct TransportRegistration(
    /// Creates the plugin object. Called once per process.
    pub fn() -> Box<dyn Transport>,
);
inventory::collect!(TransportRegistration);

/// Description of a transport.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportInfo {
    /// Id in the configuration, in tickets and on the command line: 1 to 32 characters of `[a-z0-9-]`.
    pub id: String,
    /// Version of the plugin, for people to read.
    pub version: String,
    /// One line for `plugins list`.
    pub description: String,
}

/// A kind of transport. One object serves the whole process, and any thread may call it.
pub trait Transport: Send + Sync {
    /// Describes the transport. Always returns the same values.
    fn info(&self) -> TransportInfo;

    /// Checks options without binding anything. `options` is that of [`BindOptions::options`]. The default accepts any options, and
    /// [`Transport::bind`] refuses wrong ones.
    ///
    /// # Errors
    /// `BadArgument` names the wrong option and the permitted values.
    fn check_options(&self, options: &str) -> Result<()> {
        let _ = options;
        Ok(())
    }

    /// Creates a local endpoint. All connections of a node share one.
    ///
    /// # Errors
    /// `BadArgument` names the wrong option. `Bind` names the address and the reason.
    fn bind<'a>(&'a self, bind: &'a BindOptions) -> BoxFuture<'a, Result<Arc<dyn Endpoint>>>;

    /// Returns the identity of a secret key, in this transport's text form.
    fn identity(&self, secret_key: &[u8; 32]) -> String;

    /// Signs a message with a secret key. Returns ASCII text without spaces; `None` if the transport's
    /// identities cannot sign.
    fn sign(&self, secret_key: &[u8; 32], message: &[u8]) -> Option<String> {
        let _ = (secret_key, message);
        None
    }

    /// Returns whether [`Transport::sign`] made the signature with the secret key of this identity. Takes any
    /// text.
    fn verify(&self, identity: &str, message: &[u8], signature: &str) -> bool {
        let _ = (identity, message, signature);
        false
    }

    /// Listens for this time for named nodes that announce themselves on the local network, and announces
    /// nothing. `options` are those of [`BindOptions::options`]. Returns a bounded number of nodes, and none if
    /// the options turn announcements off.
    ///
    /// # Errors
    /// `BadArgument`, `Bind`.
    fn discover<'a>(&'a self, options: &'a str, time: Duration) -> BoxFuture<'a, Result<Vec<LanNode>>> {
        let _ = (options, time);
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// Local endpoint of a node. Shared by tasks: any of them may call it, several at the same time.
pub trait Endpoint: Send + Sync {
    /// Returns this node's identity and its present addresses.
    fn address(&self) -> PeerAddress;

    /// Connects to a peer, including the handshake. May return a live connection to the same peer again.
    ///
    /// Cancel-safe. Fails after the transport's configured timeout (10 s by default).
    ///
    /// # Errors
    /// `BadArgument` if the peer's identity is malformed, `Unreachable`, `Refused`, `Full`, `Protocol`,
    /// `Closed`.
    fn connect<'a>(
        &'a self,
        peer: &'a PeerAddress,
        token: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>>;

    /// As [`Endpoint::connect`], but always makes a new connection, because an existing one seems dead. Does
    /// not close that one. The default implementation is for a transport whose `connect` always makes a new
    /// connection.
    ///
    /// # Errors
    /// As [`Endpoint::connect`].
    fn connect_new<'a>(
        &'a self,
        peer: &'a PeerAddress,
        token: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        self.connect(peer, token)
    }

    /// Announces this node under a name on the local network, if the options permit announcements. Before, the
    /// endpoint announces no name. A long name is cut.
    fn announce(&self, name: &str) {
        let _ = name;
    }

    /// Waits for the next admitted peer. Returns `None` once the endpoint is closed. Cancel-safe.
    ///
    /// Handshakes run in parallel, so a slow peer delays no other.
    fn accept(&self) -> BoxFuture<'_, Option<Arc<dyn Connection>>>;

    /// Closes all connections and notifies the peers. Waits up to a second for that.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// A connection to one peer. Shared by tasks: any of them may call it, several at the same time. Dropping the
/// last handle closes it.
pub trait Connection: Send + Sync {
    /// Returns the peer's identity, authenticated by the transport.
    fn peer(&self) -> String;

    /// Returns [`Admission::grant`] of an accepted connection. `None` for a dialled one.
    fn grant(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }

    /// Returns the facts that the peer told in the handshake of a dialled connection, within the limits of
    /// [`Welcome::bounded`]. Empty for an accepted one.
    fn welcome(&self) -> Welcome {
        Welcome::default()
    }

    /// Describes the network path in use at this moment.
    fn path(&self) -> Path;

    /// Returns the kind of [`Self::path`], at less cost than the whole description.
    fn path_kind(&self) -> PathKind {
        self.path().kind
    }

    /// Returns the number of bytes received on the present path, those of abandoned streams included. A
    /// growing number shows that the path is alive. `None` if the transport does not count.
    fn received(&self) -> Option<u64> {
        None
    }

    /// Opens a stream and sends its request: the name of a protocol, 1 to 256 bytes, and one JSON value, 64
    /// KiB at most with the name. Waits while the peer's limit of open streams is reached.
    ///
    /// # Errors
    /// `Protocol` if the request is not valid JSON or too long, `Closed`.
    fn open<'a>(&'a self, protocol: &'a str, data: &'a str) -> BoxFuture<'a, Result<Stream>>;

    /// Waits for the next stream that the peer opens. Returns `None` once the connection has ended.
    /// Cancel-safe.
    fn accept(&self) -> BoxFuture<'_, Option<Incoming>>;

    /// Waits for an answer of the peer's transport. Costs a round trip and a few bytes, and reaches no code
    /// above the peer's transport. On a dead path it waits until the connection times out, so the caller sets
    /// a shorter timeout. Cancel-safe.
    ///
    /// # Errors
    /// `Closed`, `Protocol`.
    fn ping(&self) -> BoxFuture<'_, Result<()>>;

    /// As [`Self::ping`], but the peer's answer is a packet that has to be acknowledged. The acknowledgement
    /// shows the peer at once which of its earlier packets were lost, so this speeds up a stalled response.
    /// May cost more than a ping.
    ///
    /// # Errors
    /// As [`Self::ping`].
    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        self.ping()
    }

    /// Waits until the connection has ended. Returns the reason as text.
    fn closed(&self) -> BoxFuture<'_, String>;

    /// Closes the connection at once. The peer sees `reason`.
    fn close(&self, reason: &str);
}

/// A stream that the peer opened, with its request.
pub struct Incoming {
    /// Name of the protocol, 256 bytes at most.
    pub protocol: String,
    /// Text of one JSON value, 64 KiB at most.
    pub data: String,
    /// Stream for the response.
    pub stream: Stream,
}

/// Both halves of a stream. Each belongs to one task at a time.
pub struct Stream {
    /// Half towards the peer.
    pub send: Box<dyn SendStream>,
    /// Half from the peer.
    pub recv: Box<dyn RecvStream>,
}

/// Sending half of a stream. Dropping it without [`SendStream::finish`] aborts the stream.
pub trait SendStream: Send {
    /// Sends bytes. Waits while the peer's receive buffer is full. Avoids a copy if the transport can.
    ///
    /// # Errors
    /// `Closed` if the peer stopped reading, or the stream or connection ended.
    fn send(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<()>>;

    /// Ends the stream. The peer still receives all bytes sent before.
    ///
    /// # Errors
    /// `Closed` if the stream is already finished or the connection ended.
    fn finish(&mut self) -> Result<()>;
}

/// Receiving half of a stream. Dropping it asks the peer to stop sending.
pub trait RecvStream: Send {
    /// Returns the next bytes in order, `max` at most, or `None` once the peer has finished. Cancel-safe.
    ///
    /// # Errors
    /// `Closed` if the peer aborted the stream or the connection ended. `Protocol` if the peer refused the
    /// request.
    fn recv(&mut self, max: usize) -> BoxFuture<'_, Result<Option<Bytes>>>;
}

/// Network path of a connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Path {
    /// Kind of the path.
    pub kind: PathKind,
    /// Remote address as text, empty in memory.
    pub remote: String,
    /// Smoothed round-trip time, queues on the path included.
    pub rtt: Option<Duration>,
    /// Least round-trip time since the connection began, which is nearly free of queues.
    #[serde(default)]
    pub min_rtt: Option<Duration>,
    /// Share of sent packets lost since the connection began, 0 to 1.
    pub loss: Option<f64>,
}

/// Kind of a network path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathKind {
    /// Within one process.
    Memory,
    /// Within one machine.
    Loopback,
    /// Over a private network.
    Lan,
    /// Over the internet without a relay.
    Direct,
    /// Through a relay.
    Relayed,
    /// Not known, or not known yet.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_peer_cannot_keep_a_client_away_for_long() {
        let full = |retry_after| TransportError::refused("server_full", retry_after);
        let after = |seconds| TransportError::Full { retry_after: Duration::from_secs(seconds) };
        assert_eq!(full(None), after(5));
        assert_eq!(full(Some(Duration::from_secs(60))), after(60));
        assert_eq!(full(Some(Duration::MAX)), after(60));
        let refused = TransportError::refused("unauthorized", Some(Duration::MAX));
        assert_eq!(refused, TransportError::Refused("unauthorized".into()));
    }

    #[test]
    fn names_and_tokens_over_a_limit_are_dropped() {
        let longest = "a".repeat(64);
        let names = || ["listen".into(), String::new(), "a b".into(), "\u{e9}".into(), longest.clone() + "a"];
        let welcome = |token: &str| Welcome {
            features: vec![longest.clone(); 100],
            rights: names().into(),
            auth_token: Some(token.into()),
            version: "0.1\u{1b}".into(),
        };
        let bounded = welcome(&longest).bounded();
        assert_eq!((bounded.features.len(), bounded.rights), (64, vec!["listen".to_owned()]));
        assert_eq!(bounded.version, "");
        assert_eq!(bounded.auth_token, Some(longest.clone()));
        assert_eq!(welcome("a\nb").bounded().auth_token, None);
        assert!(!format!("{:?}", welcome("secret")).contains("secret"));
    }
}
