//! Plugins from shared libraries.
//!
//! A file is looked at before it is opened ([`note`]), opened at most once in a process and never closed ([`library`]), and
//! what it describes is put behind the traits of the SDK ([`codec`], [`output`]). From there on the guard treats it as it
//! treats what is built in.

#![allow(unsafe_code, reason = "this is the host's side of the C ABI")]

mod call;
mod codec;
mod discover;
mod library;
mod log;
mod note;
mod output;
mod text;

use std::path::{Path, PathBuf};

pub(crate) use codec::LoadedCodec;
pub use discover::Folders;
pub(crate) use library::Library;
pub(crate) use log::install as install_log;
pub use note::Note;
pub(crate) use output::LoadedOutput;

use serde::{Deserialize, Serialize};

use crate::{HostError, Kind, Listing, Origin};

/// What was read of a library, or in a few words what is wrong with it.
type Checked<T> = Result<T, String>;

/// A library as its file describes it; none of its code was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scanned {
    /// The file, by absolute path.
    pub path: PathBuf,
    /// What its note says.
    pub note: Note,
}

/// Looks at every library in the folders, in their order, and runs nothing of them.
#[must_use]
pub fn scan(folders: &Folders) -> (Vec<Scanned>, Vec<HostError>) {
    let (files, mut problems) = discover::files(folders);
    let mut scanned = Vec::new();
    for path in files {
        match note::of(&path) {
            Ok(note) => scanned.push(Scanned { path, note }),
            Err(why) => problems.push(HostError::Library { path, why }),
        }
    }
    (scanned, problems)
}

/// Opens a library that was scanned, unless this process has it open.
pub(crate) fn open(scanned: &Scanned) -> Result<&'static Library, HostError> {
    library::open(scanned).map_err(|why| HostError::Library { path: scanned.path.clone(), why })
}

/// What a library says of itself once it is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspected {
    /// The file, by absolute path.
    pub path: PathBuf,
    /// What its note says.
    pub note: Note,
    /// What built it, in its own words.
    pub build: String,
    /// Its codecs and outputs.
    pub plugins: Vec<Listing>,
}

/// Looks at one file and opens it. It runs code of the file, which can end the process.
///
/// # Errors
/// [`HostError::Library`] with what is wrong with the file.
pub fn inspect(file: &Path) -> Result<Inspected, HostError> {
    let scanned = scan_file(file)?;
    let library = open(&scanned)?;
    Ok(library.inspected(scanned))
}

/// As [`inspect`], but calls the library's entry even if this process has called it before: it must say the same again.
///
/// # Errors
/// As [`inspect`].
pub fn inspect_anew(file: &Path) -> Result<Inspected, HostError> {
    let scanned = scan_file(file)?;
    let library =
        library::open_anew(&scanned).map_err(|why| HostError::Library { path: scanned.path.clone(), why })?;
    Ok(library.inspected(scanned))
}

fn scan_file(file: &Path) -> Result<Scanned, HostError> {
    let problem = |why| HostError::Library { path: file.into(), why };
    let path = file.canonicalize().map_err(|e| problem(format!("it cannot be read: {e}")))?;
    Ok(Scanned { note: note::of(&path).map_err(problem)?, path })
}

impl Library {
    fn inspected(&self, scanned: Scanned) -> Inspected {
        let listing = |kind, id: &str, version: &str, description: &str| Listing {
            kind,
            id: id.into(),
            version: version.into(),
            origin: Origin::Loaded(scanned.path.clone()),
            description: description.into(),
        };
        let codecs = self.codecs.iter().map(|it| &it.info);
        let outputs = self.outputs.iter().map(|it| &it.info);
        let codecs = codecs.map(|it| listing(Kind::Codec, &it.id, &it.version, &it.description));
        let outputs = outputs.map(|it| listing(Kind::Output, &it.id, &it.version, &it.description));
        let plugins = codecs.chain(outputs).collect();
        Inspected { note: scanned.note, build: self.build.clone(), plugins, path: scanned.path }
    }
}
