//! The serving half of a node. It encodes the tracks of the library for peers and for this machine, and sends
//! them to peers.
//!
//! [`Service`] answers any caller. [`Server`] adds the connections of peers, and the metrics.
//!
//! # Threads
//!
//! Each connection has an async task for its session, and one for each of its requests. These tasks never
//! access the disk: opening a track and searching the catalog run on the runtime's blocking threads.
//! [`ServerConfig::encoders`] threads encode chunks and read the disk cache. One more thread writes the disk
//! cache. A slow peer delays only its own streams.
//!
//! # Bounds
//!
//! [`ServerConfig`] or a named constant limits each of these: connections, connections of a peer, requests of
//! a connection, requests that wait for the disk, chunks that wait for an encoder, open files, bytes of
//! cached chunks. A chunk that was evicted from the cache stays in memory while an answer sends it. `send_quota`
//! bounds the bytes being sent, for each caller and in all. A session abandons an answer that the peer does not
//! read.

mod caller;
mod chunk_cache;
mod chunk_encoder;
mod config;
mod counter;
mod disk_slots;
#[cfg(feature = "metrics")]
mod metrics;
mod negotiate;
mod openings;
mod peers;
mod send_quota;
mod service;
mod stats;

use std::{future::Future, sync::Arc};

use media_plugin_host::Registry;
use media_plugin_sdk::transport::{Admit, Endpoint};

use crate::library::Catalog;

pub use caller::Caller;
pub use chunk_cache::{CacheStats, DiskCacheConfig, DiskStats};
pub use chunk_encoder::EncoderStats;
pub use config::ServerConfig;
pub use peers::{Access, ConnectionStatus};
pub use service::{LocalLibrary, Service};
pub use stats::{ChunkBytes, Requests, ServerStats};

use peers::Peers;

/// A running server. Dropping it stops it.
pub struct Server {
    service: Arc<Service>,
    peers: Arc<Peers>,
}

impl Server {
    /// Starts the encoder threads. The server accepts no peers before [`Server::serve`]. The catalog may
    /// change while it is served.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn start(
        config: ServerConfig,
        registry: Arc<Registry>,
        catalog: impl Into<Arc<Catalog>>,
    ) -> std::io::Result<Self> {
        let service = Arc::new(Service::start(config, registry, catalog.into())?);
        let peers = Arc::new(Peers::new(Arc::clone(&service)));
        Ok(Self { service, peers })
    }

    /// Returns a function for [`media_plugin_sdk::transport::BindOptions::admit`]. It admits a peer if `access` does
    /// and the server has a free place.
    #[must_use]
    pub fn admit(&self, access: Access) -> Admit {
        self.peers.admit(access)
    }

    /// Serves the peers of `endpoint` until the endpoint is closed or the server stops. Then closes the endpoint.
    /// Can run for several endpoints at once, which share all limits. Needs a Tokio runtime.
    pub fn serve(&self, endpoint: Arc<dyn Endpoint>) -> impl Future<Output = ()> + Send + 'static {
        Arc::clone(&self.peers).serve(endpoint)
    }

    /// The served library, for callers other than peers.
    #[must_use]
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The served tracks.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        self.service.catalog()
    }

    /// The statistics since the start.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        stats(&self.service, &self.peers)
    }

    /// The connected peers, the longest connected first.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionStatus> {
        self.peers.connections()
    }

    /// Closes all connections with this reason. Players connect again.
    pub fn disconnect_all(&self, reason: &str) {
        self.peers.disconnect_all(reason);
    }

    /// Serves [`Server::stats`] in the text format of Prometheus at `http://ADDRESS/metrics`, until the
    /// server stops. Returns the bound address; port 0 becomes a free port. Needs a Tokio runtime.
    ///
    /// # Errors
    /// If the address is not a loopback address, or is in use.
    #[cfg(feature = "metrics")]
    pub async fn metrics(&self, address: std::net::SocketAddr) -> std::io::Result<std::net::SocketAddr> {
        let listener = metrics::bind(address).await?;
        let bound = listener.local_addr()?;
        let service = Arc::clone(&self.service);
        let peers = Arc::clone(&self.peers);
        let stopping = peers.stopping();
        tokio::spawn(metrics::serve(move || stats(&service, &peers), stopping, listener));
        Ok(bound)
    }

    /// Accepts no more peers and requests, and closes the endpoints. [`Server::serve`] then ends.
    pub fn stop(&self) {
        self.peers.stop();
        self.service.stop();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn stats(service: &Service, peers: &Peers) -> ServerStats {
    ServerStats { peers: peers.connected(), ..service.stats() }
}
