//! Chunks on disk, for the next start: one file each in a folder of their own, bounded in bytes.
//!
//! A file is the chunk as it goes over the wire, then a hash of it that is keyed with all that the chunk depends on. It is
//! checked whenever it is read, and what is not exactly what was written under that name is removed and encoded anew. So
//! nothing has to be right about the folder: not after a crash in the middle of a write, nor where another node writes to it
//! too, nor where somebody empties it. For the same reason nothing waits for the disk to have it (no `fsync`). Like that of
//! the library's index, the hash tells damage, not malice.
//!
//! Encoder threads read here; a thread of its own writes, and makes room ([`writer`]).

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::SystemTime,
};

use blake3::{Hash, OUT_LEN};
use bytes::Bytes;
use media_plugin_host::Registry;
use media_protocol::ChunkIndex;
use serde::Serialize;

use self::writer::Writer;
use crate::server::{catalog::OpenTrack, negotiate::Plan, stats::Counter};

mod name;
#[cfg(test)]
mod tests;
mod writer;

pub(in crate::server) use name::Name;

/// Chunks that wait to be written. They are dropped past it, for a disk that is slower than the encoders.
const QUEUE: usize = 128;

/// Where chunks are kept on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskCacheConfig {
    /// The folder; made when it is missing. Only files of the cache's own are looked at or removed in it.
    pub folder: PathBuf,
    /// What the files may take, each rounded up to whole blocks of 4 kB. Several nodes that share the folder may be over
    /// it by a sixteenth each.
    pub bytes: u64,
}

/// What the cache on disk did since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DiskStats {
    /// Chunks that were read and did not have to be encoded.
    pub hits: u64,
    /// Chunks that were not there, or damaged.
    pub misses: u64,
    /// Chunks that were written.
    pub writes: u64,
    /// Chunks that were not, because the disk was full or too slow, or would not have it.
    pub unwritten: u64,
    /// Chunks that made room for others.
    pub evictions: u64,
    /// Chunks that were not what had been written, and were removed.
    pub damaged: u64,
    /// Bytes on disk, as of the last look into the folder and with what was written since.
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct Figures {
    hits: Counter,
    misses: Counter,
    writes: Counter,
    unwritten: Counter,
    evictions: Counter,
    damaged: Counter,
    bytes: AtomicU64,
}

/// The folder, for those who read. Dropping it lets what waits be written, then ends the thread.
#[derive(Debug)]
pub(in crate::server) struct DiskCache {
    folder: PathBuf,
    /// What stands for each codec, by its id.
    makers: HashMap<String, Hash>,
    figures: Arc<Figures>,
    queue: SyncSender<(Name, Bytes)>,
}

impl DiskCache {
    /// Starts the thread, which first looks through the folder.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(in crate::server) fn start(config: &DiskCacheConfig, registry: &Registry) -> io::Result<Self> {
        let figures = Arc::new(Figures::default());
        let (queue, chunks) = sync_channel(QUEUE);
        let writer = Writer::new(config.clone(), figures.clone());
        thread::Builder::new().name("chunks-to-disk".into()).spawn(move || writer.run(&chunks))?;
        Ok(Self { folder: config.folder.clone(), makers: name::makers(registry), figures, queue })
    }

    /// What chunk `index` of `track` by `plan` is called. `None` for one past the end, and one that is not worth its room.
    pub(in crate::server) fn name(&self, track: &OpenTrack, plan: &Plan, index: ChunkIndex) -> Option<Name> {
        let is_there = plan.rendition.frames_in(index) > 0;
        if !is_there || !plan.is_dear() {
            return None;
        }
        Name::new(self.makers.get(&plan.codec.info().id)?, track.stamp()?, &plan.rendition, index)
    }

    /// The chunk of that name, of `longest` bytes at most. Blocks on the disk. One that is damaged is removed.
    pub(in crate::server) fn load(&self, name: &Name, longest: usize) -> Option<Bytes> {
        let path = self.folder.join(name.file());
        let found = read(&path, name, longest);
        match &found {
            Ok(Some(_)) => {
                self.figures.hits.add(1);
                // What was used last is removed last. Where that can't be noted it still can be read.
                let touch = |file: File| file.set_modified(SystemTime::now());
                let _ = OpenOptions::new().append(true).open(&path).and_then(touch);
                return found.ok().flatten();
            }
            Ok(None) => {
                self.figures.damaged.add(1);
                tracing::debug!(file = %path.display(), "this chunk is damaged");
                // If it can't be removed, it is replaced.
                let _ = fs::remove_file(&path);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::debug!(file = %path.display(), "this chunk cannot be read: {error}"),
        }
        self.figures.misses.add(1);
        None
    }

    /// Has the chunk written under that name, some time later. Does not block.
    pub(in crate::server) fn store(&self, name: Name, chunk: Bytes) {
        if self.queue.try_send((name, chunk)).is_err() {
            self.figures.unwritten.add(1);
        }
    }

    pub(in crate::server) fn stats(&self) -> DiskStats {
        self.figures.snapshot()
    }
}

impl Figures {
    fn snapshot(&self) -> DiskStats {
        DiskStats {
            hits: self.hits.get(),
            misses: self.misses.get(),
            writes: self.writes.get(),
            unwritten: self.unwritten.get(),
            evictions: self.evictions.get(),
            damaged: self.damaged.get(),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

/// The chunk in a file, `None` where that is not what was written under `name`. Takes any bytes, and memory for no more than
/// `longest` of them.
fn read(path: &Path, name: &Name, longest: usize) -> io::Result<Option<Bytes>> {
    let metadata = path.symlink_metadata()?;
    let most = longest.saturating_add(OUT_LEN) as u64;
    // A pipe would keep us waiting.
    if !metadata.is_file() || metadata.len() > most {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(name.open(bytes))
}
