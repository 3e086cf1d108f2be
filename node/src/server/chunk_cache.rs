//! Caches of encoded chunks: in memory here, on disk in [`disk`].

use lru::LruCache;
use media_protocol::ChunkRequest;
use serde::Serialize;

mod cached_chunk;
mod disk;

pub(super) use cached_chunk::CachedChunk;
pub(super) use disk::{DiskCache, key::DiskKey};
pub use disk::{config::DiskCacheConfig, stats::DiskStats};

/// Contents of the memory cache, and its counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CacheStats {
    /// Requests answered from the cache.
    pub hits: u64,
    /// Requests not answered from the cache.
    pub misses: u64,
    /// Chunks removed to make room for others.
    pub evictions: u64,
    /// Chunks in the cache.
    pub chunks: usize,
    /// Bytes in the cache, with half a kilobyte of overhead for each chunk.
    pub bytes: usize,
}

/// A chunk of one version of a file. The request alone is not enough, since a track's id depends on some parts of
/// the file only, and a change of other parts leaves it as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ChunkKey {
    pub(super) request: ChunkRequest,
    /// The file's time of change, see [`crate::library::Catalog::modified`].
    pub(super) modified: Option<u64>,
}

/// In-memory LRU cache of encoded chunks as they go over the wire, bounded in bytes. Evicts bulk chunks
/// first while they exceed their reserved share, then costly ones.
#[derive(Debug)]
pub(super) struct ChunkCache {
    /// Chunks of lossy codecs.
    costly: LruPart,
    /// Chunks of lossless codecs and passthrough. They are ten times as large and take a tenth of the time to
    /// make. One listener requests hundreds of megabytes of them an hour. They have a reserved share of the
    /// capacity ([`ChunkCache::BULK_SHARE`]). If they take more, they are evicted before costly chunks.
    bulk: LruPart,
    capacity: usize,
    stats: CacheStats,
}

#[derive(Debug)]
struct LruPart {
    /// Each chunk with its [`ChunkKey::modified`].
    chunks: LruCache<ChunkRequest, (Option<u64>, CachedChunk)>,
    bytes: usize,
}

impl LruPart {
    fn new() -> Self {
        Self { chunks: LruCache::unbounded(), bytes: 0 }
    }

    fn put(&mut self, key: ChunkKey, chunk: CachedChunk) {
        self.bytes += chunk.bytes.len() + ChunkCache::OVERHEAD;
        if let Some((_, (_, replaced))) = self.chunks.push(key.request, (key.modified, chunk)) {
            self.bytes -= replaced.bytes.len() + ChunkCache::OVERHEAD;
        }
    }

    /// Removes the least recently used chunk. Returns true if there was one.
    fn evict(&mut self) -> bool {
        let oldest = self.chunks.pop_lru();
        self.bytes -= oldest.as_ref().map_or(0, |(_, (_, chunk))| chunk.bytes.len() + ChunkCache::OVERHEAD);
        oldest.is_some()
    }
}

impl ChunkCache {
    /// Estimated overhead of a chunk, in bytes: its key, twice, and the links of the list.
    pub(super) const OVERHEAD: usize = 512;
    /// Divisor of the capacity that gives the part reserved for bulk chunks. Tested by
    /// `bulk_chunks_are_evicted_first`.
    const BULK_SHARE: usize = 4;

    /// An empty cache with a capacity in bytes; 0 turns it off.
    pub(super) fn new(capacity: usize) -> Self {
        Self { costly: LruPart::new(), bulk: LruPart::new(), capacity, stats: CacheStats::default() }
    }

    /// True if the cache is turned off.
    pub(super) fn is_off(&self) -> bool {
        self.capacity == 0
    }

    /// Returns the chunk of a file with this time of change, and marks it as used. Counts a hit or a miss. Takes the parts of
    /// the key by reference, so that a hit allocates nothing.
    pub(super) fn get(&mut self, request: &ChunkRequest, modified: Option<u64>) -> Option<CachedChunk> {
        let cached = self.costly.chunks.get(request).or_else(|| self.bulk.chunks.get(request));
        let found = cached.filter(|(cached, _)| *cached == modified).map(|(_, chunk)| chunk.clone());
        match found {
            Some(_) => self.stats.hits += 1,
            None => self.stats.misses += 1,
        }
        found
    }

    /// True if the chunk is in the cache. Does not mark it as used, and counts neither a hit nor a miss.
    pub(super) fn contains(&self, request: &ChunkRequest, modified: Option<u64>) -> bool {
        let cached = self.costly.chunks.peek(request).or_else(|| self.bulk.chunks.peek(request));
        cached.is_some_and(|(cached, _)| *cached == modified)
    }

    /// Adds a chunk and evicts the oldest to make room: bulk chunks while they exceed their reserved part,
    /// then costly ones. A chunk larger than the whole cache is not added and evicts nothing.
    pub(super) fn insert(&mut self, key: ChunkKey, chunk: CachedChunk, is_costly: bool) {
        if chunk.bytes.len() + Self::OVERHEAD > self.capacity {
            return;
        }
        if is_costly { &mut self.costly } else { &mut self.bulk }.put(key, chunk);
        while self.costly.bytes + self.bulk.bytes > self.capacity {
            let bulk_exceeds = self.bulk.bytes > self.capacity / Self::BULK_SHARE;
            if !(bulk_exceeds && self.bulk.evict() || self.costly.evict()) {
                break;
            }
            self.stats.evictions += 1;
        }
    }

    pub(super) fn stats(&self) -> CacheStats {
        let chunks = self.costly.chunks.len() + self.bulk.chunks.len();
        CacheStats { chunks, bytes: self.costly.bytes + self.bulk.bytes, ..self.stats }
    }
}

#[cfg(test)]
mod tests {
    use media_protocol::ChunkIndex;

    use super::*;

    /// Size of each chunk with its overhead.
    const EACH: usize = 1512;

    fn key(index: u32) -> ChunkKey {
        let rendition = "t.pcm.44100.2.s16".parse().unwrap();
        ChunkKey { request: ChunkRequest { rendition, index: ChunkIndex(index) }, modified: Some(0) }
    }

    fn chunk(byte: u8) -> CachedChunk {
        CachedChunk { bytes: vec![byte; 1000].into(), silenced: byte.into() }
    }

    fn get(cache: &mut ChunkCache, key: &ChunkKey) -> Option<CachedChunk> {
        cache.get(&key.request, key.modified)
    }

    fn contains(cache: &ChunkCache, key: &ChunkKey) -> bool {
        cache.contains(&key.request, key.modified)
    }

    #[test]
    fn the_least_recently_used_makes_room() {
        let mut cache = ChunkCache::new(2 * EACH);
        cache.insert(key(0), chunk(0), true);
        cache.insert(key(1), chunk(1), true);
        assert!(get(&mut cache, &key(0)).is_some());
        cache.insert(key(2), chunk(2), true);
        assert!(!contains(&cache, &key(1)));
        assert_eq!(get(&mut cache, &key(0)), Some(chunk(0)));
        assert_eq!(get(&mut cache, &key(1)), None);
        let stats = CacheStats { hits: 2, misses: 1, evictions: 1, chunks: 2, bytes: 2 * EACH };
        assert_eq!(cache.stats(), stats);
    }

    #[test]
    fn a_chunk_of_the_file_as_it_was_is_none_of_the_file_as_it_is() {
        let mut cache = ChunkCache::new(2 * EACH);
        cache.insert(key(0), chunk(0), true);
        let now = ChunkKey { modified: Some(1), ..key(0) };
        assert!(!contains(&cache, &now));
        assert_eq!(get(&mut cache, &now), None);
        assert_eq!(get(&mut cache, &ChunkKey { modified: None, ..key(0) }), None);
        cache.insert(now.clone(), chunk(1), true);
        assert_eq!(get(&mut cache, &now), Some(chunk(1)));
        assert_eq!(cache.stats(), CacheStats { hits: 1, misses: 2, evictions: 0, chunks: 1, bytes: EACH });
    }

    #[test]
    fn a_chunk_larger_than_the_cache_leaves_the_others() {
        let mut cache = ChunkCache::new(EACH);
        cache.insert(key(0), chunk(0), true);
        let larger = CachedChunk { bytes: vec![0; 1001].into(), silenced: 0 };
        cache.insert(key(1), larger, true);
        assert!(contains(&cache, &key(0)) && !contains(&cache, &key(1)));
        assert_eq!(cache.stats().evictions, 0);
    }

    #[test]
    fn bulk_chunks_are_evicted_first() {
        let mut cache = ChunkCache::new(8 * EACH);
        // Bulk chunks may fill a cache without others.
        (0..9).for_each(|index| cache.insert(key(index), chunk(0), false));
        assert_eq!((cache.stats().chunks, cache.stats().evictions), (8, 1));
        (100..106).for_each(|index| cache.insert(key(index), chunk(0), true));
        (10..99).for_each(|index| cache.insert(key(index), chunk(0), false));
        assert!((100..106).all(|index| contains(&cache, &key(index))));
        assert!(contains(&cache, &key(97)) && contains(&cache, &key(98)));
        assert_eq!(cache.stats().bytes, 8 * EACH);
        // A quarter is reserved for bulk chunks.
        (106..120).for_each(|index| cache.insert(key(index), chunk(0), true));
        assert!(contains(&cache, &key(98)) && !contains(&cache, &key(113)) && contains(&cache, &key(114)));
        assert_eq!(cache.stats().bytes, 8 * EACH);
    }

    #[test]
    fn the_same_chunk_again_counts_once() {
        let mut cache = ChunkCache::new(2 * EACH);
        cache.insert(key(0), chunk(0), true);
        cache.insert(key(0), chunk(0), true);
        assert_eq!(cache.stats().bytes, EACH);
    }
}
