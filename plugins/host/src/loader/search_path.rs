use std::{
    collections::HashSet,
    env::consts::{DLL_EXTENSION, DLL_PREFIX},
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use crate::error::HostError;

/// Places that the loader searches for plugin libraries. `named` comes before `standard`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchPath {
    /// Folders, or single files of any name, from the environment and the configuration. A missing one is an error.
    pub named: Vec<PathBuf>,
    /// Standard folders of the person and the system, which need not exist.
    pub standard: Vec<PathBuf>,
}

impl SearchPath {
    /// Lists the libraries of all places, each once: in the order of the places, and sorted by name within a folder.
    pub(super) fn libraries(&self) -> (Vec<PathBuf>, Vec<HostError>) {
        let mut files = Vec::new();
        let mut problems = Vec::new();
        let named = self.named.iter().map(|path| (path, true));
        let standard = self.standard.iter().map(|path| (path, false));
        for (path, must_exist) in named.chain(standard) {
            match libraries_in(path) {
                Ok(found) => files.extend(found),
                Err(e) if e.kind() == io::ErrorKind::NotFound && !must_exist => {}
                Err(e) => problems
                    .push(HostError::Library { path: path.clone(), why: format!("it cannot be read: {e}") }),
            }
        }
        let mut seen = HashSet::new();
        files.retain(|file| seen.insert(file.clone()));
        (files, problems)
    }
}

fn libraries_in(path: &Path) -> io::Result<Vec<PathBuf>> {
    let path = path.canonicalize()?;
    if !path.is_dir() {
        return Ok(vec![path]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if is_library(&entry.file_name()) {
            // A dangling link is reported when its file is read.
            found.push(entry.path().canonicalize().unwrap_or_else(|_| entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// True if a file is named as a plugin library of this platform: `libmedia_node_*.so` on Linux.
fn is_library(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let stem = name.strip_prefix(DLL_PREFIX).and_then(|name| name.strip_prefix("media_node_"));
    stem.is_some() && Path::new(name.as_ref()).extension() == Some(OsStr::new(DLL_EXTENSION))
}
