//! Size and time of modification of a file.

use std::{
    fs::{File, Metadata},
    path::Path,
    time::SystemTime,
};

use super::{Result, SourceError};

/// Size and time of modification, which tell whether a file was modified or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileStamp {
    pub(super) bytes: u64,
    pub(super) modified: Option<SystemTime>,
}

impl FileStamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { bytes: metadata.len(), modified: metadata.modified().ok() }
    }
}

/// Opens a regular file. A pipe or a device is refused, since it could block the caller for ever.
///
/// # Errors
/// `Io` if the file cannot be opened, `Unsupported` if it is not a regular file, `Empty` if it has no bytes.
pub(super) fn open_file(path: &Path) -> Result<(File, FileStamp)> {
    let io = |error| SourceError::io(path, error);
    let metadata = std::fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return Err(SourceError::unsupported(path, "something that is not a file"));
    }
    if metadata.len() == 0 {
        return Err(SourceError::Empty { path: path.into() });
    }
    Ok((File::open(path).map_err(io)?, FileStamp::of(&metadata)))
}
