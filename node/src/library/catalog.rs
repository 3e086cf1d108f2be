use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock, atomic::AtomicBool},
};

use media_protocol::{ErrorCode, List, ListPage, TrackId, WireError};

use super::{
    error::{CatalogError, Skipped},
    index::Index,
    listing::Listing,
    open_files::OpenFiles,
    open_track::OpenTrack,
    scan::{folder_walk::walk, headers::read_headers},
    track_file::{FileEntry, ScannedEntry},
};
use crate::source::formats::is_audio;

/// Number of files whose headers a scan reads before it publishes the first tracks. Each later batch is a
/// quarter of the files known by then, so that the cost of publishing stays in proportion to the scan.
const FIRST_BATCH: usize = 64;

/// The tracks in library order, shared by all users of this node. Each call works on an immutable
/// `Listing`; no lock is held while a call reads the disk.
#[derive(Debug)]
pub struct Catalog {
    paths: Vec<PathBuf>,
    follow_links: bool,
    index: Option<Index>,
    /// All files of the last scan, in library order. Locked for the length of a scan, so scans run one at a
    /// time.
    scanned: Mutex<Vec<ScannedEntry>>,
    listing: RwLock<Arc<Listing>>,
    open_files: OpenFiles,
}

impl Catalog {
    /// Finds the tracks below `paths`, files or folders, in the order given and in natural order within each.
    /// Reads headers and tags only, on a few threads. Blocks on the disk.
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

    /// The tracks of `paths` from the index in the folder `index`, or no tracks without one. They can be
    /// served at once; [`Catalog::rescan`] then brings them and the index up to date. Reads one file.
    ///
    /// # Errors
    /// [`CatalogError::Unreadable`] if a path cannot be read. A damaged or foreign index is ignored.
    pub fn recall(paths: &[PathBuf], follow_links: bool, index: Option<&Path>) -> Result<Self, CatalogError> {
        let real = |path: &PathBuf| {
            path.canonicalize().map_err(|cause| CatalogError::Unreadable { path: path.clone(), cause })
        };
        let roots = paths.iter().map(real).collect::<Result<Vec<_>, _>>()?;
        let index = index.map(|folder| Index::new(folder, roots, follow_links));
        let files = index.as_ref().map(Index::load).unwrap_or_default();
        let scanned: Vec<_> = files.into_iter().map(|file| ScannedEntry::Track(Arc::new(file))).collect();
        let listing = Listing::new(scanned.iter(), Vec::new(), true);
        Ok(Self {
            paths: paths.to_vec(),
            follow_links,
            index,
            scanned: Mutex::new(scanned),
            listing: RwLock::new(Arc::new(listing)),
            open_files: OpenFiles::new(),
        })
    }

    /// Scans the folders again: adds, removes and changes tracks while they are served. Files with unchanged
    /// path, size and time of change are not opened; a file that could not be read is retried only after a
    /// change. New tracks appear in batches, in library order. During the first scan a published track number
    /// is final; later numbers shift as tracks come and go before them.
    ///
    /// Blocks on the disk. One scan runs at a time, other callers wait. Returns whether anything changed.
    ///
    /// # Errors
    /// [`CatalogError::Unreadable`] leaves all as it was; [`CatalogError::Empty`] if no track is left.
    pub fn rescan(&self) -> Result<bool, CatalogError> {
        let mut scanned = self.scanned.lock().unwrap_or_else(PoisonError::into_inner);
        let (entries, skipped) = self.find_files()?;
        let mut found = known_entries(&entries, &scanned);
        let missing: Vec<_> = (0..found.len()).filter(|position| found[*position].is_none()).collect();
        let is_unchanged = missing.is_empty() && found.len() == scanned.len();
        // After the disk was away the listing is empty although all files are known.
        if is_unchanged && !self.is_empty() && !self.listing().is_scanning() {
            return Ok(false);
        }
        let mut rest = missing.as_slice();
        let mut saved = found.len() - rest.len();
        loop {
            self.publish(Listing::new(found.iter().flatten(), skipped.clone(), !rest.is_empty()));
            if rest.is_empty() {
                break;
            }
            let known = found.len() - rest.len();
            // Saving in between keeps the work of a long scan that is interrupted.
            if known >= 2 * saved.max(FIRST_BATCH) {
                saved = known;
                self.save(found.iter().flatten());
            }
            let batch;
            (batch, rest) = rest.split_at(rest.len().min((known / 4).max(FIRST_BATCH)));
            read_headers(&entries, batch, |position, entry| found[position] = Some(entry));
        }
        if self.is_empty() {
            // `scanned` and the index keep their entries: the disk may be away for a while only.
            return Err(self.empty_error());
        }
        if !is_unchanged {
            self.save(found.iter().flatten());
        }
        *scanned = found.into_iter().flatten().collect();
        Ok(true)
    }

    /// Number of tracks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.listing().len()
    }

    /// Returns whether there are no tracks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The files that are named like audio and not served.
    #[must_use]
    pub fn skipped(&self) -> Vec<Skipped> {
        self.listing().skipped().to_vec()
    }

    /// The requested page, cut to [`List::MAX`] tracks and [`List::MAX_ANSWER`] bytes.
    #[must_use]
    pub fn list(&self, list: &List) -> ListPage {
        self.listing().page(list)
    }

    /// Opens a track; users of the same file share the result. Blocks on the disk; some formats are read to
    /// the end the first time. Another thread ends the opening by setting `cancelled`.
    ///
    /// # Errors
    /// `UnknownTrack` if the track does not exist or its file is gone; `Unreadable` if it cannot be decoded.
    pub(crate) fn open(
        &self,
        id: &TrackId,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<Arc<OpenTrack>, WireError> {
        let unknown =
            || WireError::new(ErrorCode::UnknownTrack, format!("no track {id} here; list the tracks again"));
        let (file, track) = self.listing().find(id).ok_or_else(unknown)?;
        self.open_files.open(&file, &track, cancelled)
    }

    /// Returns whether [`Catalog::open`] would find the track's file open already. Does not access the disk.
    pub(crate) fn is_open(&self, id: &TrackId) -> bool {
        self.listing().find(id).is_some_and(|(file, _)| self.open_files.is_open(&file))
    }

    /// Time of change of a track's file at the last scan, in nanoseconds since 1970; 0 if the system does not
    /// say. `None` for an unknown track. Does not access the disk.
    pub(crate) fn modified(&self, id: &TrackId) -> Option<u64> {
        self.listing().modified(id)
    }

    fn listing(&self) -> Arc<Listing> {
        Arc::clone(&self.listing.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(&self, listing: Listing) {
        *self.listing.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(listing);
    }

    fn find_files(&self) -> Result<(Vec<FileEntry>, Vec<Skipped>), CatalogError> {
        let mut seen = HashSet::new();
        let mut skipped = Vec::new();
        let mut entries = Vec::new();
        for path in &self.paths {
            let found = walk(path, self.follow_links, is_audio, &mut seen, &mut skipped);
            entries.extend(found.map_err(|cause| CatalogError::Unreadable { path: path.clone(), cause })?);
        }
        Ok((entries, skipped))
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

/// The earlier result for each entry that did not change.
fn known_entries(entries: &[FileEntry], scanned: &[ScannedEntry]) -> Vec<Option<ScannedEntry>> {
    let known: HashMap<_, _> = scanned.iter().map(|scanned| (scanned.entry(), scanned)).collect();
    entries.iter().map(|entry| known.get(entry).copied().cloned()).collect()
}
