//! What was found on the disk, and what it turned out to be.

use std::{
    fs::Metadata,
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use media_protocol::{Track, TrackId, TrackSource};
use serde::{Deserialize, Serialize};

/// A file that may be a track. Two that are equal hold the same, as far as a look at the folder tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Candidate {
    /// Where it really lies: absolute, no symbolic link in it.
    pub(super) path: PathBuf,
    /// Its size, in bytes.
    pub(super) size: u64,
    /// When it was last written to, in nanoseconds since 1970; 0 where the system does not say.
    pub(super) modified: u64,
}

impl Candidate {
    pub(super) fn new(path: PathBuf, metadata: &Metadata) -> Self {
        Self { path, size: metadata.len(), modified: nanos(metadata.modified().ok()) }
    }
}

/// A time of writing in nanoseconds since 1970; 0 where the system does not say, or not in 64 bits.
pub(super) fn nanos(written: Option<SystemTime>) -> u64 {
    let since = written.and_then(|it| it.duration_since(UNIX_EPOCH).ok());
    since.and_then(|it| u64::try_from(it.as_nanos()).ok()).unwrap_or(0)
}

/// A track's file, described.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct File {
    pub(super) at: Candidate,
    /// The id of its content; copies of it get others, see [`super::snapshot`].
    pub(super) id: TrackId,
    pub(super) title: String,
    pub(super) artist: String,
    pub(super) album: String,
    pub(super) duration_ms: u64,
    pub(super) source: TrackSource,
    /// What a search looks through, in lower case.
    #[serde(skip)]
    pub(super) words: Box<str>,
}

impl File {
    /// The same, fit for searches.
    pub(super) fn with_words(self) -> Self {
        let words = format!("{} {} {}", self.title, self.artist, self.album).to_lowercase().into();
        Self { words, ..self }
    }

    /// What a listener sees of it.
    pub(super) fn track(&self, id: TrackId, number: u32) -> Track {
        Track {
            id,
            number,
            title: self.title.clone(),
            artist: self.artist.clone(),
            album: self.album.clone(),
            duration_ms: self.duration_ms,
            source: self.source.clone(),
        }
    }
}

/// What came of looking into a file. Holds until the file changes.
#[derive(Debug, Clone)]
pub(super) enum Look {
    /// It is a track.
    Track(Arc<File>),
    /// It is none, and why.
    Bad(Candidate, String),
}

impl Look {
    pub(super) fn at(&self) -> &Candidate {
        match self {
            Self::Track(file) => &file.at,
            Self::Bad(at, _) => at,
        }
    }
}
