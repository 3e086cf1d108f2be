use std::path::{Path, PathBuf};

use symphonia::core::errors::Error as Symphonia;

/// What a source call returns.
pub type Result<T> = std::result::Result<T, SourceError>;

/// Why a file gives no sound. Each message is one line that names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The file cannot be opened or read.
    #[error("cannot read {path}: {cause}; check that it is still there and may be read", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// No container or codec that is known here.
    #[error("{path} is not audio that can be read here ({cause}); convert it to FLAC, MP3, Ogg, M4A, WAV or AIFF", path = .path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What was found.
        cause: String,
    },
    /// The right kind of file, but its beginning is damaged.
    #[error("{path} is damaged ({cause}); replace it with a good copy", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// Nothing to play in it.
    #[error("{path} holds no sound; replace it with a good copy", path = .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Another file than the one that was opened first.
    #[error("{path} has changed since it was opened; open it again", path = .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Rates or channel counts that cannot be converted.
    #[error("cannot convert {path}: {cause}", path = .path.display())]
    Convert {
        /// The file.
        path: PathBuf,
        /// What cannot be.
        cause: crate::convert::ConvertError,
    },
}

impl SourceError {
    pub(super) fn io(path: &Path, cause: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), cause }
    }

    /// Symphonia reports the end of the data as an I/O error; here it means that headers are cut off.
    pub(super) fn symphonia(path: &Path, error: Symphonia) -> Self {
        let path = path.to_owned();
        match error {
            Symphonia::IoError(cause) if is_end(&cause) => {
                Self::Damaged { path, cause: "it ends within its headers".into() }
            }
            Symphonia::IoError(cause) => Self::Io { path, cause },
            // "core (probe): no suitable format reader found"
            Symphonia::Unsupported(what) if what.contains("probe") => {
                Self::Unsupported { path, cause: "no known format in it".into() }
            }
            Symphonia::Unsupported(what) => Self::Unsupported { path, cause: what.into() },
            other => Self::Damaged { path, cause: other.to_string() },
        }
    }
}

/// Whether an I/O error only says that there is no more data.
pub(super) fn is_end(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidInput)
}

/// Runs a call into Symphonia, which panics on some damaged files (an overflow in a FLAC's seek table): damage too.
pub(super) fn guarded<T>(
    call: impl FnOnce() -> symphonia::core::errors::Result<T>,
) -> symphonia::core::errors::Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call))
        .unwrap_or(Err(Symphonia::DecodeError("it makes the decoder fail")))
}
