use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock, atomic::AtomicBool},
    time::Duration,
};

use media_protocol::{ErrorCode, List, ListPage, Track, TrackId, WireError};

use super::{
    added_times::AddedTimes,
    error::CatalogError,
    folders::{Folders, FoundFiles},
    listing::Listing,
    open_files::OpenFiles,
    open_track::OpenTrack,
    scan::headers::{measure, read_headers},
    scope::Scope,
    skipped::Skipped,
    track_file::{FileEntry, ScannedEntry, TrackFile},
};

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
    folders: RwLock<Arc<Folders>>,
    /// All files of the last scan, in library order. Locked for the length of a scan, so scans run one at a
    /// time.
    scanned: Mutex<Vec<ScannedEntry>>,
    /// Locked while lengths are measured.
    measuring: Mutex<()>,
    listing: RwLock<Arc<Listing>>,
    open_files: OpenFiles,
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
        let folders = Folders::new(paths, follow_links, index)?;
        let scanned = folders.recall();
        let listing = Listing::new(scanned.iter(), Vec::new(), Vec::new(), true);
        Ok(Self {
            folders: RwLock::new(Arc::new(folders)),
            scanned: Mutex::new(scanned),
            measuring: Mutex::default(),
            listing: RwLock::new(Arc::new(listing)),
            open_files: OpenFiles::new(),
        })
    }

    /// Replaces the folders. The tracks stay as they are until the next [`Catalog::rescan`]. Asks the system for
    /// the paths, and waits for no scan.
    ///
    /// # Errors
    /// [`CatalogError::Unreadable`] if a path cannot be read; the catalog then keeps its folders.
    pub fn set_folders(
        &self,
        paths: &[PathBuf],
        follow_links: bool,
        index: Option<&Path>,
    ) -> Result<(), CatalogError> {
        let folders = Arc::new(Folders::new(paths, follow_links, index)?);
        *self.folders.write().unwrap_or_else(PoisonError::into_inner) = folders;
        Ok(())
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
        let folders = self.folders();
        // Files in the index of new folders need not be opened again.
        let recalled = folders.recall();
        let known = scanned.iter().chain(&recalled);
        let FoundFiles { entries, skipped, away } = folders.find_files(&known)?;
        let mut found = known_entries(&entries, known);
        let missing: Vec<_> = (0..found.len()).filter(|position| found[*position].is_none()).collect();
        let is_unchanged = missing.is_empty() && recalled.is_empty() && found.len() == scanned.len();
        let before = self.listing();
        if is_unchanged && !before.is_scanning() && before.len() > 0 && before.away() == away {
            return Ok(false);
        }
        let times = AddedTimes::new(&scanned);
        let added = |entry: &FileEntry| times.of(entry);
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
                folders.save(found.iter().flatten());
            }
            let batch;
            (batch, rest) = rest.split_at(rest.len().min((known / 4).max(FIRST_BATCH)));
            read_headers(&entries, batch, added, |position, entry| found[position] = Some(entry));
        }
        if self.is_empty() {
            // `scanned` and the index keep their entries, since the disk may come back.
            return Err(folders.empty_error(&self.skipped()));
        }
        if !is_unchanged {
            folders.save(found.iter().flatten());
        }
        *scanned = found.into_iter().flatten().collect();
        self.listing().prepare();
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
        self.folders().save(scanned.iter());
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
        Scope::new(folders, self.folders().roots())
    }

    /// Tells if a track exists in `scope`. Does not access the disk.
    pub(crate) fn contains(&self, id: &TrackId, scope: &Scope) -> bool {
        self.listing().contains(id, scope)
    }

    /// The entry of a track, with its place in the whole library. Does not access the disk.
    #[must_use]
    pub fn track(&self, id: &TrackId) -> Option<Track> {
        Some(self.listing().find(id, &Scope::All)?.1)
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
        let is_of_file = matches!(error.code, ErrorCode::UnknownTrack | ErrorCode::Unreadable);
        if !is_of_file || !self.folders().is_file_away(path) {
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

    fn folders(&self) -> Arc<Folders> {
        Arc::clone(&self.folders.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The refusal for a track that does not exist, or that the caller may not see.
pub(crate) fn unknown_track(id: &TrackId) -> WireError {
    WireError::new(ErrorCode::UnknownTrack, format!("no track {id} here; list the tracks again"))
}

/// The earlier result for each entry that did not change.
fn known_entries<'a>(
    entries: &[FileEntry],
    scanned: impl Iterator<Item = &'a ScannedEntry>,
) -> Vec<Option<ScannedEntry>> {
    let known: HashMap<_, _> = scanned.map(|scanned| (scanned.entry(), scanned)).collect();
    entries.iter().map(|entry| known.get(entry).copied().cloned()).collect()
}
