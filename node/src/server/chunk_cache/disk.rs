//! Cache of encoded chunks on disk, for the next start: one file for each chunk in a folder of its own,
//! bounded in bytes.
//!
//! A file holds the chunk as it goes over the wire, followed by its silenced frames as `u32` and a keyed hash, the
//! seal. The key is a hash of everything that the chunk depends on. Each read verifies the seal. If it does not match, the node removes the
//! file and encodes the chunk again. So the folder may be in any state: after a crash in the middle of a write,
//! while another node writes to it, or after somebody emptied it. For the same reason the node does not call
//! `fsync`. The seal detects damage. It does not detect tampering, as in the library's index.
//!
//! The encoder threads read the files. One other thread writes files and removes old ones ([`writer`]).

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::SystemTime,
};

use blake3::Hash;
use media_plugin_host::Registry;
use media_protocol::ChunkIndex;

use self::{
    config::DiskCacheConfig,
    key::{APPENDED, DiskKey, codec_fingerprints},
    stats::{DiskCounters, DiskStats},
    writer::Writer,
};
use super::cached_chunk::CachedChunk;
use crate::{library::OpenTrack, server::negotiate::plan::RenditionPlan};

pub(super) mod config;
pub(super) mod key;
pub(super) mod stats;
#[cfg(test)]
mod tests;
mod writer;

/// Greatest number of chunks that wait to be written. If the disk is slower than the encoders, the cache drops
/// further chunks. Tested by `chunks_are_dropped_once_the_queue_is_full`.
const QUEUE: usize = 128;

/// The side of the cache that the encoder threads use. When it is dropped, the writer thread writes the chunks in
/// its queue and ends.
#[derive(Debug)]
pub(in crate::server) struct DiskCache {
    folder: PathBuf,
    /// Fingerprints by codec id, see [`codec_fingerprints`].
    fingerprints: HashMap<String, Hash>,
    counters: Arc<DiskCounters>,
    queue: SyncSender<(DiskKey, CachedChunk)>,
}

impl DiskCache {
    /// Starts the writer thread, which first lists the folder.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub(in crate::server) fn start(config: &DiskCacheConfig, registry: &Registry) -> io::Result<Self> {
        let counters = Arc::new(DiskCounters::default());
        let (queue, chunks) = sync_channel(QUEUE);
        let writer = Writer::new(config.clone(), Arc::clone(&counters));
        thread::Builder::new().name("chunks-to-disk".into()).spawn(move || writer.run(&chunks))?;
        let fingerprints = codec_fingerprints(registry);
        Ok(Self { folder: config.folder.clone(), fingerprints, counters, queue })
    }

    /// The key of a chunk. `None` if the cache does not store it: the chunk lies past the track's end, or is cheap
    /// to encode again.
    pub(in crate::server) fn key(
        &self,
        track: &OpenTrack,
        plan: &RenditionPlan,
        index: ChunkIndex,
    ) -> Option<DiskKey> {
        if plan.rendition.frames_in(index) == 0 || !plan.is_costly() {
            return None;
        }
        let fingerprint = self.fingerprints.get(&plan.codec.info().id)?;
        DiskKey::new(fingerprint, track.stamp()?, &plan.rendition, index)
    }

    /// Reads a chunk of at most `max_bytes` bytes. Blocks on the disk. Removes a damaged file.
    pub(in crate::server) fn load(&self, key: &DiskKey, max_bytes: usize) -> Option<CachedChunk> {
        let path = self.folder.join(key.file());
        match read(&path, key, max_bytes) {
            Ok(Some(chunk)) => {
                self.counters.hits.add(1);
                // The time of change orders the files by their last use. An error is harmless, since the chunk was read.
                let touch = |file: File| file.set_modified(SystemTime::now());
                let _ = OpenOptions::new().append(true).open(&path).and_then(touch);
                return Some(chunk);
            }
            Ok(None) => {
                self.counters.damaged.add(1);
                tracing::debug!(file = %path.display(), "this cached chunk is damaged");
                // If the file cannot be removed, the next write replaces it.
                let _ = fs::remove_file(&path);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::debug!(file = %path.display(), "cannot read this cached chunk: {error}"),
        }
        self.counters.misses.add(1);
        None
    }

    /// Queues the chunk for the writer thread, or drops it if the queue is full. Does not block.
    pub(in crate::server) fn store(&self, key: DiskKey, chunk: CachedChunk) {
        if self.queue.try_send((key, chunk)).is_err() {
            self.counters.unwritten.add(1);
        }
    }

    pub(in crate::server) fn stats(&self) -> DiskStats {
        self.counters.snapshot()
    }
}

/// Reads the chunk in a file. `None` if its seal does not match `key`. Accepts any file. Takes memory for a chunk of
/// at most `max_bytes` bytes.
fn read(path: &Path, key: &DiskKey, max_bytes: usize) -> io::Result<Option<CachedChunk>> {
    let metadata = path.symlink_metadata()?;
    let max_length = max_bytes.saturating_add(APPENDED) as u64;
    // Opening a pipe would block.
    if !metadata.is_file() || metadata.len() > max_length {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
    File::open(path)?.take(max_length).read_to_end(&mut bytes)?;
    Ok(key.open(bytes))
}
