//! The audio files below the owner's folders.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use walkdir::{DirEntry, WalkDir};

use super::natural_order::compare_names;
use crate::library::{
    skipped::{SkipReason, Skipped},
    track_file::FileEntry,
};

/// Lists the files below `root`, folder by folder in natural order. `seen` holds the files of earlier calls,
/// which are not returned again. Adds folders and links that it cannot read to `skipped`.
///
/// Skips names that begin with a dot. Skips symbolic links unless `follow_links` is set: a link to a place
/// below `root` leads to a file that the walk finds anyway, and any other link leads out of the owner's folders.
/// In a folder, takes only files for which `is_wanted` is true. If `root` is a file, takes it with any name.
///
/// # Errors
/// The system's error if `root` itself cannot be read.
pub(in crate::library) fn walk(
    root: &Path,
    follow_links: bool,
    is_wanted: impl Fn(&Path) -> bool,
    seen: &mut HashSet<PathBuf>,
    skipped: &mut Vec<Skipped>,
) -> std::io::Result<Vec<FileEntry>> {
    let base = root.canonicalize()?;
    let root_is_file = base.is_file();
    let mut found = Vec::new();
    let mut skip = |path: &Path, reason: String| {
        let reason = SkipReason::Unreadable(reason);
        skipped.push(Skipped { path: path.to_owned(), reason });
    };
    let by_name = |a: &DirEntry, b: &DirEntry| compare_names(a.file_name(), b.file_name());
    let walk = WalkDir::new(&base).follow_links(follow_links).sort_by(by_name).into_iter();
    for entry in walk.filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry)) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                skip(error.path().unwrap_or(&base), reason(&error));
                continue;
            }
        };
        if !entry.file_type().is_file() || !(root_is_file || is_wanted(entry.path())) {
            continue;
        }
        match file_entry(&entry, follow_links) {
            Ok(file) if !seen.insert(file.path.clone()) => {}
            Ok(file) => found.push(file),
            Err(error) => skip(entry.path(), error.to_string()),
        }
    }
    Ok(found)
}

fn file_entry(entry: &DirEntry, follow_links: bool) -> std::io::Result<FileEntry> {
    // The walk starts at a path without symbolic links. All its paths are without them unless it follows links.
    let path = if follow_links { entry.path().canonicalize()? } else { entry.path().to_owned() };
    let metadata = path.symlink_metadata()?;
    Ok(FileEntry::new(path, &metadata))
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

fn reason(error: &walkdir::Error) -> String {
    match (error.io_error(), error.loop_ancestor()) {
        (Some(io), _) => io.to_string(),
        (None, Some(ancestor)) => format!("a link back to {}", ancestor.display()),
        (None, None) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        folder
    }

    fn names(root: &Path, follow_links: bool) -> (Vec<String>, usize) {
        let mut skipped = Vec::new();
        let is_wav = |path: &Path| path.extension().is_some_and(|ending| ending == "wav");
        let found = walk(root, follow_links, is_wav, &mut HashSet::new(), &mut skipped).unwrap();
        let base = root.canonicalize().unwrap();
        let below =
            |path: &Path| path.strip_prefix(&base).unwrap_or(path).to_string_lossy().replace('\\', "/");
        let names = found.iter().map(|file| below(&file.path));
        (names.collect(), skipped.len())
    }

    #[test]
    fn files_come_sorted_and_hidden_or_foreign_ones_do_not() {
        let tree = tree(&["b/10.wav", "b/9.wav", "a.wav", ".x.wav", ".h/y.wav", "cover.jpg"]);
        assert_eq!(names(tree.path(), false), (vec!["a.wav".into(), "b/9.wav".into(), "b/10.wav".into()], 0));
    }

    #[test]
    fn a_file_that_was_named_is_taken_whatever_its_name() {
        let tree = tree(&["odd.bin"]);
        assert_eq!(names(&tree.path().join("odd.bin"), false).0.len(), 1);
    }

    #[test]
    fn what_is_given_twice_is_found_once() {
        let tree = tree(&["a/1.wav", "2.wav"]);
        let mut seen = HashSet::new();
        let mut skipped = Vec::new();
        let mut count = |path: &Path| walk(path, false, |_| true, &mut seen, &mut skipped).unwrap().len();
        assert_eq!((count(&tree.path().join("a")), count(tree.path())), (1, 1));
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_out_only_when_they_may() {
        use std::os::unix::fs::symlink;

        let outside = tree(&["secret.wav"]);
        let tree = tree(&["a.wav"]);
        symlink(outside.path().join("secret.wav"), tree.path().join("link.wav")).unwrap();
        symlink(outside.path(), tree.path().join("folder")).unwrap();
        symlink(tree.path(), tree.path().join("loop")).unwrap();
        symlink("nowhere", tree.path().join("broken.wav")).unwrap();
        assert_eq!(names(tree.path(), false), (vec!["a.wav".into()], 0));
        let (followed, skipped) = names(tree.path(), true);
        // Both links lead to the same file, which counts once. The loop and the broken link are skipped.
        assert_eq!((followed.len(), skipped), (2, 2));
    }
}
