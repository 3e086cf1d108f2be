//! The suite for transports, run against `fastn` on loopback.

use media_plugin_conformance::{transport::Subject, transport_suite};
use transport_fastn::FastnTransport;

const LOOPBACK: &str = r#"{"bind":["127.0.0.1:0"],"relay":"off","mdns":false,"connect_timeout_ms":2000}"#;

transport_suite!(Subject::new(FastnTransport, LOOPBACK));
