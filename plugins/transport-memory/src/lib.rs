//! Transport between two nodes in one process, with the admission and stream semantics of a network
//! transport.
//!
//! A table of the process maps each identity to its bound endpoint. A connection is a pair of queues, which
//! the callers of both ends fill and empty; the transport runs no background task.

mod connection;
mod endpoint;
mod link;
mod stream;

use std::sync::Arc;

use media_plugin_sdk::transport::{
    BindOptions, BoxFuture, Endpoint, Result, Transport, TransportError, TransportInfo, TransportRegistration,
};

/// The transport `memory`. It takes no options.
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

    fn check_options(&self, options: &str) -> Result<()> {
        refuse_options(options)
    }

    fn bind<'a>(&'a self, bind: &'a BindOptions) -> BoxFuture<'a, Result<Arc<dyn Endpoint>>> {
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
        TransportError::BadArgument(format!(
            "transport memory: cannot parse its options as a JSON object: {e}"
        ))
    })?;
    match table.keys().next() {
        None => Ok(()),
        Some(key) => Err(TransportError::BadArgument(format!(
            "transport memory: unknown option `{key}`; this transport takes no options, remove it"
        ))),
    }
}
