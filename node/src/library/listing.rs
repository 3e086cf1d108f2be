use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use media_protocol::{List, ListPage, Track, TrackId};

use super::{
    album_index::AlbumIndex,
    query::{Match, Query},
    scope::Scope,
    search_index::SearchIndex,
    skipped::Skipped,
    track_file::{ScannedEntry, TrackFile},
    track_id::copy_id,
};

/// Bytes of an answer that are reserved for everything but the tracks: the page's other fields, and the `ok`
/// around the page. Tested by `a_page_of_the_longest_tracks_is_cut_to_one_answer`.
const PAGE_OVERHEAD: usize = 1024;

/// The tracks at one moment. A listing never changes; [`super::Catalog`] replaces it by the next.
#[derive(Debug)]
pub(super) struct Listing {
    /// Tracks in library order. The first row is track number 1.
    rows: Vec<Row>,
    /// Positions in `rows`, sorted by id.
    by_id: Vec<u32>,
    /// Folders that could not be read, then files that are not tracks.
    skipped: Vec<Skipped>,
    /// Folders whose disk was away at the scan.
    away: Vec<PathBuf>,
    /// Number of the folders among `skipped`.
    folders: usize,
    /// True while a scan still reads headers of files that are not in `rows`.
    scanning: bool,
    /// Made when first needed, since most listings of a long scan are never asked.
    albums: OnceLock<AlbumIndex>,
    /// As `albums`.
    search: OnceLock<SearchIndex>,
}

#[derive(Debug)]
struct Row {
    file: Arc<TrackFile>,
    /// Id of the content. If an earlier row has the same content, another id.
    id: TrackId,
    /// True if the file was not found at the scan, since its disk is away.
    is_away: bool,
}

impl Listing {
    /// A listing of scanned files in library order. Copies of the same content get different ids by their order.
    /// `skipped` holds the folders that the scan could not read; the files that are not tracks are added to it.
    pub(super) fn new<'a>(
        scanned: impl Iterator<Item = &'a ScannedEntry>,
        mut skipped: Vec<Skipped>,
        away: Vec<PathBuf>,
        scanning: bool,
    ) -> Self {
        let mut rows = Vec::new();
        let folders = skipped.len();
        let mut copies: HashMap<&TrackId, u64> = HashMap::new();
        for entry in scanned {
            match entry {
                ScannedEntry::Track(file) => {
                    let copies_before = copies.entry(&file.id).or_default();
                    let id = copy_id(&file.id, *copies_before);
                    let is_away = away.iter().any(|folder| file.entry.path.starts_with(folder));
                    rows.push(Row { file: Arc::clone(file), id, is_away });
                    *copies_before += 1;
                }
                ScannedEntry::Skipped(file) => {
                    skipped.push(Skipped { path: file.entry.path.clone(), reason: file.reason.clone() });
                }
            }
        }
        let mut by_id: Vec<u32> = (0..).take(rows.len()).collect();
        by_id.sort_unstable_by_key(|position| rows.get(*position as usize).map(|row| row.id.as_str()));
        let (albums, search) = (OnceLock::new(), OnceLock::new());
        Self { rows, by_id, skipped, folders, away, scanning, albums, search }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    pub(super) fn away(&self) -> &[PathBuf] {
        &self.away
    }

    /// Number of tracks that are away.
    pub(super) fn away_len(&self) -> usize {
        self.rows.iter().filter(|row| row.is_away).count()
    }

    pub(super) fn unreadable_folders(&self) -> &[Skipped] {
        self.skipped.get(..self.folders).unwrap_or_default()
    }

    pub(super) fn is_scanning(&self) -> bool {
        self.scanning
    }

    /// The requested page of the tracks in `scope`, cut to [`List::MAX`] tracks and [`List::MAX_ANSWER`] bytes. Tracks
    /// outside of the scope do not count.
    pub(super) fn page(&self, list: &List, scope: &Scope) -> ListPage {
        let mut room = List::MAX_ANSWER - PAGE_OVERHEAD;
        let size = |track: &Track| serde_json::to_vec(track).map_or(usize::MAX, |json| json.len() + 1);
        let fits = |track: &Track| room.checked_sub(size(track)).map(|left| room = left).is_some();
        let numbering = self.numbering(scope);
        let track = |position: u32| self.track(position, numbering.number(position)?, list.detail);
        let (offset, limit) = (list.offset as usize, list.limit.min(List::MAX) as usize);
        let query = Query::new(&list.search);
        let (total, tracks) = if query.is_empty() {
            let page = (0..numbering.len()).skip(offset).take(limit);
            let page = page.filter_map(|index| numbering.position(index));
            (numbering.len(), page.filter_map(track).take_while(fits).collect())
        } else {
            let matching = self.matching(&query, list, &numbering);
            let page = matching.iter().skip(offset).take(limit);
            (matching.len(), page.filter_map(|position| track(*position)).take_while(fits).collect())
        };
        ListPage { total: count(total), tracks, scanning: self.scanning.then(|| count(numbering.len())) }
    }

    /// Positions of the rows that match a search: in library order, or with details in order of relevance. A search for the
    /// whole id of a track finds it.
    fn matching(&self, query: &Query, list: &List, numbering: &Numbering) -> Vec<u32> {
        let is_visible = |position: u32| numbering.number(position).is_some();
        let mut found = self.search_index().find(query, is_visible);
        if list.detail {
            found.sort_by_key(|(_, fit)| *fit);
        }
        let id = list.search.trim().parse().ok();
        if let Some((position, _)) =
            id.and_then(|id| self.row(&id)).filter(|(position, _)| is_visible(*position))
        {
            found.retain(|(other, _)| *other != position);
            found.insert(0, (position, Match::Exact));
        }
        if !list.detail {
            found.sort_unstable_by_key(|(position, _)| *position);
        }
        found.into_iter().map(|(position, _)| position).collect()
    }

    /// The track in a row under this number, as clients see it.
    fn track(&self, position: u32, number: u32, with_detail: bool) -> Option<Track> {
        let row = self.rows.get(position as usize)?;
        let mut track = row.track(number);
        if with_detail {
            let albums = self.albums();
            let (album, disc) = (albums.id(position as usize), albums.disc(position as usize));
            track.detail = Some(Box::new(row.file.detail(album, disc)));
        }
        Some(track)
    }

    fn albums(&self) -> &AlbumIndex {
        self.albums.get_or_init(|| AlbumIndex::new(self.rows.iter().map(|row| row.file.as_ref())))
    }

    fn search_index(&self) -> &SearchIndex {
        self.search.get_or_init(|| {
            let albums = self.albums();
            let rows = self.rows.iter().enumerate();
            SearchIndex::new(rows.map(|(position, row)| (row.file.as_ref(), albums.unnamed_artist(position))))
        })
    }

    /// Makes what searches and albums need, so that no client waits for it.
    pub(super) fn prepare(&self) {
        self.search_index();
    }

    /// A track's file, and the track as clients of `scope` see it; `None` for a track outside of it.
    pub(super) fn find(&self, id: &TrackId, scope: &Scope) -> Option<(Arc<TrackFile>, Track)> {
        let (position, row) = self.row(id)?;
        let number = self.numbering(scope).number(position)?;
        Some((Arc::clone(&row.file), row.track(number)))
    }

    /// Tells if a track is in `scope`.
    pub(super) fn contains(&self, id: &TrackId, scope: &Scope) -> bool {
        self.row(id).is_some_and(|(_, row)| scope.contains(&row.file.entry.path))
    }

    fn numbering(&self, scope: &Scope) -> Numbering {
        let is_visible = |row: &Row| scope.contains(&row.file.entry.path);
        match scope {
            Scope::All => Numbering::All(self.rows.len()),
            Scope::Folders(_) => {
                let rows = (0..).zip(&self.rows).filter(|(_, row)| is_visible(row));
                Numbering::Some(rows.map(|(position, _)| position).collect())
            }
        }
    }

    /// A track's [`super::track_file::FileEntry::modified`].
    pub(super) fn modified(&self, id: &TrackId) -> Option<u64> {
        self.row(id).map(|(_, row)| row.file.entry.modified)
    }

    fn row(&self, id: &TrackId) -> Option<(u32, &Row)> {
        let row = |position: u32| self.rows.get(position as usize);
        let id_at = |position: &u32| row(*position).map(|row| &row.id);
        let found = self.by_id.binary_search_by_key(&Some(id), id_at).ok()?;
        let position = *self.by_id.get(found)?;
        Some((position, row(position)?))
    }
}

impl Row {
    fn track(&self, number: u32) -> Track {
        Track { away: self.is_away, ..self.file.track(self.id.clone(), number) }
    }
}

/// The numbers of the tracks that a caller sees.
enum Numbering {
    /// This many rows, all of them.
    All(usize),
    /// The rows at these positions, in order.
    Some(Vec<u32>),
}

impl Numbering {
    fn len(&self) -> usize {
        match self {
            Self::All(rows) => *rows,
            Self::Some(positions) => positions.len(),
        }
    }

    /// Position of the row that comes `index` rows behind the first.
    fn position(&self, index: usize) -> Option<u32> {
        match self {
            Self::All(_) => u32::try_from(index).ok(),
            Self::Some(positions) => positions.get(index).copied(),
        }
    }

    /// Track number of the row at a position, from 1. `None` if the caller does not see it.
    fn number(&self, position: u32) -> Option<u32> {
        match self {
            Self::All(_) => Some(position + 1),
            Self::Some(positions) => positions.binary_search(&position).ok().map(|index| count(index + 1)),
        }
    }
}

fn count(rows: usize) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use media_protocol::{Answer, MusicBrainzIds, SortNames, TrackTags};

    use super::*;
    use crate::library::{
        test_support::track_file,
        track_file::{FileEntry, bounded_tags},
    };

    /// A track with the longest texts, of 4 bytes each character, and as many as may be.
    fn longest(number: usize) -> ScannedEntry {
        let text = || "\u{1f3b5}".repeat(200);
        let list = || vec![text(); 99];
        let mut file = track_file(&format!("/music/{number}.flac"), 1);
        file.id = format!("{number:016x}").parse().unwrap();
        (file.title, file.artist, file.album) = (text(), text(), text());
        file.tags = bounded_tags(TrackTags {
            artists: list(),
            album_artists: list(),
            genres: list(),
            composers: list(),
            sort: Some(Box::new(SortNames {
                title: text(),
                artist: text(),
                album: text(),
                album_artist: text(),
                composer: text(),
            })),
            musicbrainz: Some(Box::new(MusicBrainzIds {
                recording: text(),
                track: text(),
                album: text(),
                release_group: text(),
                artists: list(),
                album_artists: list(),
            })),
            ..TrackTags::default()
        });
        assert!(file.is_bounded());
        ScannedEntry::Track(Arc::new(file))
    }

    #[test]
    fn a_page_of_the_longest_tracks_is_cut_to_one_answer() {
        let scanned: Vec<_> = (0..1000).map(longest).collect();
        let listing = Listing::new(scanned.iter(), Vec::new(), Vec::new(), true);
        for detail in [false, true] {
            every_page_fits(&listing, detail);
        }
    }

    fn every_page_fits(listing: &Listing, detail: bool) {
        let page =
            |offset| listing.page(&List { offset, limit: u32::MAX, detail, ..List::default() }, &Scope::All);
        let mut joined = Vec::new();
        while joined.len() < 1000 {
            let page = page(u32::try_from(joined.len()).unwrap());
            let answer = serde_json::to_vec(&Answer::Ok(&page)).unwrap();
            assert!(answer.len() <= List::MAX_ANSWER && !page.tracks.is_empty());
            // A further track would not have fitted.
            let track = serde_json::to_vec(&page.tracks[0]).unwrap();
            assert!(
                answer.len() + track.len() + 2000 > List::MAX_ANSWER
                    || joined.len() + page.tracks.len() == 1000
            );
            joined.extend(page.tracks);
        }
        assert!((1..).zip(&joined).all(|(number, track)| track.number == number));
    }

    #[test]
    fn tracks_outside_of_a_scope_do_not_exist() {
        let file = |(number, folder): (usize, &str)| match longest(number) {
            ScannedEntry::Track(file) => {
                let path = PathBuf::from(format!("/music/{folder}/{number}.flac"));
                let entry = FileEntry { path, ..file.entry.clone() };
                ScannedEntry::Track(Arc::new(TrackFile { entry, ..(*file).clone() }))
            }
            skipped @ ScannedEntry::Skipped(..) => skipped,
        };
        let scanned: Vec<_> = [(0, "rock"), (1, "jazz"), (2, "rock"), (3, "jazz")].map(file).into();
        let listing = Listing::new(scanned.iter(), Vec::new(), Vec::new(), true);
        let scope = Scope::new(&["jazz".into()], &["/music".into()]);
        let page = listing.page(&List { limit: 10, ..List::default() }, &scope);
        let listed: Vec<_> = page.tracks.iter().map(|track| (track.number, track.id.to_string())).collect();
        assert_eq!(listed, [(1, format!("{:016x}", 1)), (2, format!("{:016x}", 3))]);
        assert_eq!((page.total, page.scanning), (2, Some(2)));
        let outside = page.tracks[0].id.to_string().replace('1', "2");
        let search =
            |text: String| listing.page(&List { limit: 10, search: text, ..List::default() }, &scope).total;
        assert_eq!((search(outside.clone()), search(listed[0].1.clone())), (0, 1));
        for track in &page.tracks {
            assert!(listing.contains(&track.id, &scope));
            assert_eq!(listing.find(&track.id, &scope).unwrap().1, *track);
        }
        let outside: TrackId = outside.parse().unwrap();
        assert!(listing.contains(&outside, &Scope::All) && !listing.contains(&outside, &scope));
        assert!(listing.find(&outside, &scope).is_none());
    }
}
