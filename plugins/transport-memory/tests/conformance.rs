//! Conformance suite for transports, run against `memory`.

use media_plugin_conformance::{transport::Subject, transport_suite};
use transport_memory::MemoryTransport;

transport_suite!(Subject::new(MemoryTransport, ""));
