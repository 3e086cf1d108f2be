use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock, atomic::AtomicBool},
    time::Duration,
};

use media_protocol::{ErrorCode, List, ListPage, TrackId, WireError};

use super::{
    error::CatalogError,
    index::Index,
    listing::Listing,
    open_files::OpenFiles,
    open_track::OpenTrack,
    root::Root,
    scan::{
        folder_walk::walk,
        headers::{measure, read_headers},
        natural_order::compare_paths,
    },
    scope::Scope,
    skipped::{SkipReason, Skipped},
    track_file::{FileEntry, ScannedEntry, TrackFile},
};
use crate::source::formats::by_ending;

/// Number of files whose headers a scan reads before it publishes the first tracks. Each later batch is a
/// quarter of the files known by then, so that publishing takes a fixed share of the scan's time.
const FIRST_BATCH: usize = 64;

/// Time after which a client may retry a track whose disk is away. Its player retries as long as its
/// `playback.give_up` says.
const AWAY_RETRY: Duration = Duration::from_secs(2);

/// Number of files that [`Catalog::measure_lengths`] reads before it publishes their lengths.
const MEASURED_BATCH: usize = 64;

/// The tracks in library order, shared by all users of this node. Each call works on an immutable
/// `Listing`; no lock is held while a call reads the disk.
#[derive(Debug)]
pub struct Catalog {
    paths: Vec<PathBuf>,
    /// The same places without symbolic links.
    roots: Vec<Root>,
    follow_links: bool,
    index: Option<Index>,
    /// All files of the last scan, in library order. Locked for the length of a scan, so scans run one at a
    /// time.
    scanned: Mutex<Vec<ScannedEntry>>,
    /// Locked while lengths are measured.
    measuring: Mutex<()>,
    listing: RwLock<Arc<Listing>>,
    open_files: OpenFiles,
}

/// The files below the owner's folders.
struct FoundFiles {
    /// In library order.
    entries: Vec<FileEntry>,
    skipped: Vec<Skipped>,
    /// Folders whose disk is away. Their files are those of the last scan.
    away: Vec<PathBuf>,
}

impl Catalog {
    /// Finds the tracks below `paths`, which are files or folders. Keeps the order of `paths`, with natural order
    /// within each folder. Reads only headers and tags, on a few threads. Blocks on the disk.
    ///
    /// Nothing outside of `paths` is ever served. Names that begin with a dot are skipped; symbolic links are
    /// followed only with `follow_links`.
    ///
    /// # Errors
    /// [`CatalogError`] if a path cannot be read or there is no track.
    pub fn scan(paths: &[PathBuf], follow_links: bool) -> Result<Self, CatalogError> {
        let catalog = Self::recall(paths, follow_links, None)?;
        catalog.rescan()?;
        Ok(catalog)
    }

    /// The tracks of `paths` from the index in the folder `index`. Without an index, there are no tracks yet. The
    /// node can serve the tracks at once; [`Catalog::rescan`] then brings them and the index up to date. Reads
    /// one file.
    ///
    /// # Errors
    /// [`CatalogError::Unreadable`] if a path cannot be read. A damaged or foreign index is ignored.
    pub fn recall(paths: &[PathBuf], follow_links: bool, index: Option<&Path>) -> Result<Self, CatalogError> {
        let root = |path: &PathBuf| {
            Root::new(path).map_err(|cause| CatalogError::Unreadable { path: path.clone(), cause })
        };
        let roots = paths.iter().map(root).collect::<Result<Vec<_>, _>>()?;
        let root_paths = roots.iter().map(|root| root.path.clone()).collect();
        let index = index.map(|folder| Index::new(folder, root_paths, follow_links));
        let scanned = index.as_ref().map(Index::load).unwrap_or_default();
        let listing = Listing::new(scanned.iter(), Vec::new(), Vec::new(), true);
        Ok(Self {
            paths: paths.to_vec(),
            roots,
            follow_links,
            index,
            scanned: Mutex::new(scanned),
            measuring: Mutex::default(),
            listing: RwLock::new(Arc::new(listing)),
            open_files: OpenFiles::new(),
        })
    }

    /// Scans the folders again: adds, removes and changes tracks while they are served. Does not open files with
    /// unchanged path, size and time of change, and so retries an unreadable file only after a change. New
    /// tracks appear in batches, in library order. During the first scan, a published track number stays the
    /// same. In later scans, numbers shift when tracks before them come or go.
    ///
    /// Blocks on the disk. One scan runs at a time, other callers wait. Returns true if anything changed.
    ///
    /// # Errors
    /// [`CatalogError::Unreadable`] if a path cannot be read; the tracks then stay as they were.
    /// [`CatalogError::Empty`] if no track is left.
    pub fn rescan(&self) -> Result<bool, CatalogError> {
        let mut scanned = self.scanned.lock().unwrap_or_else(PoisonError::into_inner);
        let FoundFiles { entries, skipped, away } = self.find_files(&scanned)?;
        let mut found = known_entries(&entries, &scanned);
        let missing: Vec<_> = (0..found.len()).filter(|position| found[*position].is_none()).collect();
        let is_unchanged = missing.is_empty() && found.len() == scanned.len();
        let before = self.listing();
        if is_unchanged && !before.is_scanning() && before.len() > 0 && before.away() == away {
            return Ok(false);
        }
        let mut rest = missing.as_slice();
        let mut saved = found.len() - rest.len();
        loop {
            let is_scanning = !rest.is_empty();
            self.publish(Listing::new(found.iter().flatten(), skipped.clone(), away.clone(), is_scanning));
            if rest.is_empty() {
                break;
            }
            let known = found.len() - rest.len();
            // If somebody interrupts a long scan, the next one continues from the last save.
            if known >= 2 * saved.max(FIRST_BATCH) {
                saved = known;
                self.save(found.iter().flatten());
            }
            let batch;
            (batch, rest) = rest.split_at(rest.len().min((known / 4).max(FIRST_BATCH)));
            read_headers(&entries, batch, |position, entry| found[position] = Some(entry));
        }
        if self.is_empty() {
            // `scanned` and the index keep their entries, since the disk may come back.
            return Err(self.empty_error());
        }
        if !is_unchanged {
            self.save(found.iter().flatten());
        }
        *scanned = found.into_iter().flatten().collect();
        Ok(true)
    }

    /// Reads through the tracks whose headers do not tell their length, and publishes their lengths. Tracks that cannot be opened
    /// become skipped files. Blocks on the disk. Scans run meanwhile, and the tracks that they add are measured too. Does nothing
    /// while another call runs.
    pub fn measure_lengths(&self) {
        let Ok(_turn) = self.measuring.try_lock() else { return };
        let mut tried = HashSet::new();
        loop {
            let batch = self.unmeasured(&tried);
            if batch.is_empty() {
                break;
            }
            let measured = batch.iter().map(|file| (file.entry.clone(), measure(file)));
            let measured = measured.filter(|(_, entry)| !entry.is_unreadable()).collect();
            tried.extend(batch.iter().map(|file| file.entry.clone()));
            self.replace(measured);
        }
    }

    /// Some of the tracks of unknown length that were not tried.
    fn unmeasured(&self, tried: &HashSet<FileEntry>) -> Vec<Arc<TrackFile>> {
        let scanned = self.scanned.lock().unwrap_or_else(PoisonError::into_inner);
        let tracks = scanned.iter().filter_map(ScannedEntry::track);
        let unknown = tracks.filter(|file| file.duration_ms == 0 && !tried.contains(&file.entry));
        unknown.take(MEASURED_BATCH).cloned().collect()
    }

    /// Replaces the results for files that have not changed meanwhile, publishes and saves.
    fn replace(&self, mut measured: HashMap<FileEntry, ScannedEntry>) {
        let mut scanned = self.scanned.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in scanned.iter_mut() {
            if let Some(new) = measured.remove(entry.entry()) {
                *entry = new;
            }
        }
        let listing = self.listing();
        let folders = listing.unreadable_folders().to_vec();
        let away = listing.away().to_vec();
        self.publish(Listing::new(scanned.iter(), folders, away, listing.is_scanning()));
        self.save(scanned.iter());
    }

    /// Number of tracks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.listing().len()
    }

    /// True if there are no tracks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of tracks whose disk was away at the last scan.
    #[must_use]
    pub fn away(&self) -> usize {
        self.listing().away_len()
    }

    /// Files with the name of an audio file that the node does not serve.
    #[must_use]
    pub fn skipped(&self) -> Vec<Skipped> {
        self.listing().skipped().to_vec()
    }

    /// The requested page, cut to [`List::MAX`] tracks and [`List::MAX_ANSWER`] bytes.
    #[must_use]
    pub fn list(&self, list: &List) -> ListPage {
        self.list_in(list, &Scope::All)
    }

    /// As [`Catalog::list`], for a caller that sees the tracks of `scope` only.
    pub(crate) fn list_in(&self, list: &List, scope: &Scope) -> ListPage {
        self.listing().page(list, scope)
    }

    /// The tracks below these folders, each below any of the catalog's paths or absolute. No folders mean all tracks.
    pub(crate) fn scope(&self, folders: &[String]) -> Scope {
        Scope::new(folders, self.roots.iter().map(|root| root.path.as_path()))
    }

    /// Tells if a track exists in `scope`. Does not access the disk.
    pub(crate) fn contains(&self, id: &TrackId, scope: &Scope) -> bool {
        self.listing().contains(id, scope)
    }

    /// Opens a track. Users of the same file share the result. Blocks on the disk, and for some formats reads the
    /// whole file the first time.
    ///
    /// # Errors
    /// `UnknownTrack` if the track does not exist or its file is gone; `Unreadable` if it cannot be decoded;
    /// `Busy` if its disk is away.
    pub(crate) fn open(
        &self,
        id: &TrackId,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<Arc<OpenTrack>, WireError> {
        let (file, track) = self.listing().find(id, &Scope::All).ok_or_else(|| unknown_track(id))?;
        self.open_files.open(&file, &track, cancelled).map_err(|error| self.or_away(&file, error))
    }

    /// Returns the refusal for a track that cannot be read: `Busy` if its disk is away, or else `error`.
    /// Accesses the disk.
    pub(crate) fn unless_away(&self, id: &TrackId, error: WireError) -> WireError {
        match self.listing().find(id, &Scope::All) {
            Some((file, _)) => self.or_away(&file, error),
            None => error,
        }
    }

    fn or_away(&self, file: &TrackFile, error: WireError) -> WireError {
        let path = &file.entry.path;
        let root = self.roots.iter().find(|root| path.starts_with(&root.path));
        let is_of_file = matches!(error.code, ErrorCode::UnknownTrack | ErrorCode::Unreadable);
        if !is_of_file || !root.is_some_and(|root| root.is_file_away(path)) {
            return error;
        }
        WireError::busy(format!("the disk with {:?} is away from the node", file.title), AWAY_RETRY)
    }

    /// True if the track's file is open already, so that [`Catalog::open`] returns at once. Does not access the
    /// disk.
    pub(crate) fn is_open(&self, id: &TrackId) -> bool {
        self.listing().find(id, &Scope::All).is_some_and(|(file, _)| self.open_files.is_open(&file))
    }

    /// Time of change of a track's file at the last scan, in nanoseconds since 1970; 0 if the system does not
    /// tell. `None` for an unknown track. Does not access the disk.
    pub(crate) fn modified(&self, id: &TrackId) -> Option<u64> {
        self.listing().modified(id)
    }

    fn listing(&self) -> Arc<Listing> {
        Arc::clone(&self.listing.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(&self, listing: Listing) {
        *self.listing.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(listing);
    }

    fn find_files(&self, scanned: &[ScannedEntry]) -> Result<FoundFiles, CatalogError> {
        let mut seen = HashSet::new();
        let mut all = FoundFiles { entries: Vec::new(), skipped: Vec::new(), away: Vec::new() };
        for (path, root) in self.paths.iter().zip(&self.roots) {
            let mut skipped = Vec::new();
            let is_named_like_audio = |path: &Path| by_ending(path).is_some();
            let found = walk(path, self.follow_links, is_named_like_audio, &mut seen, &mut skipped);
            let is_away = found.as_ref().map_or(true, Vec::is_empty) && root.is_away();
            let mut missing = if is_away { vec![root.path.clone()] } else { Vec::new() };
            missing.extend(skipped.iter().map(|skipped| skipped.path.clone()));
            let mut entries = Vec::new();
            for folder in missing {
                let known =
                    scanned.iter().map(ScannedEntry::entry).filter(|file| file.path.starts_with(&folder));
                let kept: Vec<_> = known.filter(|file| seen.insert(file.path.clone())).cloned().collect();
                if kept.is_empty() {
                    continue;
                }
                skipped.retain(|skipped| skipped.path != folder);
                let reason = format!("its disk is away; its {} files stay listed", kept.len());
                skipped.push(Skipped { path: folder.clone(), reason: SkipReason::Unreadable(reason) });
                all.away.push(folder);
                entries.extend(kept);
            }
            match found {
                Ok(found) if entries.is_empty() => entries = found,
                Ok(found) => {
                    entries.extend(found);
                    entries.sort_by(|a, b| compare_paths(&a.path, &b.path));
                }
                Err(cause) if entries.is_empty() => {
                    return Err(CatalogError::Unreadable { path: path.clone(), cause });
                }
                Err(_) => {}
            }
            all.entries.extend(entries);
            all.skipped.extend(skipped);
        }
        Ok(all)
    }

    fn save<'a>(&self, scanned: impl Iterator<Item = &'a ScannedEntry>) {
        if let Some(index) = &self.index
            && let Err(error) = index.save(scanned)
        {
            tracing::warn!("cannot save the library's index, so the next start takes longer: {error}");
        }
    }

    fn empty_error(&self) -> CatalogError {
        let paths: Vec<_> = self.paths.iter().map(|path| path.display().to_string()).collect();
        let skipped = match self.skipped().as_slice() {
            [] => String::new(),
            [first, ..] => format!(" ({} skipped, the first: {first})", self.skipped().len()),
        };
        CatalogError::Empty { paths: paths.join(", "), skipped }
    }
}

/// The refusal for a track that does not exist, or that the caller may not see.
pub(crate) fn unknown_track(id: &TrackId) -> WireError {
    WireError::new(ErrorCode::UnknownTrack, format!("no track {id} here; list the tracks again"))
}

/// The earlier result for each entry that did not change.
fn known_entries(entries: &[FileEntry], scanned: &[ScannedEntry]) -> Vec<Option<ScannedEntry>> {
    let known: HashMap<_, _> = scanned.iter().map(|scanned| (scanned.entry(), scanned)).collect();
    entries.iter().map(|entry| known.get(entry).copied().cloned()).collect()
}
