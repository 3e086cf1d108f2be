//! Files below the owner's folders, and the result of reading their headers.

use std::{
    fs::Metadata,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use media_protocol::{SortNames, Track, TrackDetail, TrackId, TrackSource, TrackTags};
use serde::{Deserialize, Serialize};

use super::skipped::SkipReason;

/// Longest title, artist or album, in characters. With this limit, a page of [`media_protocol::List::MAX`] tracks
/// fits into one answer. Tested by `a_tag_becomes_one_line_of_200_characters`.
const MAX_TEXT: usize = TrackTags::MAX_TEXT;

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
    /// Time at which the file came into the library, in seconds since 1970.
    pub(super) added: u64,
    /// Further tags. The list of artists is empty if [`TrackFile::artist`] is the only one.
    pub(super) tags: TrackTags,
}

impl TrackFile {
    /// The texts that a search looks at, the title first.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let tags = &self.tags;
        let lists = [&tags.artists, &tags.album_artists, &tags.genres, &tags.composers];
        let sort = tags.sort.iter().flat_map(|sort| sort_names(sort).into_iter().map(String::as_str));
        let own = [self.title.as_str(), &self.artist, &self.album];
        own.into_iter().chain(lists.into_iter().flatten().map(String::as_str)).chain(sort)
    }

    /// Frees memory that the tags reserve and do not use.
    pub(super) fn shrunk(mut self) -> Self {
        let tags = &mut self.tags;
        if tags.artists == [self.artist.as_str()] {
            tags.artists.clear();
        }
        let lists = [&mut tags.artists, &mut tags.album_artists, &mut tags.genres, &mut tags.composers];
        lists.into_iter().for_each(Vec::shrink_to_fit);
        self
    }

    /// Returns whether all texts and lists are within their bounds.
    pub(super) fn is_bounded(&self) -> bool {
        let tags = &self.tags;
        let ids = tags.musicbrainz.as_deref();
        let id_lists = ids.map(|ids| [&ids.artists, &ids.album_artists]);
        let lists = [&tags.artists, &tags.album_artists, &tags.genres, &tags.composers];
        let lists = || lists.into_iter().chain(id_lists.into_iter().flatten());
        let id_texts = ids.map(|ids| [&ids.recording, &ids.track, &ids.album, &ids.release_group]);
        let id_texts = id_texts.into_iter().flatten().chain(id_lists.into_iter().flatten().flatten());
        lists().all(|list| list.len() <= TrackTags::MAX_VALUES)
            && self.texts().chain(id_texts.map(String::as_str)).all(is_bounded_text)
            && is_bounded_text(&self.source.codec)
    }

    /// Everything else that clients learn on request. `album` and `disc` are those of the album that the track belongs to.
    pub(super) fn detail(&self, album: &str, disc: Option<u16>) -> TrackDetail {
        let bitrate = (u128::from(self.entry.size) * 8000).checked_div(u128::from(self.duration_ms));
        let mut tags = self.tags.clone();
        if tags.artists.is_empty() && !self.artist.is_empty() {
            tags.artists.push(self.artist.clone());
        }
        TrackDetail {
            album: album.to_owned(),
            disc,
            size: self.entry.size,
            bitrate: bitrate.and_then(|bitrate| u32::try_from(bitrate).ok()),
            added: self.added,
            tags,
        }
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
            away: false,
            source: self.source.clone(),
            detail: None,
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

/// Cuts all texts and lists of the tags to their bounds.
pub(super) fn bounded_tags(mut tags: TrackTags) -> TrackTags {
    let bound = |list: &mut Vec<String>| {
        list.truncate(TrackTags::MAX_VALUES);
        list.iter_mut().for_each(|text| *text = bounded_text(text));
    };
    [&mut tags.artists, &mut tags.album_artists, &mut tags.genres, &mut tags.composers]
        .into_iter()
        .for_each(bound);
    if let Some(sort) = &mut tags.sort {
        let SortNames { title, artist, album, album_artist, composer } = sort.as_mut();
        let names = [title, artist, album, album_artist, composer];
        names.into_iter().for_each(|text| *text = bounded_text(text));
    }
    if let Some(ids) = &mut tags.musicbrainz {
        [&mut ids.artists, &mut ids.album_artists].into_iter().for_each(bound);
        let ids = ids.as_mut();
        [&mut ids.recording, &mut ids.track, &mut ids.album, &mut ids.release_group]
            .into_iter()
            .for_each(|text| *text = bounded_text(text));
    }
    tags
}

fn sort_names(sort: &SortNames) -> [&String; 5] {
    [&sort.title, &sort.artist, &sort.album, &sort.album_artist, &sort.composer]
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
