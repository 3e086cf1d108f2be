//! The Markdown pages of the repository name only files and folders that exist.

use std::{
    fs,
    path::{Path, PathBuf},
};

use media_plugin_sdk::{AudioFormat, Limits, SampleType, SourceFormat};
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

/// Names of the options in a plugin's refusal of an unknown one.
fn named_options(refusal: &str) -> Vec<&str> {
    let (_, expected) = refusal.split_once("expected").unwrap_or_default();
    expected.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_options_of_the_built_in_plugins_are_documented() {
    let registry = media_node::plugins::registry();
    let mut options = Vec::new();
    let mut add = |plugin: String, refusal: String| {
        options.extend(named_options(&refusal).into_iter().map(|option| format!("{plugin}.{option}")));
    };
    let unknown = r#"{"no-such-option": 0}"#;
    let format = AudioFormat { rate: 44_100, channels: 2 };
    let source = SourceFormat { format, sample: SampleType::S16 };
    for codec in registry.codecs() {
        let refused = codec.propose(&source, &Limits::default(), unknown).unwrap_err();
        add(format!("codec.{}", codec.info().id), refused.to_string());
    }
    for output in registry.outputs() {
        let refused = output.check_options(unknown).unwrap_err();
        add(format!("output.{}", output.info().id), refused.to_string());
    }
    for transport in registry.transports() {
        let refused = transport.check_options(unknown).unwrap_err();
        add(format!("transport.{}", transport.info().id), refused.to_string());
    }
    let page = include_str!("../../../config/README.md");
    let (_, table) = page.split_once("<!-- options of the built-in plugins -->").unwrap();
    let rows = table.lines().skip(3).take_while(|line| line.starts_with('|'));
    let mut documented: Vec<_> = rows.map(|row| row.split('`').nth(1).unwrap().to_owned()).collect();
    options.sort();
    documented.sort();
    assert_eq!(documented, options);
}
