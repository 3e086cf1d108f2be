//! Files below the owner's folders, and the result of reading their headers.

use std::{
    fs::Metadata,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use media_protocol::{Track, TrackId, TrackSource};
use serde::{Deserialize, Serialize};

use super::skipped::SkipReason;

/// Longest title, artist or album, in characters. With this limit, a page of [`media_protocol::List::MAX`] tracks
/// fits into one answer. Tested by `a_tag_becomes_one_line_of_200_characters`.
const MAX_TEXT: usize = 200;

/// A file that may be a track. If the entry of a file equals that of the last scan, the scan does not open the
/// file again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct FileEntry {
    /// Absolute path without symbolic links.
    pub(super) path: PathBuf,
    /// Size in bytes.
    pub(super) size: u64,
    /// Time of the last change, see [`nanos`].
    pub(super) modified: u64,
}

impl FileEntry {
    pub(super) fn new(path: PathBuf, metadata: &Metadata) -> Self {
        Self { path, size: metadata.len(), modified: nanos(metadata.modified().ok()) }
    }

    /// The file at `path` as it is now. `None` if it cannot be found.
    pub(super) fn read(path: &Path) -> Option<Self> {
        path.metadata().ok().map(|metadata| Self::new(path.to_owned(), &metadata))
    }
}

/// A file's time of change in nanoseconds since 1970; 0 if the system does not tell or 64 bits cannot hold it.
pub(super) fn nanos(modified: Option<SystemTime>) -> u64 {
    let since_epoch = modified.and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
    since_epoch.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

/// A file that is a track, with its description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TrackFile {
    #[serde(rename = "at")]
    pub(super) entry: FileEntry,
    /// Id of the content. Further copies of the same content get ids of their own in
    /// [`super::listing::Listing`].
    pub(super) id: TrackId,
    pub(super) title: String,
    pub(super) artist: String,
    pub(super) album: String,
    /// 0 if the headers do not tell the length.
    pub(super) duration_ms: u64,
    pub(super) source: TrackSource,
    /// Title, artist and album in lower case, for searches.
    #[serde(skip)]
    pub(super) search_text: Box<str>,
}

impl TrackFile {
    /// Fills in [`TrackFile::search_text`].
    pub(super) fn with_search_text(self) -> Self {
        let text = format!("{} {} {}", self.title, self.artist, self.album).to_lowercase();
        Self { search_text: text.into(), ..self }
    }

    /// The track as clients see it.
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

/// Result of reading a file's headers. It is valid until the file's [`FileEntry`] changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ScannedEntry {
    /// The file is a track.
    Track(Arc<TrackFile>),
    /// The file is not a track.
    Skipped(Arc<SkippedFile>),
}

/// A file that is not a track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SkippedFile {
    #[serde(rename = "at")]
    pub(super) entry: FileEntry,
    pub(super) reason: SkipReason,
}

impl ScannedEntry {
    pub(super) fn track(&self) -> Option<&Arc<TrackFile>> {
        match self {
            Self::Track(file) => Some(file),
            Self::Skipped(_) => None,
        }
    }

    /// True if the file could not be read, which may pass.
    pub(super) fn is_unreadable(&self) -> bool {
        matches!(self, Self::Skipped(file) if matches!(file.reason, SkipReason::Unreadable(_)))
    }

    pub(super) fn entry(&self) -> &FileEntry {
        match self {
            Self::Track(file) => &file.entry,
            Self::Skipped(file) => &file.entry,
        }
    }
}

/// Turns a tag into one line of at most [`MAX_TEXT`] characters.
pub(super) fn bounded_text(tag: &str) -> String {
    tag.chars().take(MAX_TEXT).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// True if [`bounded_text`] would leave the text as it is.
pub(super) fn is_bounded_text(text: &str) -> bool {
    text.chars().take(MAX_TEXT + 1).count() <= MAX_TEXT && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_becomes_one_line_of_200_characters() {
        assert_eq!(bounded_text("a\u{1b}[2J\nb"), "a [2J b");
        let longest = "\u{1f3b5}".repeat(200);
        assert_eq!(bounded_text(&(longest.clone() + "x")), longest);
        assert!(is_bounded_text(&longest) && !is_bounded_text(&(longest + "x")) && !is_bounded_text("a\nb"));
    }
}
