use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak, atomic::AtomicBool, mpsc},
};

use lru::LruCache;
use media_protocol::{ErrorCode, Track, WireError};

use super::{
    error::unreadable,
    open_file::{IdleReaders, OpenFile},
    open_track::OpenTrack,
    track_file::{FileEntry, TrackFile},
};
use crate::source::{ReadStop, SourceError};

/// Greatest number of open files that are kept, since opening some formats means reading the whole file. An entry
/// takes a few kilobytes, or about 50 kB with the seek index of a long MP3, and no file descriptor. Tested by
/// `the_least_recently_used_files_are_forgotten`.
const MAX_REMEMBERED: usize = 1024;

/// A file that is open or that a user is opening. Other users of the file wait for that one.
type Slot = Arc<OnceLock<Result<Arc<OpenFile>, FailedOpening>>>;

/// A file that could not be opened.
#[derive(Debug, Clone)]
struct FailedOpening {
    refusal: WireError,
    /// The file as it was, if its content is at fault. A disk that fails may recover.
    damaged: Option<FileEntry>,
}

impl FailedOpening {
    fn new(file: &TrackFile, error: &SourceError) -> Self {
        let is_lasting = match error {
            SourceError::Io { .. } | SourceError::TooManyOpenFiles { .. } | SourceError::Changed { .. } => {
                false
            }
            SourceError::Stopped { stop, .. } => matches!(stop, ReadStop::Bytes(_)),
            _ => true,
        };
        let damaged = FileEntry::read(&file.entry.path).filter(|_| is_lasting);
        Self { refusal: unreadable(&file.title, error), damaged }
    }

    /// True if the file would fail again, since it has not changed.
    fn is_current(&self) -> bool {
        self.damaged.as_ref().is_some_and(|entry| FileEntry::read(&entry.path).as_ref() == Some(entry))
    }
}

/// The most recently used files, each opened once.
#[derive(Debug)]
pub(super) struct OpenFiles {
    slots: Mutex<LruCache<PathBuf, Slot>>,
    idle: Arc<IdleReaders>,
    /// Sends long tracks to the thread that builds their seek indexes, one at a time. The thread ends when this
    /// sender is dropped.
    long: mpsc::Sender<Weak<OpenFile>>,
}

impl OpenFiles {
    pub(super) fn new() -> Self {
        let (long, opened) = mpsc::channel::<Weak<OpenFile>>();
        let build = move || {
            opened.iter().filter_map(|file| file.upgrade()).for_each(|file| file.build_seek_index());
        };
        // If the thread cannot start, the first distant seek in a track builds the index.
        let _ = std::thread::Builder::new().name("seek-index".into()).spawn(build);
        Self { slots: Mutex::new(LruCache::unbounded()), idle: Arc::default(), long }
    }

    /// Opens the `track` in `file`. Keeps neither failures nor files that are gone, so the next call tries again.
    ///
    /// # Errors
    /// `UnknownTrack` if the file is gone or replaced, `Unreadable` if it cannot be decoded.
    pub(super) fn open(
        &self,
        file: &TrackFile,
        track: &Track,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<Arc<OpenTrack>, WireError> {
        let slot = self.slot(&file.entry.path);
        let open = || self.open_now(file, cancelled);
        check_unchanged(file).inspect_err(|_| self.forget(&file.entry.path, &slot))?;
        let mut is_ours = false;
        let opened = slot.get_or_init(|| {
            is_ours = true;
            open()
        });
        let is_current = match opened {
            Ok(opened) => opened.source.is_current(),
            Err(failed) => failed.is_current(),
        };
        if !is_current {
            self.forget(&file.entry.path, &slot);
        }
        // The slot holds an earlier file of the same size, a failure of the disk, or another user's cancelled opening.
        let is_outdated = !is_current && (opened.is_ok() || !is_ours);
        let opened = if is_outdated { open() } else { opened.clone() };
        opened.map(|opened| Arc::new(OpenTrack::new(track, opened))).map_err(|failed| failed.refusal)
    }

    fn open_now(
        &self,
        file: &TrackFile,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<Arc<OpenFile>, FailedOpening> {
        let open = || OpenFile::open(&file.entry.path, &self.idle, cancelled).map(Arc::new);
        let mut opened = open();
        if matches!(opened, Err(SourceError::TooManyOpenFiles { .. })) && self.idle.close() {
            opened = open();
        }
        if let Ok(opened) = &opened
            && opened.is_long()
        {
            let _ = self.long.send(Arc::downgrade(opened));
        }
        opened.map_err(|error| FailedOpening::new(file, &error))
    }

    /// True if `file` is open, so that [`OpenFiles::open`] returns at once.
    pub(super) fn is_open(&self, file: &TrackFile) -> bool {
        self.lock().peek(&file.entry.path).is_some_and(|slot| slot.get().is_some_and(Result::is_ok))
    }

    fn slot(&self, path: &Path) -> Slot {
        let mut slots = self.lock();
        let slot = slots.get_or_insert(path.to_owned(), Slot::default).clone();
        while slots.len() > MAX_REMEMBERED {
            slots.pop_lru();
        }
        slot
    }

    /// Removes `slot`, unless another user has replaced it already.
    fn forget(&self, path: &Path, slot: &Slot) {
        let mut slots = self.lock();
        if slots.peek(path).is_some_and(|current| Arc::ptr_eq(current, slot)) {
            slots.pop(path);
        }
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<PathBuf, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses a file that is gone, has another size, or became a link to another place since the scan.
fn check_unchanged(file: &TrackFile) -> Result<(), WireError> {
    let path = &file.entry.path;
    let found = path.canonicalize().and_then(|real| Ok((real.metadata()?.len(), real)));
    let problem = match found {
        Ok((size, real)) if real == *path && size == file.entry.size => return Ok(()),
        Ok(_) => "has changed on the node's disk",
        Err(_) => "is no longer on the node's disk",
    };
    tracing::warn!(path = %path.display(), "this track {problem}");
    let message = format!("{:?} {problem}; list the tracks again in a while", file.title);
    Err(WireError::new(ErrorCode::UnknownTrack, message))
}

#[cfg(test)]
mod tests;
