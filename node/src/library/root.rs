use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

/// A folder or file that the owner has named. All tracks lie in one.
#[derive(Debug)]
pub(super) struct Root {
    /// Absolute path without symbolic links.
    pub(super) path: PathBuf,
    is_file: bool,
    /// The folder when it was last seen with files in it; `None` before.
    filled: Mutex<Option<FolderId>>,
}

/// Identity of a folder. A mount point has another one with its disk than without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FolderId {
    device: u64,
    inode: u64,
}

impl FolderId {
    /// The identity of the folder at `path`. `None` if it cannot be read, and on systems without such identities.
    fn of(path: &Path) -> Option<Self> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let metadata = fs::metadata(path).ok()?;
            Some(Self { device: metadata.dev(), inode: metadata.ino() })
        }
        #[cfg(not(unix))]
        {
            let _ = path;
            None
        }
    }
}

impl Root {
    /// The root at `path`, as it is now.
    ///
    /// # Errors
    /// The system's error if it cannot be found.
    pub(super) fn new(path: &Path) -> std::io::Result<Self> {
        let path = path.canonicalize()?;
        let root = Self { is_file: path.is_file(), path, filled: Mutex::default() };
        // Notes the folder if it has files.
        root.is_away();
        Ok(root)
    }

    /// The folder when it was last seen with files in it.
    pub(super) fn filled(&self) -> Option<FolderId> {
        *self.filled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what an earlier process has seen, unless the folder has files now.
    pub(super) fn recall_filled(&self, folder: Option<FolderId>) {
        let mut filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        *filled = filled.or(folder);
    }

    /// True if the root's folder does not exist, cannot be read, or is empty as a mount point without its disk is. False if it
    /// is empty because its files were removed: it is then the folder that had them.
    pub(super) fn is_away(&self) -> bool {
        let Some(folder) = (if self.is_file { self.path.parent() } else { Some(self.path.as_path()) }) else {
            return true;
        };
        let Ok(mut entries) = fs::read_dir(folder) else { return true };
        let present = FolderId::of(folder);
        let mut filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        match entries.next() {
            Some(Ok(_)) => {
                *filled = present;
                false
            }
            Some(Err(_)) => true,
            None => present.is_none() || *filled != present,
        }
    }

    /// True if a file in this root cannot be reached because of its disk, and was not just deleted.
    pub(super) fn is_file_away(&self, file: &Path) -> bool {
        match file.metadata().map_err(|error| error.kind()) {
            Ok(_) | Err(ErrorKind::PermissionDenied) => false,
            Err(ErrorKind::NotFound | ErrorKind::NotADirectory) => self.is_away(),
            // An error of the disk or of the network drive.
            Err(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_away_if_its_folder_is_gone_or_empty() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("disk");
        let (file, other) = (folder.join("album/a.wav"), folder.join("b.wav"));
        fs::create_dir_all(folder.join("album")).unwrap();
        fs::write(&file, "a").unwrap();
        fs::write(&other, "b").unwrap();
        let roots = [Root::new(&folder).unwrap(), Root::new(&other).unwrap()];
        let are_away = || roots.each_ref().map(Root::is_away);
        assert_eq!(are_away(), [false, false]);
        assert!(!roots[0].is_file_away(&file));
        fs::remove_file(&file).unwrap();
        assert!(!roots[0].is_file_away(&file), "it was deleted");
        let aside = place.path().join("aside");
        fs::rename(&folder, &aside).unwrap();
        assert_eq!(are_away(), [true, true]);
        assert!(roots[0].is_file_away(&file) && roots[1].is_file_away(&other));
        fs::create_dir(&folder).unwrap();
        assert_eq!(are_away(), [true, true], "a mount point");
        fs::remove_dir(&folder).unwrap();
        fs::rename(&aside, &folder).unwrap();
        fs::remove_file(&other).unwrap();
        assert_eq!(are_away(), [false, false], "the empty album is there");
        fs::remove_dir(folder.join("album")).unwrap();
        assert_eq!(are_away(), [!cfg!(unix); 2], "its files were removed");
        // The next process knows it from the index.
        let again = Root::new(&folder).unwrap();
        assert!(again.is_away());
        again.recall_filled(roots[0].filled());
        assert_eq!(again.is_away(), !cfg!(unix));
    }
}
