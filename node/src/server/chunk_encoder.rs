//! Encodes chunks on threads of its own: each once, however many ask for it.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use media_plugin_host::Registry;
use media_protocol::{ChunkRequest, WireError};
use serde::Serialize;

use super::{
    CacheStats, DiskCacheConfig, DiskStats,
    catalog::Catalog,
    chunk_cache::{ChunkCache, ChunkKey, DiskCache},
};

mod copy;
mod encode;
mod live;
mod make;
mod turns;
mod work;

pub(super) use live::ChunkStream;
use live::LiveChunk;
use turns::Turns;

/// Chunks that were asked for and wait for a thread. Past it whoever has one waiting already is refused as busy, so it is
/// passed by one for each peer at most.
const MAX_ASKED: usize = 512;
/// Chunks that wait to be encoded ahead; the oldest makes room.
const MAX_AHEAD: usize = 64;
/// When whoever is refused for that may ask again: time for a good part of what waits.
const AGAIN: Duration = Duration::from_secs(1);

/// What the encoders did since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct EncoderStats {
    /// Chunks encoded, those ahead of a request included.
    pub encoded: u64,
    /// Chunks encoded before anyone asked for them.
    pub ahead: u64,
    /// Chunks that could not be encoded.
    pub failed: u64,
}

/// The pool. Dropping it stops its threads after the chunk that each is at.
pub(super) struct ChunkEncoder {
    shared: Arc<Shared>,
}

struct Shared {
    registry: Arc<Registry>,
    catalog: Arc<Catalog>,
    disk: Option<DiskCache>,
    state: Mutex<State>,
    work: Condvar,
    /// Microseconds that the threads spent on chunks.
    busy: AtomicU64,
}

/// A chunk is in the cache, or live, or neither; a live one waits in one of the queues or is with a thread.
struct State {
    cache: ChunkCache,
    live: HashMap<ChunkKey, Arc<LiveChunk>>,
    /// Those of `live` that are with a thread.
    encoding: HashSet<ChunkKey>,
    /// A chunk is in here once for each peer that waits for it.
    asked: Turns<ChunkKey>,
    ahead: VecDeque<ChunkKey>,
    stats: EncoderStats,
    stopped: bool,
}

/// A chunk for a thread to encode.
struct Job {
    key: ChunkKey,
    live: Arc<LiveChunk>,
    /// Whether nobody had asked for it yet.
    ahead: bool,
}

impl State {
    /// Whether the chunk is kept, or on its way.
    fn is_there(&self, key: &ChunkKey) -> bool {
        self.cache.contains(key) || self.live.contains_key(key)
    }
}

impl ChunkEncoder {
    /// Starts `threads` threads, one per core for 0, a cache of `cache` bytes, and one on `disk`.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub(super) fn start(
        threads: usize,
        cache: usize,
        disk: Option<&DiskCacheConfig>,
        registry: Arc<Registry>,
        catalog: Arc<Catalog>,
    ) -> std::io::Result<Self> {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores() } else { threads };
        let state = State {
            cache: ChunkCache::new(cache),
            live: HashMap::new(),
            encoding: HashSet::new(),
            asked: Turns::new(),
            ahead: VecDeque::new(),
            stats: EncoderStats::default(),
            stopped: false,
        };
        let shared = Arc::new(Shared {
            disk: disk.map(|it| DiskCache::start(it, &registry)).transpose()?,
            registry,
            catalog,
            state: Mutex::new(state),
            work: Condvar::new(),
            busy: AtomicU64::new(0),
        });
        let pool = Self { shared };
        for number in 0..threads {
            let shared = pool.shared.clone();
            thread::Builder::new().name(format!("encode-{number}")).spawn(move || shared.work())?;
        }
        Ok(pool)
    }

    /// The chunk: from the cache, along with others who wait for it, or encoded when it is `peer`'s turn. What is wrong
    /// with the request itself comes as a refusal through the reader.
    ///
    /// # Errors
    /// `Busy` when too many chunks wait.
    pub(super) fn request(&self, peer: &Arc<str>, request: &ChunkRequest) -> Result<ChunkStream, WireError> {
        let written = self.shared.catalog.written(&request.rendition.track);
        let mut state = self.shared.lock();
        if let Some(whole) = state.cache.get(request, written) {
            return Ok(ChunkStream::of(whole));
        }
        let key = ChunkKey { request: request.clone(), written };
        if let Some(live) = state.live.get(&key).cloned() {
            if let Some(place) = state.ahead.iter().position(|it| *it == key) {
                state.ahead.remove(place);
                state.asked.push(peer, key);
            } else if state.asked.len() < MAX_ASKED && !state.encoding.contains(&key) {
                // Another waits for it too, perhaps behind much else of its own.
                state.asked.push(peer, key);
            }
            return Ok(live.listen());
        }
        if (state.asked.len() >= MAX_ASKED && state.asked.has(peer)) || state.stopped {
            let message = format!("{} chunks wait to be encoded", state.asked.len());
            return Err(WireError::busy(message, AGAIN));
        }
        let live = Arc::new(LiveChunk::new());
        let reader = live.listen();
        state.live.insert(key.clone(), live);
        state.asked.push(peer, key);
        self.shared.work.notify_one();
        Ok(reader)
    }

    /// Encodes a chunk that will be asked for, when there is nothing else to do.
    pub(super) fn encode_ahead(&self, request: ChunkRequest) {
        let written = self.shared.catalog.written(&request.rendition.track);
        let key = ChunkKey { request, written };
        let mut state = self.shared.lock();
        // Without a cache there is nowhere to keep it until then.
        if state.stopped || state.cache.is_off() || state.is_there(&key) {
            return;
        }
        if state.ahead.len() >= MAX_AHEAD
            && let Some(oldest) = state.ahead.pop_front()
        {
            state.live.remove(&oldest);
        }
        state.live.insert(key.clone(), Arc::new(LiveChunk::new()));
        state.ahead.push_back(key);
        self.shared.work.notify_one();
    }

    pub(super) fn stats(&self) -> (EncoderStats, CacheStats, DiskStats) {
        let disk = self.shared.disk.as_ref().map(DiskCache::stats).unwrap_or_default();
        let state = self.shared.lock();
        (state.stats, state.cache.stats(), disk)
    }

    /// What the threads spent on chunks, all together.
    pub(super) fn encode_time(&self) -> Duration {
        Duration::from_micros(self.shared.busy.load(Ordering::Relaxed))
    }

    /// Refuses what waits and lets the threads end.
    pub(super) fn stop(&self) {
        let mut state = self.shared.lock();
        state.stopped = true;
        state.ahead.clear();
        let waiting = state.asked.take();
        let waiting: Vec<_> = waiting.filter_map(|it| state.live.remove(&it)).collect();
        drop(state);
        self.shared.work.notify_all();
        let error = WireError::busy("the node is stopping", AGAIN);
        waiting.iter().for_each(|it| it.fail(&error));
    }
}

impl Drop for ChunkEncoder {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    /// Nothing in here panics while it holds the lock, and what it guards is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
