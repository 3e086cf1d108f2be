use std::{
    env::consts::{DLL_EXTENSION, DLL_PREFIX},
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use crate::HostError;

/// Where libraries are looked for: those that a person named first, then those that the system has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folders {
    /// Folders, or single files of any name, from the environment and the configuration. One that does not exist is a
    /// problem.
    pub named: Vec<PathBuf>,
    /// Folders that may not exist.
    pub usual: Vec<PathBuf>,
}

/// The libraries in all folders, each once, in the order of the folders and sorted by name within each.
pub(super) fn files(folders: &Folders) -> (Vec<PathBuf>, Vec<HostError>) {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    let named = folders.named.iter().map(|path| (path, true));
    for (path, must_exist) in named.chain(folders.usual.iter().map(|path| (path, false))) {
        match libraries(path) {
            Ok(found) => files.extend(found),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !must_exist => {}
            Err(e) => problems
                .push(HostError::Library { path: path.clone(), why: format!("it cannot be read: {e}") }),
        }
    }
    let mut seen = std::collections::HashSet::new();
    files.retain(|file| seen.insert(file.clone()));
    (files, problems)
}

fn libraries(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let path = path.canonicalize()?;
    if !path.is_dir() {
        return Ok(vec![path]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if is_library(&entry.file_name()) {
            // A dangling link is reported when it is opened.
            found.push(entry.path().canonicalize().unwrap_or_else(|_| entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// `libmedia_node_*.so`, or as the platform names it.
fn is_library(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let stem = name.strip_prefix(DLL_PREFIX).and_then(|name| name.strip_prefix("media_node_"));
    stem.is_some() && Path::new(name.as_ref()).extension() == Some(OsStr::new(DLL_EXTENSION))
}
