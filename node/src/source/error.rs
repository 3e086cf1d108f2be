use std::path::{Path, PathBuf};

use symphonia::core::errors::Error as Symphonia;

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
    /// The container or codec is unknown or has no decoder here.
    #[error("{path} is not audio that can be read here ({cause}); convert it to FLAC, MP3, Ogg, M4A, WAV or AIFF", path = .path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The kind of file, or the part of it that is not supported.
        cause: String,
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
    /// The file's rate or channel count cannot be converted.
    #[error("cannot convert {path}: {cause}", path = .path.display())]
    Convert {
        /// The file.
        path: PathBuf,
        /// The conversion that was asked for.
        cause: crate::convert::ConvertError,
    },
}

impl SourceError {
    pub(super) fn io(path: &Path, cause: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), cause }
    }

    /// The error of a call that opens a file. Symphonia reports the end of the data as an I/O error, which means here
    /// that the headers are cut off.
    pub(super) fn symphonia(path: &Path, error: Symphonia) -> Self {
        let path = path.to_owned();
        match error {
            Symphonia::IoError(cause) if is_end(&cause) => {
                Self::Damaged { path, cause: "it ends within its headers".into() }
            }
            Symphonia::IoError(cause) => Self::Io { path, cause },
            // "core (probe): no suitable format reader found"
            Symphonia::Unsupported(message) if message.contains("probe") => {
                Self::Unsupported { path, cause: "no known format in it".into() }
            }
            Symphonia::Unsupported(message) => Self::Unsupported { path, cause: message.into() },
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
