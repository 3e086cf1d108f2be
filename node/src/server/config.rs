use std::collections::BTreeMap;

use super::chunk_cache::DiskCacheConfig;

/// Limits and options of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Capacity of the in-memory cache of encoded chunks, in bytes.
    pub cache: usize,
    /// Folder and capacity of the cache on disk; none by default.
    pub disk_cache: Option<DiskCacheConfig>,
    /// Number of encoder threads; 0 means one per core.
    pub encoders: usize,
    /// Greatest number of connections at once. The server turns further peers away as `server_full`, with a time
    /// after which they may retry.
    pub max_peers: usize,
    /// Greatest number of requests at once over one connection. The server refuses more as busy.
    pub max_requests_per_peer: usize,
    /// Number of chunks that are encoded ahead of a requested one.
    pub encode_ahead: u32,
    /// The `[codec.ID]` tables of the configuration by codec id, each as a JSON object.
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
