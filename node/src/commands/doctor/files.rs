//! Files and folders: their modes, whether they can be read, and the space on their disks.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use walkdir::WalkDir;

use super::finding::Finding;
use crate::{
    commands::Context, files::is_exposed, identity::Secret, library::is_named_like_audio, node_book::NodeBook,
};

/// Audio files that are opened, so that a large library on a slow disk takes seconds and not minutes.
const MAX_OPENED: usize = 2_000;
/// Free bytes below which a disk is full.
const FULL: u64 = 4 * 1024 * 1024;
/// Free bytes below which a disk will soon be full.
const NEARLY_FULL: u64 = 200 * 1024 * 1024;

/// The node's key. Creates none.
pub(super) fn key(file: &Path) -> Vec<Finding> {
    let finding = match fs::metadata(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Finding::ok("key", format!("{} will be made at the first use", file.display()))
        }
        Err(error) => Finding::error("key", format!("reading {}: {error}", file.display())),
        Ok(_) => match Secret::load_or_create(file) {
            Ok(_) => Finding::ok("key", file.display()),
            Err(error) => Finding::error("key", error),
        },
    };
    vec![finding]
}

/// The files beside the key: the stored nodes, and the tickets of this node.
pub(super) fn state(context: &Context) -> Vec<Finding> {
    let mut access = context.config.node.key.clone();
    access.as_mut_os_string().push(".access");
    let nodes = context.node_book();
    let mut findings = Vec::new();
    for file in [&access, &nodes] {
        if let Ok(metadata) = fs::metadata(file)
            && is_exposed(&metadata)
        {
            let file = file.display();
            let text = format!("{file} can be read by others: restrict it to yourself (chmod 600 {file})");
            findings.push(Finding::error("secrets", text));
        }
    }
    match NodeBook::load(&nodes) {
        Ok(book) => findings.push(Finding::ok("nodes", format!("{} stored", book.names().len()))),
        Err(error) => findings.push(Finding::error("nodes", error)),
    }
    findings
}

/// The folders to serve, and some of their files.
pub(super) fn library(paths: &[PathBuf]) -> Vec<Finding> {
    if paths.is_empty() {
        return vec![Finding::ok(
            "library",
            "library.paths is empty; `serve` takes its folders from the command line",
        )];
    }
    paths.iter().map(|path| folder(path)).collect()
}

fn folder(path: &Path) -> Finding {
    let shown = path.display();
    if !path.exists() {
        let text = format!("there is no {shown}: mount its disk, or correct library.paths");
        return Finding::error("library", text);
    }
    let (mut opened, mut refused) = (0, Vec::new());
    for entry in WalkDir::new(path).follow_links(false) {
        match entry {
            Ok(entry) if entry.file_type().is_file() && is_named_like_audio(entry.path()) => {
                opened += 1;
                if let Err(error) = File::open(entry.path()) {
                    refused.push(format!("{}: {error}", entry.path().display()));
                }
            }
            Ok(_) => {}
            Err(error) => refused.push(error.to_string()),
        }
        if opened == MAX_OPENED {
            break;
        }
    }
    match refused.first() {
        Some(first) => {
            let text = format!(
                "{shown}: {} files or folders cannot be read (chmod a+rX), first {first}",
                refused.len()
            );
            Finding::error("library", text)
        }
        None if opened == 0 => {
            Finding::warning("library", format!("{shown} has no audio file: put music there"))
        }
        None => {
            let first = if opened == MAX_OPENED { "the first " } else { "" };
            Finding::ok("library", format!("{shown}: {first}{opened} audio files can be read"))
        }
    }
}

/// The disks that the node writes to.
pub(super) fn disks(context: &Context) -> Vec<Finding> {
    let config = &context.config;
    let mut folders = vec![config.node.key.clone()];
    folders.extend(config.library.index.clone());
    if config.server.disk_cache.get() > 0 {
        folders.push(config.server.disk_cache_dir.clone());
    }
    let folders: BTreeSet<_> = folders.iter().filter_map(|path| existing(path)).collect();
    folders.into_iter().filter_map(disk).collect()
}

/// The nearest folder above `path` that exists.
fn existing(path: &Path) -> Option<&Path> {
    path.ancestors().find(|folder| folder.is_dir())
}

#[cfg(unix)]
fn disk(folder: &Path) -> Option<Finding> {
    let status = rustix::fs::statvfs(folder).ok()?;
    let free = status.f_bavail.saturating_mul(status.f_frsize);
    let (shown, megabytes) = (folder.display(), free / 1_000_000);
    Some(if free < FULL {
        Finding::error("disk", format!("the disk of {shown} is full: make room there"))
    } else if free < NEARLY_FULL {
        Finding::warning("disk", format!("the disk of {shown} has only {megabytes} MB left: make room there"))
    } else {
        Finding::ok("disk", format!("{shown}: {megabytes} MB free"))
    })
}

#[cfg(not(unix))]
fn disk(_: &Path) -> Option<Finding> {
    None
}
