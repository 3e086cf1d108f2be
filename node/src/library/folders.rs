use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use super::{
    error::CatalogError,
    index::{Index, IndexContent},
    root::Root,
    scan::{folder_walk::walk, natural_order::compare_paths},
    skipped::{SkipReason, Skipped},
    track_file::{FileEntry, ScannedEntry},
};
use crate::source::formats::by_ending;

/// The files and folders of a catalog, and the index on disk of the tracks in them.
#[derive(Debug)]
pub(super) struct Folders {
    paths: Vec<PathBuf>,
    /// Real paths of `paths`.
    roots: Vec<PathBuf>,
    /// The same, to tell if their disks are away.
    disks: Vec<Root>,
    follow_links: bool,
    index: Option<Index>,
    is_recalled: AtomicBool,
}

/// The files below the owner's folders.
pub(super) struct FoundFiles {
    /// In library order.
    pub(super) entries: Vec<FileEntry>,
    pub(super) skipped: Vec<Skipped>,
    /// Folders whose disk is away. Their files are those of the last scan.
    pub(super) away: Vec<PathBuf>,
}

/// Tells if a file has the name of an audio file, also of an unsupported kind.
pub(crate) fn is_named_like_audio(path: &Path) -> bool {
    by_ending(path).is_some()
}

impl Folders {
    /// Returns the folders. Reads only the first entry of each, to learn whether it has files.
    ///
    /// # Errors
    /// [`CatalogError::Unreadable`] if the system cannot resolve a path, as when it does not exist.
    pub(super) fn new(
        paths: &[PathBuf],
        follow_links: bool,
        index: Option<&Path>,
    ) -> Result<Self, CatalogError> {
        let root = |path: &PathBuf| {
            Root::new(path).map_err(|cause| CatalogError::Unreadable { path: path.clone(), cause })
        };
        let disks = paths.iter().map(root).collect::<Result<Vec<_>, _>>()?;
        let roots: Vec<_> = disks.iter().map(|root| root.path.clone()).collect();
        let index = index.map(|folder| Index::new(folder, roots.clone(), follow_links));
        Ok(Self {
            paths: paths.to_vec(),
            roots,
            disks,
            follow_links,
            index,
            is_recalled: AtomicBool::new(false),
        })
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
        let Some(IndexContent { files, filled }) = self.index.as_ref().map(Index::load) else {
            return Vec::new();
        };
        self.disks.iter().zip(filled).for_each(|(root, filled)| root.recall_filled(filled));
        files
    }

    /// Walks through the folders. `known` are the results of earlier scans: those on a disk that is away are kept.
    ///
    /// # Errors
    /// [`CatalogError::Unreadable`] if one of the paths itself cannot be read, and no results of it are known.
    pub(super) fn find_files<'a>(
        &self,
        known: &(impl Iterator<Item = &'a ScannedEntry> + Clone),
    ) -> Result<FoundFiles, CatalogError> {
        let mut seen = HashSet::new();
        let mut all = FoundFiles { entries: Vec::new(), skipped: Vec::new(), away: Vec::new() };
        for (path, root) in self.paths.iter().zip(&self.disks) {
            let mut skipped = Vec::new();
            let found = walk(path, self.follow_links, is_named_like_audio, &mut seen, &mut skipped);
            let is_away = root.is_away() && found.as_ref().map_or(true, Vec::is_empty);
            let mut missing = if is_away { vec![root.path.clone()] } else { Vec::new() };
            missing.extend(skipped.iter().map(|skipped| skipped.path.clone()));
            let mut entries = Vec::new();
            for folder in missing {
                let known = known.clone().map(ScannedEntry::entry);
                let below = known.filter(|file| file.path.starts_with(&folder));
                let kept: Vec<_> = below.filter(|file| seen.insert(file.path.clone())).cloned().collect();
                if kept.is_empty() {
                    continue;
                }
                skipped.retain(|skipped| skipped.path != folder);
                let stay = match kept.len() {
                    1 => "its file stays".into(),
                    count => format!("its {count} files stay"),
                };
                let reason = format!("its disk is away; {stay} listed");
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

    /// True if a file cannot be reached because its disk is away.
    pub(super) fn is_file_away(&self, file: &Path) -> bool {
        let root = self.disks.iter().find(|root| file.starts_with(&root.path));
        root.is_some_and(|root| root.is_file_away(file))
    }

    /// Writes the index. A failure is only logged.
    pub(super) fn save<'a>(&self, scanned: impl Iterator<Item = &'a ScannedEntry>) {
        if let Some(index) = &self.index
            && let Err(error) = index.save(scanned, self.disks.iter().map(Root::filled).collect())
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
