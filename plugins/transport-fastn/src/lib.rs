//! Peer to peer over iroh: QUIC with the peer's key as its name, direct where possible, relayed where not.
//!
//! On the wire it is fastn-p2p: ALPN `/fastn/entity/0.1`, a handshake on the first stream, and streams that open with
//! lines of JSON. Peers of fastn v0.5, which know no handshake, are understood too.

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
    Bind, BoxFuture, Endpoint, Result, Transport, TransportInfo, TransportRegistration,
};

/// What it is made of, for a benchmark that puts a bare stream beside it.
#[doc(hidden)]
pub use iroh;

/// The transport `fastn`.
#[derive(Debug, Default)]
pub struct FastnTransport;

inventory::submit! { TransportRegistration(|| Box::new(FastnTransport)) }

impl Transport for FastnTransport {
    fn info(&self) -> TransportInfo {
        TransportInfo {
            id: "fastn".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            description: "peer to peer over iroh (QUIC), on the fastn-p2p wire".into(),
        }
    }

    fn bind<'a>(&'a self, bind: &'a Bind) -> BoxFuture<'a, Result<Arc<dyn Endpoint>>> {
        Box::pin(async move {
            let endpoint: Arc<dyn Endpoint> = endpoint::bind(bind).await?;
            Ok(endpoint)
        })
    }

    fn identity(&self, secret_key: &[u8; 32]) -> String {
        id52::encode(&iroh::SecretKey::from_bytes(secret_key).public())
    }
}
