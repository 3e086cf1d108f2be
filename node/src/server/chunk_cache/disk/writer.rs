//! The thread that writes chunks to disk and removes the least recently used.
//!
//! It keeps no list of the files. Each time it has written a sixteenth of the capacity, it lists the folder and
//! frees a sixteenth. So its memory does not grow with the cache, except for 56 bytes a chunk during the
//! listing, and it notices changes that others make in the folder.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    sync::{Arc, atomic::Ordering, mpsc::Receiver},
    time::{Duration, SystemTime},
};

use super::{
    config::DiskCacheConfig,
    key::{APPENDED, CacheFile, DiskKey},
    stats::DiskCounters,
};
use crate::server::chunk_cache::cached_chunk::CachedChunk;

/// Size of a block on disk, in bytes. A file counts as a whole number of blocks. Tested by
/// `the_capacity_holds_and_recently_used_chunks_stay`.
const BLOCK: u64 = 4096;
/// Divisor of the capacity that gives the bytes written between two listings, and the bytes that a listing
/// frees. Tested by `a_listing_frees_a_sixteenth`.
const SHARE: u64 = 16;
/// Age of a part file from which it counts as a leftover of a node that ended. Tested by
/// `leftovers_are_removed_and_other_files_stay`.
const LEFTOVER_AGE: Duration = Duration::from_secs(10 * 60);

pub(super) struct Writer {
    config: DiskCacheConfig,
    counters: Arc<DiskCounters>,
    /// Upper bound of the bytes on disk. Files that others have written since the last listing do not count.
    held: u64,
    /// Bytes written since the last listing; `None` before the first.
    since_listing: Option<u64>,
    /// Kinds of errors that were logged already.
    warned: Vec<io::ErrorKind>,
}

impl Writer {
    pub(super) fn new(config: DiskCacheConfig, counters: Arc<DiskCounters>) -> Self {
        Self { config, counters, held: 0, since_listing: None, warned: Vec::new() }
    }

    /// Lists the folder, then writes chunks until all senders are gone.
    pub(super) fn run(mut self, chunks: &Receiver<(DiskKey, CachedChunk)>) {
        if let Err(error) = self.make_room(0) {
            self.warn(&error);
        }
        for (key, chunk) in chunks {
            match self.store(&key, &chunk) {
                Ok(()) => self.counters.writes.add(1),
                Err(error) => {
                    self.counters.unwritten.add(1);
                    self.warn(&error);
                }
            }
        }
    }

    /// Makes room for a chunk and writes it.
    ///
    /// # Errors
    /// The system's error; no file is left behind.
    pub(super) fn store(&mut self, key: &DiskKey, chunk: &CachedChunk) -> io::Result<()> {
        let size = size_on_disk((chunk.bytes.len() + APPENDED) as u64);
        if size > self.config.bytes {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let is_due = self.since_listing.is_none_or(|written| written + size > self.config.bytes / SHARE);
        if is_due || self.held.saturating_add(size) > self.config.bytes {
            self.make_room(size)?;
        }
        if self.held.saturating_add(size) > self.config.bytes {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        self.write(key, chunk)?;
        self.held += size;
        self.since_listing = self.since_listing.map(|written| written + size);
        self.counters.bytes.store(self.held, Ordering::Relaxed);
        Ok(())
    }

    /// Writes to a temporary name and renames the file, so that no reader finds half of it.
    fn write(&self, key: &DiskKey, chunk: &CachedChunk) -> io::Result<()> {
        let (prefix, suffix) = key.part_file();
        let create =
            || tempfile::Builder::new().prefix(&prefix).suffix(suffix).tempfile_in(&self.config.folder);
        let mut part = match create() {
            // The folder does not exist yet, or somebody has removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(&self.config.folder)?;
                create()?
            }
            part => part?,
        };
        part.write_all(&chunk.bytes)?;
        part.write_all(&key.appended(chunk))?;
        part.persist(self.config.folder.join(key.file()))?;
        Ok(())
    }

    /// Lists the folder and removes leftovers. Then removes the least recently used chunks until `room` bytes
    /// and a sixteenth of the capacity are free.
    fn make_room(&mut self, room: u64) -> io::Result<()> {
        let DiskCacheConfig { folder, bytes } = &self.config;
        let mut held = 0;
        let mut chunks = Vec::new();
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            entries => Some(entries?),
        };
        for entry in entries.into_iter().flatten() {
            let entry = entry?;
            let file = entry.file_name().to_str().and_then(CacheFile::from_name);
            // If a file has no metadata, somebody has just removed it.
            let (Some(file), Ok(metadata)) = (file, entry.metadata()) else { continue };
            let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            match file {
                // A time in the future comes from a node whose clock is ahead. That node may still write the file.
                CacheFile::Part
                    if modified.elapsed().is_ok_and(|age| age >= LEFTOVER_AGE) && remove(&entry.path()) =>
                {
                    continue;
                }
                CacheFile::Part => {}
                CacheFile::Chunk(key) => chunks.push((modified, size_on_disk(metadata.len()), key)),
            }
            held = u64::saturating_add(held, size_on_disk(metadata.len()));
        }
        chunks.sort_unstable_by_key(|(modified, ..)| *modified);
        let limit = bytes.saturating_sub(room.max(bytes / SHARE));
        for (_, size, key) in chunks {
            if held <= limit {
                break;
            }
            if remove(&folder.join(key.file())) {
                held = held.saturating_sub(size);
                self.counters.evictions.add(1);
            }
        }
        self.held = held;
        self.since_listing = Some(0);
        self.counters.bytes.store(held, Ordering::Relaxed);
        Ok(())
    }

    /// Logs an error, once for each kind.
    fn warn(&mut self, error: &io::Error) {
        let kind = error.kind();
        if !self.warned.contains(&kind) {
            tracing::warn!(
                "cannot keep chunks in {}: {kind}; the node encodes them again at each start. Check \
                 server.disk_cache_dir and its disk, or set server.disk_cache to 0B",
                self.config.folder.display()
            );
            self.warned.push(kind);
        }
    }
}

/// Removes a file. Returns true if it is gone; another node may have removed it first.
pub(super) fn remove(file: &Path) -> bool {
    match fs::remove_file(file) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Space on disk that a file of that length takes, in bytes.
fn size_on_disk(length: u64) -> u64 {
    length.div_ceil(BLOCK).saturating_mul(BLOCK)
}
