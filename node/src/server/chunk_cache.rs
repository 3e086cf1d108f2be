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

/// A chunk of what is on the disk. A track's id names a sample of its file, so that a change in the middle can leave it as it
/// is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ChunkKey {
    pub(super) request: ChunkRequest,
    /// When the file was written, by the catalog: [`super::catalog::Catalog::written`].
    pub(super) written: Option<u64>,
}

/// Keeps the chunks that were asked for last, as they go over the wire.
#[derive(Debug)]
pub(super) struct ChunkCache {
    /// With [`ChunkKey::written`] of each.
    chunks: LruCache<ChunkRequest, (Option<u64>, Bytes)>,
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

    /// The chunk of a file written then, when it is here. Counts a hit or a miss.
    pub(super) fn get(&mut self, request: &ChunkRequest, written: Option<u64>) -> Option<Bytes> {
        let held = self.chunks.get(request);
        let found = held.filter(|(of, _)| *of == written).map(|(_, chunk)| chunk.clone());
        match found {
            Some(_) => self.stats.hits += 1,
            None => self.stats.misses += 1,
        }
        found
    }

    /// Whether the chunk is here; neither counts nor makes it younger.
    pub(super) fn contains(&self, key: &ChunkKey) -> bool {
        self.chunks.peek(&key.request).is_some_and(|(written, _)| *written == key.written)
    }

    /// Keeps a chunk and drops the oldest to make room. One that is larger than the whole cache is not kept, and drops
    /// none.
    pub(super) fn insert(&mut self, key: ChunkKey, chunk: Bytes) {
        let cost = chunk.len() + Self::OVERHEAD;
        if cost > self.capacity {
            return;
        }
        if let Some((_, (_, replaced))) = self.chunks.push(key.request, (key.written, chunk)) {
            self.stats.bytes -= replaced.len() + Self::OVERHEAD;
        }
        self.stats.bytes += cost;
        while self.stats.bytes > self.capacity
            && let Some((_, (_, oldest))) = self.chunks.pop_lru()
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

    fn name(index: u32) -> ChunkKey {
        let rendition = "t.pcm.44100.2.s16".parse().unwrap();
        ChunkKey { request: ChunkRequest { rendition, index: ChunkIndex(index) }, written: Some(0) }
    }

    fn chunk(byte: u8) -> Bytes {
        Bytes::from(vec![byte; 1000])
    }

    #[test]
    fn the_least_recently_used_makes_room() {
        let mut cache = ChunkCache::new(2 * EACH);
        cache.insert(name(0), chunk(0));
        cache.insert(name(1), chunk(1));
        assert!(cache.get(&name(0).request, Some(0)).is_some());
        cache.insert(name(2), chunk(2));
        assert!(!cache.contains(&name(1)));
        assert_eq!(cache.get(&name(0).request, Some(0)), Some(chunk(0)));
        assert_eq!(cache.get(&name(1).request, Some(0)), None);
        let stats = CacheStats { hits: 2, misses: 1, evictions: 1, chunks: 2, bytes: 2 * EACH };
        assert_eq!(cache.stats(), stats);
    }

    #[test]
    fn a_chunk_of_the_file_as_it_was_is_none_of_the_file_as_it_is() {
        let mut cache = ChunkCache::new(2 * EACH);
        cache.insert(name(0), chunk(0));
        let now = ChunkKey { written: Some(1), ..name(0) };
        assert!(!cache.contains(&now));
        assert_eq!(cache.get(&now.request, Some(1)), None);
        assert_eq!(cache.get(&now.request, None), None);
        cache.insert(now, chunk(1));
        assert_eq!(cache.get(&name(0).request, Some(1)), Some(chunk(1)));
        assert_eq!(cache.stats(), CacheStats { hits: 1, misses: 2, evictions: 0, chunks: 1, bytes: EACH });
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
