//! The tracks that this node serves: found once, named, and opened when somebody asks.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use media_protocol::{ErrorCode, List, ListPage, Track, TrackId, WireError};

mod describe;
mod open;
mod order;
mod walk;

pub(super) use open::OpenTrack;
use open::Sources;

/// What the names of audio files end with.
const ENDINGS: [&str; 14] =
    ["aac", "aif", "aifc", "aiff", "flac", "m4a", "m4b", "mp3", "mp4", "oga", "ogg", "opus", "wav", "wave"];

/// A file that is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    #[error("no audio files found under {paths}; supported: {endings}{skipped}", endings = ENDINGS.join(", "))]
    Empty {
        /// The paths that were given.
        paths: String,
        /// How many files were skipped and why the first was, or nothing.
        skipped: String,
    },
}

/// A file and what a listener sees of it.
#[derive(Debug)]
struct Entry {
    track: Track,
    /// Absolute, no symbolic link in it.
    path: PathBuf,
    size: u64,
    /// What a search looks through, in lower case.
    words: String,
}

/// The tracks, in the order that `ls` numbers. Shared by all sessions.
#[derive(Debug)]
pub struct Catalog {
    entries: Vec<Entry>,
    by_id: HashMap<TrackId, usize>,
    skipped: Vec<Skipped>,
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
        let (mut seen, mut skipped, mut candidates) = (HashSet::new(), Vec::new(), Vec::new());
        for path in paths {
            let found = walk::walk(path, follow_links, is_audio, &mut seen, &mut skipped);
            let found = found.map_err(|cause| CatalogError::Unreadable { path: path.clone(), cause })?;
            candidates.extend(found);
        }
        let (entries, bad) = describe::all(candidates);
        skipped.extend(bad);
        if entries.is_empty() {
            return Err(empty(paths, &skipped));
        }
        let by_id = entries.iter().enumerate().map(|(place, it)| (it.track.id.clone(), place)).collect();
        Ok(Self { entries, by_id, skipped, sources: Sources::new() })
    }

    /// How many tracks there are; at least 1.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none; a catalog that could be made has some.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The files that looked like audio and are not served: each is worth one warning.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The tracks that `list` asks for, within [`List::MAX`] and [`List::MAX_ANSWER`].
    #[must_use]
    pub fn list(&self, list: &List) -> ListPage {
        let search = list.search.to_lowercase();
        let words: Vec<_> = search.split_whitespace().collect();
        let matching = || self.entries.iter().filter(|it| words.iter().all(|word| it.words.contains(word)));
        let limit = list.limit.min(List::MAX) as usize;
        // What is not tracks in an answer takes less than this.
        let mut room = List::MAX_ANSWER - 1024;
        let size = |it: &Track| serde_json::to_vec(it).map_or(usize::MAX, |it| it.len() + 1);
        let fits = |it: &&Track| room.checked_sub(size(it)).map(|left| room = left).is_some();
        let page = matching().map(|it| &it.track).skip(list.offset as usize).take(limit).take_while(fits);
        let tracks = page.cloned().collect();
        ListPage { total: u32::try_from(matching().count()).unwrap_or(u32::MAX), tracks }
    }

    /// The track, opened, or as somebody else opened it. Blocks on the disk; for some formats it reads the whole file
    /// the first time.
    ///
    /// # Errors
    /// `UnknownTrack` when there is no such track, or no longer; `Unreadable` when it cannot be decoded.
    pub(super) fn open(&self, id: &TrackId) -> Result<Arc<OpenTrack>, WireError> {
        let unknown =
            || WireError::new(ErrorCode::UnknownTrack, format!("no track {id} here; list the tracks again"));
        let entry = self.by_id.get(id).and_then(|it| self.entries.get(*it)).ok_or_else(unknown)?;
        self.sources.open(entry)
    }
}

fn is_audio(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    ENDINGS.contains(&ending.as_str())
}

fn empty(paths: &[PathBuf], skipped: &[Skipped]) -> CatalogError {
    let paths: Vec<_> = paths.iter().map(|it| it.display().to_string()).collect();
    let skipped = match skipped {
        [] => String::new(),
        [first, ..] => format!(" ({} skipped, the first: {first})", skipped.len()),
    };
    CatalogError::Empty { paths: paths.join(", "), skipped }
}
