use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// A folder or file that the owner has named. All tracks lie in one.
#[derive(Debug, Clone)]
pub(super) struct Root {
    /// Absolute path without symbolic links.
    pub(super) path: PathBuf,
    is_file: bool,
}

impl Root {
    /// The root at `path`, as it is now.
    ///
    /// # Errors
    /// The system's error if it cannot be found.
    pub(super) fn new(path: &Path) -> std::io::Result<Self> {
        let path = path.canonicalize()?;
        Ok(Self { is_file: path.is_file(), path })
    }

    /// True if the root's folder does not exist, cannot be read, or is empty, as a mount point without its disk is.
    pub(super) fn is_away(&self) -> bool {
        let folder = if self.is_file { self.path.parent() } else { Some(self.path.as_path()) };
        let first = folder.and_then(|folder| fs::read_dir(folder).ok()?.next()?.ok());
        first.is_none()
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
    }
}
