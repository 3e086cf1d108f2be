//! Which files the given paths stand for.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use walkdir::{DirEntry, WalkDir};

use super::{Skipped, file::Candidate, order::natural};

/// The files under `root`, folder by folder, naturally sorted, each once over all calls with the same `seen`. What cannot be looked at
/// goes to `skipped`.
///
/// Names that begin with a dot are passed over, and so are symbolic links unless `follow_links`: a link that stays
/// inside leads to a file that is found anyway, any other leads to what was not given. In a folder, only files of which
/// `wanted` says so are taken; a file that was named itself is taken whatever its name.
///
/// # Errors
/// The reason, when `root` itself cannot be read.
pub(super) fn walk(
    root: &Path,
    follow_links: bool,
    wanted: impl Fn(&Path) -> bool,
    seen: &mut HashSet<PathBuf>,
    skipped: &mut Vec<Skipped>,
) -> std::io::Result<Vec<Candidate>> {
    let base = root.canonicalize()?;
    let given_file = base.is_file();
    let mut found = Vec::new();
    let mut skip = |path: &Path, reason: String| skipped.push(Skipped { path: path.to_owned(), reason });
    let by_name = |a: &DirEntry, b: &DirEntry| natural(a.file_name(), b.file_name());
    let entries = WalkDir::new(&base).follow_links(follow_links).sort_by(by_name).into_iter();
    for entry in entries.filter_entry(|it| it.depth() == 0 || !is_hidden(it)) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                skip(error.path().unwrap_or(&base), reason(&error));
                continue;
            }
        };
        if !entry.file_type().is_file() || !(given_file || wanted(entry.path())) {
            continue;
        }
        match candidate(&entry, follow_links) {
            Ok(it) if !seen.insert(it.path.clone()) => {}
            Ok(candidate) => found.push(candidate),
            Err(error) => skip(entry.path(), error.to_string()),
        }
    }
    Ok(found)
}

fn candidate(entry: &DirEntry, follow_links: bool) -> std::io::Result<Candidate> {
    // The walk begins at a real path, so without links every path in it is real.
    let path = if follow_links { entry.path().canonicalize()? } else { entry.path().to_owned() };
    let metadata = path.symlink_metadata()?;
    Ok(Candidate::new(path, &metadata))
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
        let wanted = |it: &Path| it.extension().is_some_and(|it| it == "wav");
        let found = walk(root, follow_links, wanted, &mut HashSet::new(), &mut skipped).unwrap();
        let base = root.canonicalize().unwrap();
        let below =
            |path: &Path| path.strip_prefix(&base).unwrap_or(path).to_string_lossy().replace('\\', "/");
        let names = found.iter().map(|it| below(&it.path));
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
        let (mut seen, mut skipped) = (HashSet::new(), Vec::new());
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
        // The two ways to the one file count once; the loop and the broken link are told.
        assert_eq!((followed.len(), skipped), (2, 2));
    }
}
