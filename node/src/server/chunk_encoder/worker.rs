//! Work of an encoder thread: takes a chunk from the schedule, reads it from disk or encodes it, and reports
//! the result.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use media_plugin_host::Registry;
use media_protocol::{ErrorCode, WireError};

use super::{
    encoded_chunk::{ChunkEnd, encode},
    schedule::{Job, RETRY_AFTER, Schedule},
};
use crate::{
    library::Catalog,
    server::{
        chunk_cache::{CachedChunk, DiskCache, DiskKey},
        counter::Counter,
        negotiate,
    },
};

/// Shared by all encoder threads of a node.
pub(super) struct Worker {
    pub(super) registry: Arc<Registry>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) disk: Option<DiskCache>,
    pub(super) schedule: Schedule,
    /// Microseconds that the threads spent on chunks, summed over all threads.
    pub(super) busy: Counter,
}

/// A whole chunk.
struct FinishedChunk {
    chunk: CachedChunk,
    origin: Origin,
    /// True if the chunk comes from the version of the file that its key names. If not, the file has changed since
    /// the last scan.
    is_current: bool,
    is_costly: bool,
}

enum Origin {
    Disk,
    /// The encoder, with the key on disk if the chunk is to be stored there.
    Encoder(Option<DiskKey>),
}

impl Worker {
    /// Encodes chunks until the schedule stops.
    pub(super) fn run(&self) {
        while let Some(job) = self.schedule.next() {
            let began = Instant::now();
            // The plugin host catches the panics of codecs. This catches those of file decoders.
            let finished = catch_unwind(AssertUnwindSafe(|| self.produce(&job)));
            self.busy.add(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
            let finished = finished.unwrap_or_else(|_| {
                let message = format!("encoding {} failed; see the node's log", job.key.request.rendition);
                Err(WireError::new(ErrorCode::Internal, message))
            });
            match finished {
                Ok(Some(chunk)) => self.keep(&job, chunk),
                Ok(None) => {}
                Err(error) => self.fail(&job, &error),
            }
        }
    }

    /// Time that the threads spent on chunks.
    pub(super) fn busy_time(&self) -> Duration {
        Duration::from_micros(self.busy.get())
    }

    /// Reads the chunk from disk, or encodes and publishes it. Returns `None` if the job was abandoned.
    ///
    /// # Errors
    /// Those of [`encode`]; `UnknownTrack` and `UnknownRendition`; `Busy` if the file has changed meanwhile.
    fn produce(&self, job: &Job) -> Result<Option<FinishedChunk>, WireError> {
        let Job { key, progress, ahead } = job;
        let request = &key.request;
        let span = tracing::debug_span!("chunk", rendition = %request.rendition, index = request.index.0);
        let _entered = span.entered();
        // A requested chunk of the same track opens the track on another thread, which may take seconds on a slow
        // disk. This thread would only wait for it, so it skips the chunk.
        if *ahead && !self.catalog.is_open(&request.rendition.track) && self.schedule.abandon_if_unread(job) {
            tracing::debug!("not encoded ahead: the track is still being opened");
            return Ok(None);
        }
        let track = self.catalog.open(&request.rendition.track, &Arc::default())?;
        let plan = negotiate::plan(&self.registry, &request.rendition, track.facts())?;
        let is_current = key.modified == Some(track.modified());
        let stored =
            self.disk.as_ref().and_then(|disk| Some((disk, disk.key(&track, &plan, request.index)?)));
        if let Some((disk, disk_key)) = &stored
            && let Some(chunk) = disk.load(disk_key, plan.rendition.max_chunk_bytes())
        {
            tracing::debug!(ahead, "read from disk");
            return Ok(Some(FinishedChunk { chunk, origin: Origin::Disk, is_current, is_costly: true }));
        }
        tracing::debug!(ahead, "encoding");
        let is_abandoned = || self.schedule.abandon_if_unwanted(job);
        let encoded = encode(&track, &plan, request.index, progress, is_abandoned);
        let encoded = encoded.map_err(|error| self.catalog.unless_away(&request.rendition.track, error));
        let Some(ChunkEnd { bytes, silenced }) = encoded? else {
            tracing::debug!("abandoned: no client waits for it any more");
            return Ok(None);
        };
        if !track.is_current() {
            let message = format!("{:?} has changed on the node's disk meanwhile", track.title());
            return Err(WireError::busy(message, RETRY_AFTER));
        }
        let origin = Origin::Encoder(stored.map(|(_, disk_key)| disk_key));
        let chunk = CachedChunk { bytes: progress.with_trailer(&bytes), silenced };
        Ok(Some(FinishedChunk { chunk, origin, is_current, is_costly: plan.is_costly() }))
    }

    fn keep(&self, job: &Job, chunk: FinishedChunk) {
        let FinishedChunk { chunk, origin, is_current, is_costly } = chunk;
        let is_encoded = matches!(origin, Origin::Encoder(_));
        self.schedule.finish(job, chunk.clone(), is_current, is_costly, is_encoded);
        if let (Some(disk), Origin::Encoder(Some(disk_key))) = (&self.disk, origin) {
            disk.store(disk_key, chunk);
        }
    }

    fn fail(&self, job: &Job, error: &WireError) {
        self.schedule.fail(job, error);
        let rendition = &job.key.request.rendition;
        let chunk = job.key.request.index.0;
        match error.code {
            ErrorCode::CodecFailed => tracing::warn!(%rendition, chunk, "cannot encode a chunk: {error}"),
            _ => tracing::debug!(%rendition, chunk, "cannot encode a chunk: {error}"),
        }
    }
}
