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
mod local_network;
mod options;
mod path;
mod stream;
mod wire;

use std::{sync::Arc, time::Duration};

use media_plugin_sdk::transport::{
    BindOptions, BoxFuture, Endpoint, LanNode, Result, Transport, TransportInfo, TransportRegistration,
};

use crate::options::Options;

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
        Options::parse(options).map(drop)
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

    fn sign(&self, secret_key: &[u8; 32], message: &[u8]) -> Option<String> {
        let signature = iroh::SecretKey::from_bytes(secret_key).sign(message);
        Some(data_encoding::HEXLOWER.encode(&signature.to_bytes()))
    }

    fn verify(&self, identity: &str, message: &[u8], signature: &str) -> bool {
        let signature = data_encoding::HEXLOWER.decode(signature.as_bytes()).ok();
        let signature = signature.and_then(|bytes| iroh::Signature::try_from(bytes.as_slice()).ok());
        match (id52::decode(identity), signature) {
            (Ok(id), Some(signature)) => id.verify(message, &signature).is_ok(),
            _ => false,
        }
    }

    fn discover<'a>(&'a self, options: &'a str, time: Duration) -> BoxFuture<'a, Result<Vec<LanNode>>> {
        Box::pin(async move { local_network::discover(&Options::parse(options)?, time).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_one_identity_and_one_message() {
        let transport = FastnTransport;
        let id = transport.identity(&[1; 32]);
        let signature = transport.sign(&[1; 32], b"message").unwrap();
        assert!(signature.bytes().all(|byte| byte.is_ascii_graphic()));
        assert!(transport.verify(&id, b"message", &signature));
        assert!(!transport.verify(&id, b"Message", &signature));
        assert!(!transport.verify(&transport.identity(&[2; 32]), b"message", &signature));
        for text in ["", "0", &signature[1..], &"0".repeat(128), "\u{fc}"] {
            assert!(
                !transport.verify(&id, b"message", text) && !transport.verify(text, b"message", &signature)
            );
        }
    }
}
