//! The Markdown pages of the repository name only files and folders that exist.

use std::{
    fs,
    path::{Path, PathBuf},
};

use walkdir::WalkDir;

/// Endings of the names that are checked. A folder ends with a slash.
const ENDINGS: [&str; 6] = [".rs", ".md", ".toml", ".h", ".c", "/"];

fn pages(root: &Path) -> Vec<PathBuf> {
    let is_ours =
        |entry: &walkdir::DirEntry| !["target", ".git"].map(Some).contains(&entry.file_name().to_str());
    let entries = WalkDir::new(root).into_iter().filter_entry(is_ours).map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path);
    files.filter(|file| file.extension().is_some_and(|extension| extension == "md")).collect()
}

/// Paths in backticks, outside of code blocks.
fn paths(page: &str) -> Vec<&str> {
    let prose = page.split("```").step_by(2);
    let spans = prose.flat_map(|text| text.split('`').skip(1).step_by(2));
    let is_name = |span: &str| span.chars().all(|c| c.is_ascii_alphanumeric() || "_./-".contains(c));
    let is_path = |span: &&str| {
        is_name(span)
            && span.contains('/')
            && !span.starts_with('/')
            && ENDINGS.iter().any(|ending| span.ends_with(ending))
    };
    spans.filter(is_path).collect()
}

/// Whether the path exists, seen from the page's folder, from one above it, or from the `src` of one of them.
fn exists(page: &Path, root: &Path, path: &str) -> bool {
    let folders = page.ancestors().skip(1).take_while(|folder| folder.starts_with(root));
    folders.flat_map(|folder| [folder.join(path), folder.join("src").join(path)]).any(|place| place.exists())
}

#[test]
fn pages_name_only_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let pages = pages(root);
    assert!(pages.contains(&root.join("README.md")) && pages.len() > 5);
    let mut missing = Vec::new();
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        let absent = paths(&text).into_iter().filter(|path| !exists(page, root, path));
        missing.extend(absent.map(|path| format!("{}: {path}", page.display())));
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn paths_are_found_in_prose_alone() {
    let page = "`a/b.rs` and `c.rs`, `/etc/x.toml`\n```sh\ncat d/e.rs\n```\n`f/` `--g/h.rs i`";
    assert_eq!(paths(page), ["a/b.rs", "f/"]);
}
