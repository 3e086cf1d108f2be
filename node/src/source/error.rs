use std::path::{Path, PathBuf};

use symphonia::core::errors::Error as Symphonia;

use crate::files::{TOO_MANY_OPEN_FILES, is_out_of_descriptors};

/// The result of a source call.
pub type Result<T> = std::result::Result<T, SourceError>;

/// Reason why a file cannot be played. Each message is one line that names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The file cannot be opened or read.
    #[error("cannot read {path}: {cause}; check that the file exists and that you may read it", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: std::io::Error,
    },
    /// The process has no file descriptor left. A later try may succeed.
    #[error("cannot open {path}: {TOO_MANY_OPEN_FILES}", path = .path.display())]
    TooManyOpenFiles {
        /// The file.
        path: PathBuf,
    },
    /// The kind of file is not supported.
    #[error("{path} is {kind}, which is not supported; convert it to FLAC, MP3, Ogg, M4A, WAV or AIFF", path = .path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The kind of file, for people: `WMA`, `HE-AAC`, `AAC 5.1`, `an unknown kind of file`.
        kind: String,
    },
    /// The kind of file is supported, but its headers are damaged.
    #[error("{path} is damaged ({cause}); replace it with a good copy", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The damage.
        cause: String,
    },
    /// The file has no audio in it.
    #[error("{path} holds no sound; replace it with a good copy", path = .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file was modified or replaced after it had been opened.
    #[error("{path} has changed since it was opened; open it again", path = .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Opening the file was ended before its time.
    #[error("cannot open {path}: {stop}; check the file and the disk", path = .path.display())]
    Stopped {
        /// The file.
        path: PathBuf,
        /// Reason of the end.
        stop: super::ReadStop,
    },
    /// The file's rate or channel count cannot be converted.
    #[error("cannot convert {path}: {cause}", path = .path.display())]
    Convert {
        /// The file.
        path: PathBuf,
        /// Reason why the conversion is impossible.
        cause: crate::convert::ConvertError,
    },
}

impl SourceError {
    pub(super) fn unsupported(path: &Path, kind: impl Into<String>) -> Self {
        Self::Unsupported { path: path.to_owned(), kind: kind.into() }
    }

    pub(super) fn io(path: &Path, cause: std::io::Error) -> Self {
        let path = path.to_owned();
        if is_out_of_descriptors(&cause) { Self::TooManyOpenFiles { path } } else { Self::Io { path, cause } }
    }

    /// The error of a call that opens a file. Symphonia reports the end of the data as an I/O error, which means here
    /// that the headers are cut off.
    pub(super) fn symphonia(path: &Path, error: Symphonia) -> Self {
        let path = path.to_owned();
        match error {
            Symphonia::IoError(cause) if is_end(&cause) => {
                Self::Damaged { path, cause: "it ends within its headers".into() }
            }
            Symphonia::IoError(cause) => Self::io(&path, cause),
            Symphonia::Unsupported(message) => {
                Self::Unsupported { path, kind: format!("a file with something unknown in it ({message})") }
            }
            other => Self::Damaged { path, cause: other.to_string() },
        }
    }
}

/// True if an I/O error only reports the end of the data.
pub(super) fn is_end(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidInput)
}

/// Runs a call into Symphonia and turns a panic into a decode error. Some damaged files make it panic, for example with
/// an overflow in the seek table of a FLAC.
pub(super) fn guarded<T>(
    call: impl FnOnce() -> symphonia::core::errors::Result<T>,
) -> symphonia::core::errors::Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call))
        .unwrap_or(Err(Symphonia::DecodeError("the decoder fails on it")))
}
