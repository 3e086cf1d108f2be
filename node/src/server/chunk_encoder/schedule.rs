//! Order in which the encoder threads encode chunks. A chunk that several callers request is encoded once. Callers
//! take turns. Chunks that are encoded ahead come after all requested ones.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use media_protocol::{ChunkRequest, WireError};
use serde::Serialize;

use super::{
    fair_queue::FairQueue,
    progress::{ChunkProgress, ChunkStream},
};
use crate::server::{
    caller::Caller,
    chunk_cache::{CacheStats, CachedChunk, ChunkCache, ChunkKey},
};

/// Number of requested chunks that may wait for a thread. If it is reached, the node refuses a caller that already
/// has a chunk in the queue as busy. So each caller can exceed the number by one at most. Tested by
/// `a_full_queue_refuses_callers_that_wait_already`.
const MAX_REQUESTED: usize = 512;
/// Greatest number of chunks that wait to be encoded ahead. A new one then replaces the oldest. Tested by
/// `the_newest_chunks_ahead_replace_the_oldest`.
const MAX_AHEAD: usize = 64;
/// Time after which a caller that was refused as busy may retry. Much of the queue is encoded by then.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Counts of the encoder threads since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct EncoderStats {
    /// Chunks encoded, including those encoded ahead.
    pub encoded: u64,
    /// Chunks encoded before a request.
    pub ahead: u64,
    /// Chunks that could not be encoded.
    pub failed: u64,
}

/// A chunk that a thread encodes.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) key: ChunkKey,
    pub(super) progress: Arc<ChunkProgress>,
    /// True if the chunk had no request when the thread took it.
    pub(super) ahead: bool,
}

/// The queues of chunks, and the cache of encoded ones.
#[derive(Debug)]
pub(super) struct Schedule {
    state: Mutex<State>,
    /// Signals a new chunk in a queue, or the stop.
    work: Condvar,
}

/// Each chunk is in the cache, in progress, or neither. A chunk in progress waits in a queue, or a thread encodes it.
#[derive(Debug)]
struct State {
    cache: ChunkCache,
    in_progress: HashMap<ChunkKey, Arc<ChunkProgress>>,
    /// The chunks of `in_progress` that a thread encodes now.
    encoding: HashSet<ChunkKey>,
    /// Requested chunks. A chunk is here once for each caller that waits for it.
    requested: FairQueue<ChunkKey>,
    ahead: VecDeque<ChunkKey>,
    stats: EncoderStats,
    stopped: bool,
}

impl State {
    /// Removes a chunk from those in progress.
    fn remove(&mut self, key: &ChunkKey) {
        self.in_progress.remove(key);
        self.encoding.remove(key);
    }
}

impl Schedule {
    /// An empty schedule with a cache of `cache` bytes.
    pub(super) fn new(cache: usize) -> Self {
        let state = State {
            cache: ChunkCache::new(cache),
            in_progress: HashMap::new(),
            encoding: HashSet::new(),
            requested: FairQueue::new(),
            ahead: VecDeque::new(),
            stats: EncoderStats::default(),
            stopped: false,
        };
        Self { state: Mutex::new(state), work: Condvar::new() }
    }

    /// Returns a reader of the chunk. The chunk comes from the cache, from an encoding in progress, or from one that
    /// begins at `caller`'s turn.
    ///
    /// # Errors
    /// `Busy` if too many chunks wait.
    pub(super) fn request(
        &self,
        caller: &Caller,
        request: &ChunkRequest,
        modified: Option<u64>,
    ) -> Result<ChunkStream, WireError> {
        let mut state = self.lock();
        if let Some(chunk) = state.cache.get(request, modified) {
            return Ok(ChunkStream::whole(chunk));
        }
        let key = ChunkKey { request: request.clone(), modified };
        if let Some(progress) = state.in_progress.get(&key).cloned() {
            if let Some(position) = state.ahead.iter().position(|ahead| *ahead == key) {
                state.ahead.remove(position);
                state.requested.push(caller, key);
            } else if state.requested.len() < MAX_REQUESTED && !state.encoding.contains(&key) {
                // The chunk may stand far back in another caller's queue, so this caller's turn counts too.
                state.requested.push(caller, key);
            }
            return Ok(progress.subscribe());
        }
        if (state.requested.len() >= MAX_REQUESTED && state.requested.has(caller)) || state.stopped {
            let message = format!("{} chunks wait to be encoded", state.requested.len());
            return Err(WireError::busy(message, RETRY_AFTER));
        }
        let progress = Arc::new(ChunkProgress::new());
        let stream = progress.subscribe();
        state.in_progress.insert(key.clone(), progress);
        state.requested.push(caller, key);
        self.work.notify_one();
        Ok(stream)
    }

    /// True if the chunk is in the cache.
    pub(super) fn is_cached(&self, request: &ChunkRequest, modified: Option<u64>) -> bool {
        self.lock().cache.contains(request, modified)
    }

    /// Schedules a chunk that a client will probably request soon. A thread encodes it once no requested chunk waits.
    pub(super) fn encode_ahead(&self, key: ChunkKey) {
        let mut state = self.lock();
        let is_known =
            state.cache.contains(&key.request, key.modified) || state.in_progress.contains_key(&key);
        // Without a cache, the node could not keep the chunk until its request.
        if state.stopped || state.cache.is_off() || is_known {
            return;
        }
        if state.ahead.len() >= MAX_AHEAD
            && let Some(oldest) = state.ahead.pop_front()
        {
            state.in_progress.remove(&oldest);
        }
        state.in_progress.insert(key.clone(), Arc::new(ChunkProgress::new()));
        state.ahead.push_back(key);
        self.work.notify_one();
    }

    /// Blocks until there is a chunk to encode. Returns `None` after [`Schedule::stop`].
    pub(super) fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        while !state.stopped {
            let requested = state.requested.pop().map(|key| (key, false));
            let next = requested.or_else(|| state.ahead.pop_front().map(|key| (key, true)));
            let Some((key, ahead)) = next else {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            // All readers may have left. None can join meanwhile, since that needs the lock.
            match state.in_progress.get(&key).cloned() {
                Some(_) if state.encoding.contains(&key) => {}
                Some(progress) if ahead || progress.has_readers() => {
                    state.encoding.insert(key.clone());
                    return Some(Job { key, progress, ahead });
                }
                _ => drop(state.in_progress.remove(&key)),
            }
        }
        None
    }

    /// Abandons a requested chunk if its readers have left and another request waits. Returns true if it did.
    /// Never abandons a chunk that is encoded ahead, since a busy node would start it again and again.
    pub(super) fn abandon_if_unwanted(&self, job: &Job) -> bool {
        if job.ahead || job.progress.has_readers() {
            return false;
        }
        let mut state = self.lock();
        // No reader can join meanwhile, since that needs the lock.
        let is_unwanted = state.requested.len() > 0 && !job.progress.has_readers();
        if is_unwanted {
            state.remove(&job.key);
        }
        is_unwanted
    }

    /// Abandons a chunk without readers. Returns true if it did.
    pub(super) fn abandon_if_unread(&self, job: &Job) -> bool {
        let mut state = self.lock();
        let is_unread = !job.progress.has_readers();
        if is_unread {
            state.remove(&job.key);
        }
        is_unread
    }

    /// Ends a job with the whole chunk. Puts the chunk into the cache before it publishes the last bytes, so that a
    /// caller that has read the whole chunk can rely on the cache. `is_current` is true if the chunk comes from
    /// the version of the file that its key names. `is_costly` is for [`ChunkCache::insert`]. `is_encoded` is false
    /// for a chunk that was read from disk.
    pub(super) fn finish(
        &self,
        job: &Job,
        chunk: CachedChunk,
        is_current: bool,
        is_costly: bool,
        is_encoded: bool,
    ) {
        let mut state = self.lock();
        state.remove(&job.key);
        if is_current {
            state.cache.insert(job.key.clone(), chunk.clone(), is_costly);
        }
        if is_encoded {
            state.stats.encoded += 1;
            state.stats.ahead += u64::from(job.ahead);
        }
        drop(state);
        job.progress.finish(chunk);
    }

    /// Ends a job with a refusal.
    pub(super) fn fail(&self, job: &Job, error: &WireError) {
        let mut state = self.lock();
        state.remove(&job.key);
        // A chunk that is encoded ahead may lie past the track's end, which is no failure.
        state.stats.failed += u64::from(!job.ahead);
        drop(state);
        job.progress.fail(error);
    }

    /// Refuses all chunks that wait, and lets the threads end.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        state.ahead.clear();
        let waiting = state.requested.take();
        let waiting: Vec<_> = waiting.filter_map(|key| state.in_progress.remove(&key)).collect();
        drop(state);
        self.work.notify_all();
        let error = WireError::busy("the node is stopping", RETRY_AFTER);
        waiting.iter().for_each(|progress| progress.fail(&error));
    }

    pub(super) fn stats(&self) -> (EncoderStats, CacheStats) {
        let state = self.lock();
        (state.stats, state.cache.stats())
    }

    /// True if no chunk is in progress.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.lock().in_progress.is_empty()
    }

    /// Locks the state. The state is consistent after every statement, so the lock is usable even after a panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use media_protocol::{ChunkIndex, ChunkRequest, ErrorCode};

    use super::*;

    fn key(index: u32) -> ChunkKey {
        let rendition = "t.pcm.44100.2.s16".parse().unwrap();
        ChunkKey { request: ChunkRequest { rendition, index: ChunkIndex(index) }, modified: Some(0) }
    }

    fn request(schedule: &Schedule, caller: &Caller, index: u32) -> Result<ChunkStream, WireError> {
        let ChunkKey { request, modified } = key(index);
        schedule.request(caller, &request, modified)
    }

    #[test]
    fn a_full_queue_refuses_callers_that_wait_already() {
        let schedule = Schedule::new(1 << 20);
        let greedy = Caller::peer("greedy");
        let streams: Vec<_> = (0..512).map(|index| request(&schedule, &greedy, index).unwrap()).collect();
        let error = request(&schedule, &greedy, 512).unwrap_err();
        assert_eq!((error.code, error.retry_after_ms), (ErrorCode::Busy, Some(1000)));
        let modest = Caller::peer("modest");
        let _own = request(&schedule, &modest, 600).unwrap();
        assert_eq!(request(&schedule, &modest, 601).unwrap_err().code, ErrorCode::Busy);
        assert_eq!(schedule.next().unwrap().key, key(0));
        drop(streams);
        // Chunks of the caller that has left are skipped.
        assert_eq!(schedule.next().unwrap().key, key(600));
    }

    #[test]
    fn the_newest_chunks_ahead_replace_the_oldest() {
        let schedule = Schedule::new(1 << 20);
        (0..100).for_each(|index| schedule.encode_ahead(key(index)));
        let jobs: Vec<_> = (0..64).map(|_| schedule.next().unwrap()).collect();
        assert!(jobs.iter().all(|job| job.ahead) && jobs[0].key == key(36) && jobs[63].key == key(99));
        assert!(schedule.lock().ahead.is_empty() && schedule.lock().in_progress.len() == 64);
    }

    #[tokio::test]
    async fn a_stop_refuses_what_waits_and_what_comes() {
        let schedule = Schedule::new(1 << 20);
        let caller = Caller::peer("a");
        let mut waiting = request(&schedule, &caller, 0).unwrap();
        schedule.stop();
        assert!(schedule.next().is_none());
        while waiting.next().await.is_some() {}
        assert_eq!(waiting.refused(), Some(ErrorCode::Busy));
        assert_eq!(request(&schedule, &caller, 1).unwrap_err().code, ErrorCode::Busy);
    }
}
