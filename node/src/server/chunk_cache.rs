//! The chunks that were encoded lately, bounded in bytes; those of before are in [`disk`].

mod disk;

use bytes::Bytes;
use lru::LruCache;
use media_protocol::ChunkRequest;
use serde::Serialize;

pub(super) use disk::{DiskCache, Name};
pub use disk::{DiskCacheConfig, DiskStats};

/// What the cache holds and did since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CacheStats {
    /// Requests that were answered from the cache.
    pub hits: u64,
    /// Requests that were not.
    pub misses: u64,
    /// Chunks that made room for others.
    pub evictions: u64,
    /// Chunks held.
    pub chunks: usize,
    /// Bytes held, half a kilobyte for the keeping of each chunk included.
    pub bytes: usize,
}

/// Keeps the chunks that were asked for last, as they go over the wire.
#[derive(Debug)]
pub(super) struct ChunkCache {
    chunks: LruCache<ChunkRequest, Bytes>,
    capacity: usize,
    stats: CacheStats,
}

impl ChunkCache {
    /// What a chunk is counted for beside its own bytes: its name, twice, and the links between entries.
    pub(super) const OVERHEAD: usize = 512;

    /// An empty cache of `capacity` bytes; 0 keeps nothing.
    pub(super) fn new(capacity: usize) -> Self {
        Self { chunks: LruCache::unbounded(), capacity, stats: CacheStats::default() }
    }

    /// Whether it keeps nothing.
    pub(super) fn is_off(&self) -> bool {
        self.capacity == 0
    }

    /// The chunk, when it is here. Counts a hit or a miss.
    pub(super) fn get(&mut self, request: &ChunkRequest) -> Option<Bytes> {
        let found = self.chunks.get(request).cloned();
        match found {
            Some(_) => self.stats.hits += 1,
            None => self.stats.misses += 1,
        }
        found
    }

    /// Whether the chunk is here; neither counts nor makes it younger.
    pub(super) fn contains(&self, request: &ChunkRequest) -> bool {
        self.chunks.contains(request)
    }

    /// Keeps a chunk and drops the oldest to make room. One that is larger than the whole cache is not kept, and drops
    /// none.
    pub(super) fn insert(&mut self, request: ChunkRequest, chunk: Bytes) {
        let cost = chunk.len() + Self::OVERHEAD;
        if cost > self.capacity {
            return;
        }
        if let Some((_, replaced)) = self.chunks.push(request, chunk) {
            self.stats.bytes -= replaced.len() + Self::OVERHEAD;
        }
        self.stats.bytes += cost;
        while self.stats.bytes > self.capacity
            && let Some((_, oldest)) = self.chunks.pop_lru()
        {
            self.stats.bytes -= oldest.len() + Self::OVERHEAD;
            self.stats.evictions += 1;
        }
    }

    pub(super) fn stats(&self) -> CacheStats {
        CacheStats { chunks: self.chunks.len(), ..self.stats }
    }
}

#[cfg(test)]
mod tests {
    use media_protocol::ChunkIndex;

    use super::*;

    const EACH: usize = 1000 + ChunkCache::OVERHEAD;

    fn name(index: u32) -> ChunkRequest {
        ChunkRequest { rendition: "t.pcm.44100.2.s16".parse().unwrap(), index: ChunkIndex(index) }
    }

    fn chunk(byte: u8) -> Bytes {
        Bytes::from(vec![byte; 1000])
    }

    #[test]
    fn the_least_recently_used_makes_room() {
        let mut cache = ChunkCache::new(2 * EACH);
        cache.insert(name(0), chunk(0));
        cache.insert(name(1), chunk(1));
        assert!(cache.get(&name(0)).is_some());
        cache.insert(name(2), chunk(2));
        assert!(!cache.contains(&name(1)));
        assert_eq!(cache.get(&name(0)), Some(chunk(0)));
        assert_eq!(cache.get(&name(1)), None);
        let stats = CacheStats { hits: 2, misses: 1, evictions: 1, chunks: 2, bytes: 2 * EACH };
        assert_eq!(cache.stats(), stats);
    }

    #[test]
    fn a_chunk_larger_than_the_cache_leaves_the_others() {
        let mut cache = ChunkCache::new(EACH);
        cache.insert(name(0), chunk(0));
        cache.insert(name(1), Bytes::from(vec![0; 1001]));
        assert!(cache.contains(&name(0)) && !cache.contains(&name(1)));
        assert_eq!(cache.stats().evictions, 0);
    }

    #[test]
    fn the_same_chunk_again_counts_once() {
        let mut cache = ChunkCache::new(2 * EACH);
        cache.insert(name(0), chunk(0));
        cache.insert(name(0), chunk(0));
        assert_eq!(cache.stats().bytes, EACH);
    }
}
