//! What a thread of the pool does: takes a chunk, has it made, tells what became of it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{PoisonError, atomic::Ordering},
    time::Instant,
};

use media_protocol::{ErrorCode, WireError};

use super::{
    Job, Shared,
    make::{Made, Origin},
};

impl Shared {
    /// A thread's life: one chunk after the other, until there are to be no more.
    pub(super) fn work(&self) {
        while let Some(job) = self.next() {
            let began = Instant::now();
            // The host guards codecs; this is for what decodes the file.
            let made = catch_unwind(AssertUnwindSafe(|| self.make(&job)));
            let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.busy.fetch_add(micros, Ordering::Relaxed);
            let made = made.unwrap_or_else(|_| {
                let message =
                    format!("encoding {} failed; the node's log says more", job.key.request.rendition);
                Err(WireError::new(ErrorCode::Internal, message))
            });
            match made {
                Ok(Some(made)) => self.keep(job, made),
                Ok(None) => {}
                Err(error) => self.give_up(&job, &error),
            }
        }
    }

    /// The next chunk to encode, those that were asked for first. `None` at the end.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        while !state.stopped {
            let asked = state.asked.pop().map(|it| (it, false));
            let next = asked.or_else(|| state.ahead.pop_front().map(|it| (it, true)));
            let Some((key, ahead)) = next else {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            // Whoever asked for it may have left; nobody joins meanwhile, since that takes the lock too.
            match state.live.get(&key).cloned() {
                Some(_) if state.encoding.contains(&key) => {}
                Some(live) if ahead || live.is_wanted() => {
                    state.encoding.insert(key.clone());
                    return Some(Job { key, live, ahead });
                }
                _ => drop(state.live.remove(&key)),
            }
        }
        None
    }

    /// Whether a chunk that was asked for is to be left: whoever did has gone, and somebody waits for another. Then it is off
    /// the list. One that is encoded ahead is not, as a busy node would begin it again and again.
    pub(super) fn gives_way(&self, Job { key, live, ahead }: &Job) -> bool {
        if *ahead || live.is_wanted() {
            return false;
        }
        let mut state = self.lock();
        // Nobody joins meanwhile, since that takes the lock too.
        let gives_way = state.asked.len() > 0 && !live.is_wanted();
        if gives_way {
            state.live.remove(key);
            state.encoding.remove(key);
        }
        gives_way
    }

    /// Whether a chunk is to be encoded ahead of a track that is not open: the chunk before it has a thread open it, which from a
    /// slow disk may take seconds, and this thread would wait for that one. Then it is off the list.
    pub(super) fn comes_too_early(&self, Job { key, live, ahead }: &Job) -> bool {
        if !*ahead || self.catalog.is_open(&key.request.rendition.track) {
            return false;
        }
        let mut state = self.lock();
        let is_early = !live.is_wanted();
        if is_early {
            state.live.remove(key);
            state.encoding.remove(key);
        }
        is_early
    }

    /// To the cache before the last bytes go out, so that whoever has the whole chunk finds it there.
    fn keep(&self, Job { key, live, ahead }: Job, made: Made) {
        let Made { whole, origin, is_listed, is_dear } = made;
        let mut state = self.lock();
        state.live.remove(&key);
        state.encoding.remove(&key);
        if is_listed {
            state.cache.insert(key, whole.clone(), is_dear);
        }
        if let Origin::Encoder(_) = origin {
            state.stats.encoded += 1;
            state.stats.ahead += u64::from(ahead);
        }
        drop(state);
        live.finish(whole.clone());
        if let (Some(disk), Origin::Encoder(Some(name))) = (&self.disk, origin) {
            disk.store(name, whole);
        }
    }

    fn give_up(&self, Job { key, live, ahead }: &Job, error: &WireError) {
        let mut state = self.lock();
        state.live.remove(key);
        state.encoding.remove(key);
        // A chunk ahead may lie past the end.
        state.stats.failed += u64::from(!ahead);
        drop(state);
        let (rendition, chunk) = (&key.request.rendition, key.request.index.0);
        match error.code {
            ErrorCode::CodecFailed => tracing::warn!(%rendition, chunk, "no chunk: {error}"),
            _ => tracing::debug!(%rendition, chunk, "no chunk: {error}"),
        }
        live.fail(error);
    }
}
