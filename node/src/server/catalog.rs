//! The tracks that this node serves: found, named, followed as they change on the disk, and opened when somebody asks.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use media_protocol::{ErrorCode, List, ListPage, TrackId, WireError};

mod describe;
mod file;
mod index;
mod open;
mod order;
mod scan;
mod snapshot;
mod walk;

use file::Look;
use index::Index;
pub(super) use open::OpenTrack;
use open::Sources;
use snapshot::Snapshot;

use crate::source::formats;

/// A file that is not served.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Skipped {
    /// The file.
    pub path: PathBuf,
    /// Why, in words.
    pub reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

/// Why there is nothing to serve. One line for a person.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// A path that was given cannot be read.
    #[error("cannot read {path}: {cause}; check the path and its permissions", path = .path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// No track in any of the paths.
    #[error("no audio files found under {paths}; supported: {endings}{skipped}", endings = endings())]
    Empty {
        /// The paths that were given.
        paths: String,
        /// How many files were skipped and why the first was, or nothing.
        skipped: String,
    },
}

/// The tracks, in the order that `ls` numbers. Shared by all sessions, which each see a snapshot; no lock is held while
/// the disk is read for one of them.
#[derive(Debug)]
pub struct Catalog {
    paths: Vec<PathBuf>,
    follow_links: bool,
    index: Option<Index>,
    /// All that the last scan looked at, in order. Held for the length of a scan, so there is one at a time.
    looks: Mutex<Vec<Look>>,
    now: RwLock<Arc<Snapshot>>,
    sources: Sources,
}

impl Catalog {
    /// Finds the tracks under `paths`, files or folders, in the order given and naturally sorted within each. Reads
    /// headers and tags only, on a few threads; blocks on the disk for as long as that takes.
    ///
    /// Only what lies under `paths` is ever served. Files whose names begin with a dot are passed over; symbolic links
    /// are followed only with `follow_links`.
    ///
    /// # Errors
    /// [`CatalogError`] when a path cannot be read or when there is no track at all.
    pub fn scan(paths: &[PathBuf], follow_links: bool) -> Result<Self, CatalogError> {
        let catalog = Self::recall(paths, follow_links, None)?;
        catalog.rescan()?;
        Ok(catalog)
    }

    /// What the index in the folder `index` remembers of `paths`, or nothing: to be served at once, while
    /// [`Catalog::rescan`] brings it up to date and the index with it. Reads one file.
    ///
    /// # Errors
    /// [`CatalogError::Unreadable`] when a path cannot be read. An index that is damaged, or of something else, is
    /// passed over.
    pub fn recall(paths: &[PathBuf], follow_links: bool, index: Option<&Path>) -> Result<Self, CatalogError> {
        let real = |path: &PathBuf| {
            path.canonicalize().map_err(|cause| CatalogError::Unreadable { path: path.clone(), cause })
        };
        let roots = paths.iter().map(real).collect::<Result<Vec<_>, _>>()?;
        let index = index.map(|folder| Index::new(folder, roots, follow_links));
        let files = index.as_ref().map(Index::load).unwrap_or_default();
        let looks: Vec<_> = files.into_iter().map(|file| Look::Track(Arc::new(file))).collect();
        let now = RwLock::new(Arc::new(Snapshot::new(looks.iter(), Vec::new(), true)));
        let (paths, sources) = (paths.to_vec(), Sources::new());
        Ok(Self { paths, follow_links, index, looks: Mutex::new(looks), now, sources })
    }

    /// How many tracks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.now().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The files that looked like audio and are not served: each is worth one warning.
    #[must_use]
    pub fn skipped(&self) -> Vec<Skipped> {
        self.now().skipped().to_vec()
    }

    /// The tracks that `list` asks for, within [`List::MAX`] and [`List::MAX_ANSWER`].
    #[must_use]
    pub fn list(&self, list: &List) -> ListPage {
        self.now().list(list)
    }

    /// The track, opened, or as somebody else opened it. Blocks on the disk; for some formats it reads the whole file
    /// the first time.
    ///
    /// # Errors
    /// `UnknownTrack` when there is no such track, or no longer; `Unreadable` when it cannot be decoded.
    pub(super) fn open(&self, id: &TrackId) -> Result<Arc<OpenTrack>, WireError> {
        let unknown =
            || WireError::new(ErrorCode::UnknownTrack, format!("no track {id} here; list the tracks again"));
        let (file, track) = self.now().find(id).ok_or_else(unknown)?;
        self.sources.open(&file, &track)
    }

    /// Whether [`Catalog::open`] would find the track open. Does not touch the disk.
    pub(super) fn is_open(&self, id: &TrackId) -> bool {
        self.now().find(id).is_some_and(|(file, _)| self.sources.is_open(&file))
    }

    /// When the track's file was last written to, as of the last look at the disk, in nanoseconds since 1970; 0 where the
    /// system does not say. `None` for a track that is not, or no longer, here. Does not touch the disk.
    pub(super) fn written(&self, id: &TrackId) -> Option<u64> {
        self.now().written(id)
    }

    fn now(&self) -> Arc<Snapshot> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn publish(&self, snapshot: Snapshot) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }
}

/// Endings of the names of audio files, for a message.
fn endings() -> String {
    let mut endings: Vec<_> = formats::endings().collect();
    endings.sort_unstable();
    endings.join(", ")
}
