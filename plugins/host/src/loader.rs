//! Loader of plugins from shared libraries.
//!
//! [`library_file`] checks a file before it is opened. [`library`] opens it, at most once in a process, and never closes
//! it. [`codec`] and [`output`] put its tables behind the traits of the SDK. From there the guard treats loaded and
//! built-in plugins alike.

#![allow(unsafe_code, reason = "this is the host's side of the C ABI")]

mod call;
mod codec;
mod host_table;
mod library;
mod library_file;
mod output;
mod search_path;
mod text;

use std::path::Path;

pub(crate) use host_table::install_log;
pub use library::LibraryDescription;
pub(crate) use library::{Library, open};
pub use library_file::{AbiNote, LibraryFile};
pub use search_path::SearchPath;

use crate::error::HostError;

/// Reads the ABI note of every library on the search path, in its order. Runs no code of the libraries.
///
/// Returns the readable libraries, and one error for each file or folder that was skipped.
#[must_use]
pub fn scan(search_path: &SearchPath) -> (Vec<LibraryFile>, Vec<HostError>) {
    let (paths, mut problems) = search_path.libraries();
    let mut files = Vec::new();
    for path in paths {
        match LibraryFile::read(path) {
            Ok(file) => files.push(file),
            Err(problem) => problems.push(problem),
        }
    }
    (files, problems)
}

/// Opens a library and describes its plugins. This runs code of the library, which can end the process.
///
/// # Errors
/// [`HostError::Library`] if the file cannot be loaded.
pub fn inspect(file: &Path) -> Result<LibraryDescription, HostError> {
    let file = LibraryFile::of(file)?;
    let library = open(&file)?;
    Ok(library.describe(file))
}

/// As [`inspect`], but calls the library's entry again if this process has called it before. The library must return
/// the same description.
///
/// # Errors
/// As [`inspect`].
pub fn inspect_again(file: &Path) -> Result<LibraryDescription, HostError> {
    let file = LibraryFile::of(file)?;
    let library = library::open_again(&file)?;
    Ok(library.describe(file))
}
