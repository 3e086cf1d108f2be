use std::{path::PathBuf, time::Duration};

use media_protocol::{ErrorCode, WireError};

use crate::source::{SourceError, formats};

/// Reason for which there are no tracks to serve. One line for a person.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// One of the given paths cannot be read.
    #[error("cannot read {path}: {cause}; check the path and its permissions", path = .path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The system's error.
        cause: std::io::Error,
    },
    /// None of the given paths leads to a track.
    #[error("no audio files found under {paths}; supported: {endings}{skipped}", endings = endings())]
    Empty {
        /// The given paths.
        paths: String,
        /// Number of skipped files with the reason of the first, or an empty text.
        skipped: String,
    },
}

/// File name endings of audio files, for a message.
fn endings() -> String {
    let mut endings: Vec<_> = formats::endings().collect();
    endings.sort_unstable();
    endings.join(", ")
}

/// Time after which a client may request a track again that the node could not open for lack of file descriptors. Tested
/// by `a_node_without_a_descriptor_is_busy_and_goes_on`.
const DESCRIPTOR_RETRY: Duration = Duration::from_secs(2);

/// The refusal for a file that cannot be read: `Busy` if only a file descriptor is missing. The node's log names the file; a
/// peer learns the track's title only.
pub(super) fn unreadable(title: &str, error: &SourceError) -> WireError {
    tracing::warn!("{error}");
    let message = format!("cannot read {title:?}: {}", reason(error));
    match error {
        SourceError::TooManyOpenFiles { .. } => WireError::busy(message, DESCRIPTOR_RETRY),
        _ => WireError::new(ErrorCode::Unreadable, message),
    }
}

/// The reason of a [`SourceError`], without the file's path.
pub(super) fn reason(error: &SourceError) -> String {
    match error {
        SourceError::Io { cause, .. } => cause.to_string(),
        SourceError::TooManyOpenFiles { .. } => "the node has too many open files".into(),
        SourceError::Unsupported { kind, .. } => format!("not a supported audio file ({kind})"),
        SourceError::Damaged { cause, .. } => format!("the file is damaged ({cause})"),
        SourceError::Empty { .. } => "the file holds no audio".into(),
        SourceError::Changed { .. } => "the file has changed on the node's disk; try again".into(),
        SourceError::Stopped { stop, .. } => stop.to_string(),
        SourceError::Convert { cause, .. } => cause.to_string(),
    }
}
