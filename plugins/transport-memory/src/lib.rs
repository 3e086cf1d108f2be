//! Two nodes in one process: the same handshake and the same stream semantics as over a network, without one.
//!
//! Endpoints find each other by identity in a table of the process. No task runs in the background: a connection is a
//! pair of queues, and both ends move them along.

mod connection;
mod endpoint;
mod link;
mod stream;

use std::sync::Arc;

use media_plugin_sdk::transport::{
    Bind, BoxFuture, Endpoint, Result, Transport, TransportError, TransportInfo, TransportRegistration,
};

/// The transport `memory`.
#[derive(Debug, Default)]
pub struct MemoryTransport;

inventory::submit! { TransportRegistration(|| Box::new(MemoryTransport)) }

impl Transport for MemoryTransport {
    fn info(&self) -> TransportInfo {
        TransportInfo {
            id: "memory".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            description: "between two nodes in one process, for tests and the demo".into(),
        }
    }

    fn bind<'a>(&'a self, bind: &'a Bind) -> BoxFuture<'a, Result<Arc<dyn Endpoint>>> {
        Box::pin(async move {
            refuse_options(&bind.options)?;
            let endpoint: Arc<dyn Endpoint> =
                endpoint::bind(self.identity(&bind.secret_key), bind.admit.clone())?;
            Ok(endpoint)
        })
    }

    fn identity(&self, secret_key: &[u8; 32]) -> String {
        blake3::hash(secret_key).to_hex()[..32].to_owned()
    }
}

fn refuse_options(options: &str) -> Result<()> {
    if options.trim().is_empty() {
        return Ok(());
    }
    let table: serde_json::Map<String, serde_json::Value> = serde_json::from_str(options).map_err(|e| {
        TransportError::BadArgument(format!("transport memory: its options are not a JSON object: {e}"))
    })?;
    match table.keys().next() {
        None => Ok(()),
        Some(key) => Err(TransportError::BadArgument(format!(
            "transport memory: unknown option `{key}`; it takes no options"
        ))),
    }
}
