//! The serving half of a node: finds a person's tracks, encodes what peers ask for, and sends it.
//!
//! # Threads
//!
//! Sessions are async tasks, one for each connection and one for each request, and none of them touches the disk: opening
//! a track and searching the catalog run on the runtime's blocking threads, encoding on the [`ServerConfig::encoders`]
//! threads of its own. Those look on the
//! disk for a chunk of before as well, and one more thread writes there. A slow peer holds up its own streams only.
//!
//! # Bounds
//!
//! Peers, connections and requests for each peer, requests that wait for the disk, chunks that wait for an encoder, tracks that are open, and bytes of chunks that are kept
//! are each limited by a number in [`ServerConfig`] or by a named constant. A chunk that has left the cache lives on while an
//! answer with it is under way; how many bytes that makes is bounded for each peer and for all (`shares.rs`), and an answer
//! that nobody takes is given up.

mod accept;
mod catalog;
mod chunk_cache;
mod chunk_encoder;
mod lookups;
#[cfg(feature = "metrics")]
mod metrics;
mod negotiate;
mod session;
mod shares;
mod stats;

use std::{collections::BTreeMap, future::Future, sync::Arc};

use media_plugin_host::Registry;
use media_plugin_sdk::transport::{Admit, Endpoint};
use tokio::sync::{Semaphore, watch};

pub use accept::Access;
pub use catalog::{Catalog, CatalogError, Skipped};
pub use chunk_cache::{CacheStats, DiskCacheConfig, DiskStats};
pub use chunk_encoder::EncoderStats;
pub use stats::{ChunkBytes, Requests, ServerStats};

/// What a server may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Bytes of encoded chunks that are kept.
    pub cache: usize,
    /// Where chunks are kept for the next start; none by default.
    pub disk_cache: Option<DiskCacheConfig>,
    /// Threads that encode; 0 is one per core.
    pub encoders: usize,
    /// Peers connected at once; more are turned away as `server_full` and told when to ask again.
    pub max_peers: usize,
    /// Requests of one peer that are answered at once; more are refused as busy.
    pub max_requests_per_peer: usize,
    /// Chunks that are encoded ahead of the one asked for.
    pub encode_ahead: u32,
    /// The `[codec.ID]` tables of the configuration, each as one JSON object, by the codec's id.
    pub codec_options: BTreeMap<String, String>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            cache: 256 * 1024 * 1024,
            disk_cache: None,
            encoders: 0,
            max_peers: 512,
            max_requests_per_peer: 8,
            encode_ahead: 1,
            codec_options: BTreeMap::new(),
        }
    }
}

/// What the sessions of a server share.
struct Node {
    config: ServerConfig,
    registry: Arc<Registry>,
    catalog: Arc<Catalog>,
    encoder: chunk_encoder::ChunkEncoder,
    counters: stats::Counters,
    /// One permit for each peer that may still come in.
    places: Arc<Semaphore>,
    present: accept::Present,
    /// Of the bytes of chunks that are on their way.
    shares: Arc<shares::Shares>,
    lookups: lookups::Lookups,
    stopping: watch::Sender<bool>,
}

impl Node {
    fn stats(&self) -> ServerStats {
        let (encoder, cache, disk) = self.encoder.stats();
        let peers = self.config.max_peers.saturating_sub(self.places.available_permits());
        ServerStats {
            peers,
            encode_time: self.encoder.encode_time(),
            encoder,
            cache,
            disk,
            ..self.counters.snapshot()
        }
    }
}

/// A running server. Dropping it stops it.
pub struct Server {
    node: Arc<Node>,
}

impl Server {
    /// Starts the encoder threads. Nobody is served until [`Server::serve`]. The catalog may change while it is served.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn start(
        mut config: ServerConfig,
        registry: Arc<Registry>,
        catalog: impl Into<Arc<Catalog>>,
    ) -> std::io::Result<Self> {
        let catalog = catalog.into();
        let encoder = chunk_encoder::ChunkEncoder::start(
            config.encoders,
            config.cache,
            config.disk_cache.as_ref(),
            registry.clone(),
            catalog.clone(),
        )?;
        config.max_peers = config.max_peers.min(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(config.max_peers));
        let (counters, stopping) = (stats::Counters::default(), watch::Sender::new(false));
        let (present, lookups) = (accept::Present::default(), lookups::Lookups::new());
        let shares = Arc::default();
        let node =
            Node { config, registry, catalog, encoder, counters, places, present, shares, lookups, stopping };
        Ok(Self { node: Arc::new(node) })
    }

    /// Who may come in, for [`media_plugin_sdk::transport::Bind::admit`]: whom `access` lets in, while there is room.
    #[must_use]
    pub fn admit(&self, access: Access) -> Admit {
        accept::admit(access, self.node.places.clone())
    }

    /// Serves the peers that come in through `endpoint` until it is closed or the server is stopped, then closes it. May
    /// run for several endpoints at once. Needs a Tokio runtime.
    pub fn serve(&self, endpoint: Arc<dyn Endpoint>) -> impl Future<Output = ()> + Send + 'static {
        accept::serve(self.node.clone(), endpoint)
    }

    /// The tracks that it serves.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.node.catalog
    }

    /// What it did since it was started.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        self.node.stats()
    }

    /// Shows [`Server::stats`] in the text format of Prometheus at `http://ADDRESS/metrics`, until the server is stopped.
    /// Returns the address, in which port 0 has become a free one. Needs a Tokio runtime.
    ///
    /// # Errors
    /// When the address is not a loopback address, or can't be had.
    #[cfg(feature = "metrics")]
    pub async fn metrics(&self, address: std::net::SocketAddr) -> std::io::Result<std::net::SocketAddr> {
        let listener = metrics::bind(address).await?;
        let bound = listener.local_addr()?;
        tokio::spawn(metrics::serve(self.node.clone(), listener));
        Ok(bound)
    }

    /// Takes no more peers and requests, and closes the endpoints; [`Server::serve`] ends when that is done.
    pub fn stop(&self) {
        self.node.stopping.send_replace(true);
        self.node.encoder.stop();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
