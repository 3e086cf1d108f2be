//! The one thread that writes chunks to disk, and removes those that were used longest ago.
//!
//! It keeps no list of them: each time a sixteenth of the room was written it looks through the folder and leaves a sixteenth
//! free. So memory does not grow with the cache (but for 56 bytes a chunk during that look), and what others do in the folder
//! is noticed.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    sync::{Arc, atomic::Ordering, mpsc::Receiver},
    time::{Duration, SystemTime},
};

use blake3::OUT_LEN;
use bytes::Bytes;

use super::{DiskCacheConfig, Figures, Name, name::Kept};

/// What a file takes is counted in these.
const BLOCK: u64 = 4096;
/// What part of the room is written between two looks.
const SHARE: u64 = 16;
/// What is still being written after so long was left over by a node that ended.
const LEFT_OVER: Duration = Duration::from_secs(10 * 60);

pub(super) struct Writer {
    config: DiskCacheConfig,
    figures: Arc<Figures>,
    /// Bytes that are there, at most, unless others write as well.
    held: u64,
    /// Bytes that were written since the last look; `None` before the first.
    written: Option<u64>,
    /// What was told of already.
    told: Vec<io::ErrorKind>,
}

impl Writer {
    pub(super) fn new(config: DiskCacheConfig, figures: Arc<Figures>) -> Self {
        Self { config, figures, held: 0, written: None, told: Vec::new() }
    }

    /// Looks through the folder, then writes what comes until nobody can send any more.
    pub(super) fn run(mut self, chunks: &Receiver<(Name, Bytes)>) {
        if let Err(error) = self.make_room(0) {
            self.tell(&error);
        }
        for (name, chunk) in chunks {
            match self.keep(&name, &chunk) {
                Ok(()) => self.figures.writes.add(1),
                Err(error) => {
                    self.figures.unwritten.add(1);
                    self.tell(&error);
                }
            }
        }
    }

    /// Writes a chunk, after making room for it.
    ///
    /// # Errors
    /// As the system says; nothing is left behind.
    pub(super) fn keep(&mut self, name: &Name, chunk: &[u8]) -> io::Result<()> {
        let cost = cost((chunk.len() + OUT_LEN) as u64);
        if cost > self.config.bytes {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let is_due = self.written.is_none_or(|it| it + cost > self.config.bytes / SHARE);
        if is_due || self.held.saturating_add(cost) > self.config.bytes {
            self.make_room(cost)?;
        }
        if self.held.saturating_add(cost) > self.config.bytes {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        self.write(name, chunk)?;
        self.held += cost;
        self.written = self.written.map(|it| it + cost);
        self.figures.bytes.store(self.held, Ordering::Relaxed);
        Ok(())
    }

    /// Under another name first, so that nobody reads half of it.
    fn write(&self, name: &Name, chunk: &[u8]) -> io::Result<()> {
        let (before, after) = name.part();
        let make = || tempfile::Builder::new().prefix(&before).suffix(after).tempfile_in(&self.config.folder);
        let mut part = match make() {
            // Somebody has removed the folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(&self.config.folder)?;
                make()?
            }
            part => part?,
        };
        part.write_all(chunk)?;
        part.write_all(name.seal(chunk).as_bytes())?;
        part.persist(self.config.folder.join(name.file()))?;
        Ok(())
    }

    /// Looks through the folder: removes what is left over, and what was used longest ago until `room` bytes, and a
    /// sixteenth of all, are free.
    fn make_room(&mut self, room: u64) -> io::Result<()> {
        let DiskCacheConfig { folder, bytes } = &self.config;
        let (mut held, mut chunks) = (0, Vec::new());
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            entries => Some(entries?),
        };
        for entry in entries.into_iter().flatten() {
            let entry = entry?;
            let kept = entry.file_name().to_str().and_then(Kept::of);
            // What is no longer there takes no room.
            let (Some(kept), Ok(metadata)) = (kept, entry.metadata()) else { continue };
            let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            match kept {
                Kept::Part if modified.elapsed().is_ok_and(|age| age >= LEFT_OVER) && free(&entry.path()) => {
                    continue;
                }
                // Perhaps still being written, by a clock that is ahead of ours if its time has not come yet.
                Kept::Part => {}
                Kept::Chunk(name) => chunks.push((modified, cost(metadata.len()), name)),
            }
            held = u64::saturating_add(held, cost(metadata.len()));
        }
        chunks.sort_unstable_by_key(|(modified, ..)| *modified);
        let most = bytes.saturating_sub(room.max(bytes / SHARE));
        for (_, cost, name) in chunks {
            if held <= most {
                break;
            }
            if free(&folder.join(name.file())) {
                held = held.saturating_sub(cost);
                self.figures.evictions.add(1);
            }
        }
        (self.held, self.written) = (held, Some(0));
        self.figures.bytes.store(held, Ordering::Relaxed);
        Ok(())
    }

    /// Warns, once for each kind of trouble, however many chunks meet it.
    fn tell(&mut self, error: &io::Error) {
        let (kind, folder) = (error.kind(), self.config.folder.display());
        if !self.told.contains(&kind) {
            tracing::warn!(
                "cannot keep chunks in {folder}: {kind}; they are encoded at each start instead. Check \
                 server.disk_cache_dir and its disk, or set server.disk_cache to 0B"
            );
            self.told.push(kind);
        }
    }
}

/// Removes a file. Returns whether it is gone, which another node may have seen to.
pub(super) fn free(file: &Path) -> bool {
    match fs::remove_file(file) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// What a file of so many bytes takes.
fn cost(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK).saturating_mul(BLOCK)
}
