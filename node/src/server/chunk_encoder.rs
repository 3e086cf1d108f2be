//! Encoding of chunks on the encoder threads, with the caches. A chunk that several callers request is encoded once.

use std::{sync::Arc, thread, time::Duration};

use media_plugin_host::Registry;
use media_protocol::{ChunkRequest, WireError};

use self::{schedule::Schedule, worker::Worker};
use super::{
    caller::Caller,
    chunk_cache::{CacheStats, ChunkKey, DiskCache, DiskCacheConfig, DiskStats},
    counter::Counter,
};
use crate::library::Catalog;

mod encoded_chunk;
mod fair_queue;
mod passthrough_chunk;
mod progress;
mod schedule;
mod worker;

pub(super) use progress::ChunkStream;
pub use schedule::EncoderStats;

/// The encoder threads with their schedule and caches. Dropping it stops each thread after its present chunk.
pub(super) struct ChunkEncoder {
    worker: Arc<Worker>,
}

impl ChunkEncoder {
    /// Starts `threads` encoder threads (one per core for 0), a memory cache of `cache` bytes, and the cache
    /// on `disk`.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub(super) fn start(
        threads: usize,
        cache: usize,
        disk: Option<&DiskCacheConfig>,
        registry: Arc<Registry>,
        catalog: Arc<Catalog>,
    ) -> std::io::Result<Self> {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores() } else { threads };
        let disk = disk.map(|config| DiskCache::start(config, &registry)).transpose()?;
        let worker =
            Worker { registry, catalog, disk, schedule: Schedule::new(cache), busy: Counter::default() };
        let encoder = Self { worker: Arc::new(worker) };
        for number in 0..threads {
            let worker = Arc::clone(&encoder.worker);
            thread::Builder::new().name(format!("encode-{number}")).spawn(move || worker.run())?;
        }
        Ok(encoder)
    }

    /// Returns a reader of the chunk. The chunk comes from the cache, from an encoding in progress, or from one that
    /// begins at `caller`'s turn. A refusal of the request itself comes through the reader.
    ///
    /// # Errors
    /// `Busy` if too many chunks wait.
    pub(super) fn request(&self, caller: &Caller, request: &ChunkRequest) -> Result<ChunkStream, WireError> {
        self.worker.schedule.request(caller, request, self.worker.catalog.modified(&request.rendition.track))
    }

    /// True if the chunk is in the cache in memory.
    pub(super) fn is_cached(&self, request: &ChunkRequest) -> bool {
        self.worker.schedule.is_cached(request, self.worker.catalog.modified(&request.rendition.track))
    }

    /// Encodes a chunk that a client will probably request soon, once no requested chunk waits.
    pub(super) fn encode_ahead(&self, request: ChunkRequest) {
        self.worker.schedule.encode_ahead(self.key(request));
    }

    pub(super) fn stats(&self) -> (EncoderStats, CacheStats, DiskStats) {
        let (encoder, cache) = self.worker.schedule.stats();
        (encoder, cache, self.worker.disk.as_ref().map(DiskCache::stats).unwrap_or_default())
    }

    /// Time that the encoder threads spent on chunks, summed over all threads.
    pub(super) fn encode_time(&self) -> Duration {
        self.worker.busy_time()
    }

    /// Refuses the chunks that wait, and lets the threads end.
    pub(super) fn stop(&self) {
        self.worker.schedule.stop();
    }

    fn key(&self, request: ChunkRequest) -> ChunkKey {
        let modified = self.worker.catalog.modified(&request.rendition.track);
        ChunkKey { request, modified }
    }
}

impl Drop for ChunkEncoder {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests;
