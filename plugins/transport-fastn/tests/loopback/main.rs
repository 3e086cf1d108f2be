//! Tests of the transport `fastn` on loopback: the conformance suite, the wire format byte for byte, and
//! fastn's own limits.

#[cfg(test)]
mod common;
#[cfg(test)]
mod endpoint;
#[cfg(test)]
mod handshake_limit;
#[cfg(test)]
mod wire;

use media_plugin_conformance::{transport::Subject, transport_suite};
use transport_fastn::FastnTransport;

const LOOPBACK: &str = r#"{"bind":["127.0.0.1:0"],"relay":"off","mdns":false,"connect_timeout_ms":2000}"#;

transport_suite!(Subject::new(FastnTransport, LOOPBACK));
