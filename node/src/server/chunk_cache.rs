//! The chunks that were made lately, bounded in bytes; those of before are in [`disk`]. What costs nothing to make gives way
//! to what does.

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
    /// What a lossy codec encoded.
    dear: Shelf,
    /// PCM and the like, ten times as large and made in a tenth of the time, and what passes through as it is. One listener
    /// brings hundreds of megabytes of it within the hour, so only [`ChunkCache::CHEAP`] of the room is its own.
    cheap: Shelf,
    capacity: usize,
    stats: CacheStats,
}

#[derive(Debug)]
struct Shelf {
    /// With [`ChunkKey::written`] of each.
    chunks: LruCache<ChunkRequest, (Option<u64>, Bytes)>,
    bytes: usize,
}

impl Shelf {
    fn empty() -> Self {
        Self { chunks: LruCache::unbounded(), bytes: 0 }
    }

    fn put(&mut self, key: ChunkKey, chunk: Bytes) {
        self.bytes += chunk.len() + ChunkCache::OVERHEAD;
        if let Some((_, (_, replaced))) = self.chunks.push(key.request, (key.written, chunk)) {
            self.bytes -= replaced.len() + ChunkCache::OVERHEAD;
        }
    }

    /// Drops the one that was not used for longest. Returns whether there was one.
    fn drop_oldest(&mut self) -> bool {
        let oldest = self.chunks.pop_lru();
        self.bytes -= oldest.as_ref().map_or(0, |(_, (_, chunk))| chunk.len() + ChunkCache::OVERHEAD);
        oldest.is_some()
    }
}

impl ChunkCache {
    /// What a chunk is counted for beside its own bytes: its name, twice, and the links between entries.
    pub(super) const OVERHEAD: usize = 512;
    /// One part in so many.
    const CHEAP: usize = 4;

    /// An empty cache of `capacity` bytes; 0 keeps nothing.
    pub(super) fn new(capacity: usize) -> Self {
        Self { dear: Shelf::empty(), cheap: Shelf::empty(), capacity, stats: CacheStats::default() }
    }

    /// Whether it keeps nothing.
    pub(super) fn is_off(&self) -> bool {
        self.capacity == 0
    }

    /// The chunk of a file written then, when it is here. Counts a hit or a miss.
    pub(super) fn get(&mut self, request: &ChunkRequest, written: Option<u64>) -> Option<Bytes> {
        let held = self.dear.chunks.get(request).or_else(|| self.cheap.chunks.get(request));
        let found = held.filter(|(of, _)| *of == written).map(|(_, chunk)| chunk.clone());
        match found {
            Some(_) => self.stats.hits += 1,
            None => self.stats.misses += 1,
        }
        found
    }

    /// Whether the chunk is here; neither counts nor makes it younger.
    pub(super) fn contains(&self, key: &ChunkKey) -> bool {
        let held = self.dear.chunks.peek(&key.request).or_else(|| self.cheap.chunks.peek(&key.request));
        held.is_some_and(|(written, _)| *written == key.written)
    }

    /// Keeps a chunk and drops the oldest to make room: of those that were cheap to make, while they have more than their
    /// own. One that is larger than the whole cache is not kept, and drops none.
    pub(super) fn insert(&mut self, key: ChunkKey, chunk: Bytes, is_dear: bool) {
        if chunk.len() + Self::OVERHEAD > self.capacity {
            return;
        }
        if is_dear { &mut self.dear } else { &mut self.cheap }.put(key, chunk);
        while self.dear.bytes + self.cheap.bytes > self.capacity {
            let too_much = self.cheap.bytes > self.capacity / Self::CHEAP;
            if !(too_much && self.cheap.drop_oldest() || self.dear.drop_oldest()) {
                break;
            }
            self.stats.evictions += 1;
        }
    }

    pub(super) fn stats(&self) -> CacheStats {
        let chunks = self.dear.chunks.len() + self.cheap.chunks.len();
        CacheStats { chunks, bytes: self.dear.bytes + self.cheap.bytes, ..self.stats }
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
        cache.insert(name(0), chunk(0), true);
        cache.insert(name(1), chunk(1), true);
        assert!(cache.get(&name(0).request, Some(0)).is_some());
        cache.insert(name(2), chunk(2), true);
        assert!(!cache.contains(&name(1)));
        assert_eq!(cache.get(&name(0).request, Some(0)), Some(chunk(0)));
        assert_eq!(cache.get(&name(1).request, Some(0)), None);
        let stats = CacheStats { hits: 2, misses: 1, evictions: 1, chunks: 2, bytes: 2 * EACH };
        assert_eq!(cache.stats(), stats);
    }

    #[test]
    fn a_chunk_of_the_file_as_it_was_is_none_of_the_file_as_it_is() {
        let mut cache = ChunkCache::new(2 * EACH);
        cache.insert(name(0), chunk(0), true);
        let now = ChunkKey { written: Some(1), ..name(0) };
        assert!(!cache.contains(&now));
        assert_eq!(cache.get(&now.request, Some(1)), None);
        assert_eq!(cache.get(&now.request, None), None);
        cache.insert(now, chunk(1), true);
        assert_eq!(cache.get(&name(0).request, Some(1)), Some(chunk(1)));
        assert_eq!(cache.stats(), CacheStats { hits: 1, misses: 2, evictions: 0, chunks: 1, bytes: EACH });
    }

    #[test]
    fn a_chunk_larger_than_the_cache_leaves_the_others() {
        let mut cache = ChunkCache::new(EACH);
        cache.insert(name(0), chunk(0), true);
        cache.insert(name(1), Bytes::from(vec![0; 1001]), true);
        assert!(cache.contains(&name(0)) && !cache.contains(&name(1)));
        assert_eq!(cache.stats().evictions, 0);
    }

    #[test]
    fn what_costs_nothing_to_make_gives_way() {
        let mut cache = ChunkCache::new(8 * EACH);
        // While there is room it has all of it.
        (0..9).for_each(|index| cache.insert(name(index), chunk(0), false));
        assert_eq!((cache.stats().chunks, cache.stats().evictions), (8, 1));
        (100..106).for_each(|index| cache.insert(name(index), chunk(0), true));
        (10..99).for_each(|index| cache.insert(name(index), chunk(0), false));
        assert!((100..106).all(|index| cache.contains(&name(index))));
        assert!(cache.contains(&name(97)) && cache.contains(&name(98)));
        assert_eq!(cache.stats().bytes, 8 * EACH);
        // And a part is its own.
        (106..120).for_each(|index| cache.insert(name(index), chunk(0), true));
        assert!(cache.contains(&name(98)) && !cache.contains(&name(113)) && cache.contains(&name(114)));
        assert_eq!(cache.stats().bytes, 8 * EACH);
    }

    #[test]
    fn the_same_chunk_again_counts_once() {
        let mut cache = ChunkCache::new(2 * EACH);
        cache.insert(name(0), chunk(0), true);
        cache.insert(name(0), chunk(0), true);
        assert_eq!(cache.stats().bytes, EACH);
    }
}
