//! The albums that the tracks of a library belong to.
//!
//! Tracks are of one album if they have one MusicBrainz id of a release. Without ids, they need the same album title and the
//! same folder, with the folders of discs taken as one, and the same album artist. Without album artists, one folder may
//! hold an album of several artists, or albums of one title by several artists: only in the second case do track numbers
//! occur twice.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
};

use super::{
    common_artist::common_artist,
    disc_name::{in_folder, in_title},
    fold::fold,
    track_file::TrackFile,
};

/// Artist of an album by several artists that names none.
pub(super) const VARIOUS: &str = "Various Artists";
/// Length of an album's id in hexadecimal digits: 64 bits, as of a track's id.
const ID_LENGTH: usize = 16;
/// Key derivation context of BLAKE3: keeps album ids apart from other hashes.
const CONTEXT: &str = "media-node 2026-11 album id";

/// The albums of all tracks, in library order.
#[derive(Debug)]
pub(super) struct AlbumIndex {
    ids: Vec<Box<str>>,
    places: Vec<AlbumPlace>,
}

/// The album of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct AlbumPlace {
    /// Position in [`AlbumIndex::ids`]; `None` without an album.
    album: Option<u32>,
    /// Number of the disc, also from the names of album and folder.
    disc: Option<u16>,
    /// True if several artists made the album and its tags name none for the whole.
    is_various: bool,
}

/// Properties that the tracks of one album share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum AlbumKey {
    MusicBrainz(String),
    Named {
        folder: PathBuf,
        title: String,
        artist: String,
    },
    /// As `Named` without an album artist: the album of all artists in the folder, or of the one given.
    Unnamed {
        folder: PathBuf,
        title: String,
        artist: Option<String>,
    },
}

impl AlbumIndex {
    /// Groups tracks, which come in library order.
    pub(super) fn new<'a>(tracks: impl Iterator<Item = &'a TrackFile>) -> Self {
        let mut grouping = Grouping::default();
        tracks.for_each(|file| grouping.add(file));
        grouping.finish()
    }

    /// Id of a track's album; empty without one.
    pub(super) fn id(&self, position: usize) -> &str {
        let album = self.places.get(position).and_then(|place| place.album);
        album.and_then(|album| self.ids.get(album as usize)).map_or("", |id| id)
    }

    /// Number of a track's disc.
    pub(super) fn disc(&self, position: usize) -> Option<u16> {
        self.places.get(position).and_then(|place| place.disc)
    }

    /// The artist of a track's album, if the tags do not name it.
    pub(super) fn unnamed_artist(&self, position: usize) -> Option<&'static str> {
        self.places.get(position).filter(|place| place.is_various).map(|_| VARIOUS)
    }
}

/// A track while albums are being formed.
struct Candidate {
    key: Option<AlbumKey>,
    artist: String,
    disc: Option<u16>,
    /// Side and number of the track on its disc.
    number: Option<(Option<char>, u16)>,
    is_compilation: bool,
}

#[derive(Default)]
struct Grouping {
    candidates: Vec<Candidate>,
    folders: HashMap<PathBuf, (PathBuf, Option<u16>)>,
}

/// Tracks of one folder and album title without album artist.
#[derive(Default)]
struct UnnamedGroup {
    artists: HashSet<String>,
    numbers: BTreeSet<(Option<u16>, Option<char>, u16)>,
    has_number_twice: bool,
    is_compilation: bool,
}

/// The albums that an [`UnnamedGroup`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GroupKind {
    /// One album of an artist and guests.
    OneArtist,
    /// One album of several artists.
    Various,
    /// An album for each artist.
    OfEachArtist,
}

impl UnnamedGroup {
    fn kind(&self) -> GroupKind {
        if common_artist(self.artists.iter().map(String::as_str)).is_some() {
            GroupKind::OneArtist
        } else if self.artists.len() > 1 && (self.is_compilation || !self.has_number_twice) {
            GroupKind::Various
        } else {
            GroupKind::OfEachArtist
        }
    }
}

impl Grouping {
    fn add(&mut self, file: &TrackFile) {
        let (title, disc_of_title) = match in_title(&file.album) {
            Some((title, disc)) => (title, Some(disc)),
            None => (file.album.as_str(), None),
        };
        let parent = file.entry.path.parent().unwrap_or(Path::new(""));
        if !self.folders.contains_key(parent) {
            self.folders.insert(parent.to_owned(), base_folder(parent));
        }
        let (folder, disc_of_folder) = self.folders.get(parent).cloned().unwrap_or_default();
        let tags = &file.tags;
        let title = fold(title);
        let artist = fold(&tags.album_artists.join("\n"));
        let release = tags.musicbrainz.as_ref().map_or("", |ids| ids.album.as_str());
        let key = if !release.is_empty() {
            Some(AlbumKey::MusicBrainz(release.to_owned()))
        } else if title.is_empty() {
            None
        } else if artist.is_empty() {
            Some(AlbumKey::Unnamed { folder, title, artist: None })
        } else {
            Some(AlbumKey::Named { folder, title, artist })
        };
        self.candidates.push(Candidate {
            key,
            artist: fold(&file.artist),
            disc: tags.disc.or(disc_of_title).or(disc_of_folder),
            number: tags.track.map(|track| (tags.side, track)),
            is_compilation: tags.compilation,
        });
    }

    fn finish(self) -> AlbumIndex {
        let kinds: HashMap<_, _> =
            self.unnamed_groups().into_iter().map(|(key, group)| (key, group.kind())).collect();
        let mut albums: HashMap<AlbumKey, u32> = HashMap::new();
        let mut index = AlbumIndex { ids: Vec::new(), places: Vec::new() };
        for candidate in self.candidates {
            let kind = candidate.key.as_ref().and_then(|key| kinds.get(key)).copied();
            let key = match candidate.key {
                Some(AlbumKey::Unnamed { folder, title, .. }) if kind == Some(GroupKind::OfEachArtist) => {
                    Some(AlbumKey::Unnamed { folder, title, artist: Some(candidate.artist) })
                }
                key => key,
            };
            let album = key.map(|key| {
                *albums.entry(key).or_insert_with_key(|key| {
                    index.ids.push(key.id());
                    u32::try_from(index.ids.len() - 1).unwrap_or(u32::MAX)
                })
            });
            index.places.push(AlbumPlace {
                album,
                disc: candidate.disc,
                is_various: kind == Some(GroupKind::Various),
            });
        }
        index
    }

    fn unnamed_groups(&self) -> HashMap<AlbumKey, UnnamedGroup> {
        let mut groups: HashMap<AlbumKey, UnnamedGroup> = HashMap::new();
        for candidate in &self.candidates {
            if let Some(key @ AlbumKey::Unnamed { .. }) = &candidate.key {
                let group = groups.entry(key.clone()).or_default();
                group.artists.insert(candidate.artist.clone());
                group.is_compilation |= candidate.is_compilation;
                if let Some((side, track)) = candidate.number {
                    group.has_number_twice |= !group.numbers.insert((candidate.disc, side, track));
                }
            }
        }
        groups
    }
}

impl AlbumKey {
    /// The id of the album. A hash, so that it reveals no folder.
    fn id(&self) -> Box<str> {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        let mut add = |part: &[u8]| {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        };
        match self {
            Self::MusicBrainz(release) => add(release.as_bytes()),
            Self::Named { folder, title, artist } => {
                [folder.as_os_str().as_encoded_bytes(), title.as_bytes(), artist.as_bytes()]
                    .into_iter()
                    .for_each(add);
            }
            Self::Unnamed { folder, title, artist } => {
                let artist = artist.as_deref().unwrap_or_default();
                let folder = folder.as_os_str().as_encoded_bytes();
                [folder, title.as_bytes(), b"", artist.as_bytes()].into_iter().for_each(add);
            }
        }
        let mut id = hasher.finalize().to_hex().to_string();
        id.truncate(ID_LENGTH);
        id.into()
    }
}

/// The folder of an album: that of a track, or the one above if it is the folder of a disc. Also the disc's number.
fn base_folder(folder: &Path) -> (PathBuf, Option<u16>) {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    match in_folder(&name) {
        Some(("", disc)) => (folder.parent().unwrap_or(folder).to_owned(), Some(disc)),
        Some((rest, disc)) => (folder.with_file_name(rest), Some(disc)),
        None => (folder.to_owned(), None),
    }
}

#[cfg(test)]
mod tests;
