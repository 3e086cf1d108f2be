use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use super::{
    error::CatalogError,
    index::Index,
    scan::folder_walk::walk,
    skipped::Skipped,
    track_file::{FileEntry, ScannedEntry},
};
use crate::source::formats::by_ending;

/// The files and folders of a catalog, and the index on disk of the tracks in them.
#[derive(Debug)]
pub(super) struct Folders {
    paths: Vec<PathBuf>,
    /// Real paths of `paths`.
    roots: Vec<PathBuf>,
    follow_links: bool,
    index: Option<Index>,
    is_recalled: AtomicBool,
}

impl Folders {
    /// Returns the folders without reading them.
    ///
    /// # Errors
    /// [`CatalogError::Unreadable`] if a path does not exist or cannot be read.
    pub(super) fn new(
        paths: &[PathBuf],
        follow_links: bool,
        index: Option<&Path>,
    ) -> Result<Self, CatalogError> {
        let real = |path: &PathBuf| {
            path.canonicalize().map_err(|cause| CatalogError::Unreadable { path: path.clone(), cause })
        };
        let roots = paths.iter().map(real).collect::<Result<Vec<_>, _>>()?;
        let index = index.map(|folder| Index::new(folder, roots.clone(), follow_links));
        Ok(Self { paths: paths.to_vec(), roots, follow_links, index, is_recalled: AtomicBool::new(false) })
    }

    /// The real paths of the files and folders.
    pub(super) fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// The results in the index, at the first call. None without an index, or with a damaged or foreign one.
    pub(super) fn recall(&self) -> Vec<ScannedEntry> {
        if self.is_recalled.swap(true, Ordering::Relaxed) {
            return Vec::new();
        }
        self.index.as_ref().map(Index::load).unwrap_or_default()
    }

    /// Walks through the folders. Returns the files that are named like audio, in library order, and the folders that
    /// cannot be read.
    ///
    /// # Errors
    /// [`CatalogError::Unreadable`] if one of the paths itself cannot be read.
    pub(super) fn find_files(&self) -> Result<(Vec<FileEntry>, Vec<Skipped>), CatalogError> {
        let mut seen = HashSet::new();
        let mut skipped = Vec::new();
        let mut entries = Vec::new();
        for path in &self.paths {
            let is_named_like_audio = |path: &Path| by_ending(path).is_some();
            let found = walk(path, self.follow_links, is_named_like_audio, &mut seen, &mut skipped);
            entries.extend(found.map_err(|cause| CatalogError::Unreadable { path: path.clone(), cause })?);
        }
        Ok((entries, skipped))
    }

    /// Writes the index. A failure is only logged.
    pub(super) fn save<'a>(&self, scanned: impl Iterator<Item = &'a ScannedEntry>) {
        if let Some(index) = &self.index
            && let Err(error) = index.save(scanned)
        {
            tracing::warn!("cannot save the library's index, so the next start takes longer: {error}");
        }
    }

    /// The error of folders without a track.
    pub(super) fn empty_error(&self, skipped: &[Skipped]) -> CatalogError {
        let paths: Vec<_> = self.paths.iter().map(|path| path.display().to_string()).collect();
        let skipped = match skipped {
            [] => String::new(),
            [first, ..] => format!(" ({} skipped, the first: {first})", skipped.len()),
        };
        CatalogError::Empty { paths: paths.join(", "), skipped }
    }
}
