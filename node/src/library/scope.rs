use std::path::{Path, PathBuf};

/// The part of a library that a caller may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All tracks.
    All,
    /// The tracks below these folders, without links and `..` in them. Possibly none.
    Folders(Vec<PathBuf>),
}

impl Scope {
    /// The tracks below `folders`: each a path below one of `roots`, or an absolute path. No folders mean all tracks.
    pub(super) fn new(folders: &[String], roots: &[PathBuf]) -> Self {
        if folders.is_empty() {
            return Self::All;
        }
        // Joining an absolute path gives that path alone.
        let below = |folder: &String| roots.iter().map(|root| root.join(folder)).collect::<Vec<_>>();
        let is_plain =
            |path: &PathBuf| path.components().all(|part| !matches!(part, std::path::Component::ParentDir));
        Self::Folders(folders.iter().flat_map(below).filter(is_plain).collect())
    }

    /// Tells if the file at an absolute path without links is in this part.
    pub(super) fn contains(&self, file: &Path) -> bool {
        match self {
            Self::All => true,
            Self::Folders(folders) => folders.iter().any(|folder| file.starts_with(folder)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_holds_whole_folders_below_the_served_ones() {
        let roots = [PathBuf::from("/music"), PathBuf::from("/more/music")];
        let scope = |folders: &[&str]| {
            Scope::new(&folders.iter().map(|folder| (*folder).to_owned()).collect::<Vec<_>>(), &roots)
        };
        let contains = |folders: &[&str], file: &str| scope(folders).contains(Path::new(file));
        assert_eq!(scope(&[]), Scope::All);
        assert!(
            contains(&["Jazz"], "/music/Jazz/a.flac") && contains(&["Jazz"], "/more/music/Jazz/b/c.flac")
        );
        assert!(contains(&["Jazz/"], "/music/Jazz/a.flac") && contains(&["Jazz/b"], "/music/Jazz/b/c.flac"));
        assert!(contains(&["/music/Jazz"], "/music/Jazz/a.flac"));
        assert!(contains(&["Rock", "Jazz"], "/music/Jazz/a.flac"));
        for (folder, file) in [
            ("Jazz", "/music/Jazz2/a.flac"),
            ("Jazz", "/music/a.flac"),
            ("Jazz", "/other/Jazz/a.flac"),
            ("jazz", "/music/Jazz/a.flac"),
            ("/music/Jazz", "/more/music/Jazz/a.flac"),
            ("Jazz/b", "/music/Jazz/a.flac"),
            ("..", "/music/a.flac"),
            ("../music", "/music/a.flac"),
        ] {
            assert!(!contains(&[folder], file), "{folder} {file}");
        }
    }
}
