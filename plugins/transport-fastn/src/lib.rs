//! Peer-to-peer transport over iroh: QUIC between public keys, direct if possible, otherwise through a relay.
//!
//! It speaks the wire format of fastn-p2p: ALPN `/fastn/entity/0.1`, a handshake on the first stream of a
//! connection, and streams that open with lines of JSON. It also accepts peers of fastn v0.5, which send no
//! handshake.

mod congestion;
mod connection;
mod endpoint;
mod error;
mod handshake;
mod id52;
mod incoming_stream;
mod line_reader;
mod options;
mod path;
mod stream;
mod wire;

use std::sync::Arc;

use media_plugin_sdk::transport::{
    BindOptions, BoxFuture, Endpoint, Result, Transport, TransportInfo, TransportRegistration,
};

/// Re-exported for a benchmark that measures a bare iroh stream for comparison.
#[doc(hidden)]
pub use iroh;

/// The transport `fastn`. Its options are the table `[transport.fastn]` of the configuration.
#[derive(Debug, Default)]
pub struct FastnTransport;

inventory::submit! { TransportRegistration(|| Box::new(FastnTransport)) }

impl Transport for FastnTransport {
    fn info(&self) -> TransportInfo {
        TransportInfo {
            id: "fastn".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            description: "peer to peer over iroh (QUIC), with the wire format of fastn-p2p".into(),
        }
    }

    fn check_options(&self, options: &str) -> Result<()> {
        options::Options::parse(options).map(drop)
    }

    fn bind<'a>(&'a self, bind: &'a BindOptions) -> BoxFuture<'a, Result<Arc<dyn Endpoint>>> {
        Box::pin(async move {
            let endpoint: Arc<dyn Endpoint> = endpoint::FastnEndpoint::bind(bind).await?;
            Ok(endpoint)
        })
    }

    fn identity(&self, secret_key: &[u8; 32]) -> String {
        id52::encode(&iroh::SecretKey::from_bytes(secret_key).public())
    }
}
