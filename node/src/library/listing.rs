use std::{collections::HashMap, path::PathBuf, sync::Arc};

use media_protocol::{List, ListPage, Track, TrackId};

use super::{
    scope::Scope,
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
        Self { rows, by_id, skipped, folders, away, scanning }
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
        let search = list.search.to_lowercase();
        let words: Vec<_> = search.split_whitespace().collect();
        let matching: Vec<_> =
            (1..).zip(self.rows_in(scope)).filter(|(_, row)| row.matches(&words)).collect();
        let mut room = List::MAX_ANSWER - PAGE_OVERHEAD;
        let size = |track: &Track| serde_json::to_vec(track).map_or(usize::MAX, |json| json.len() + 1);
        let fits = |track: &Track| room.checked_sub(size(track)).map(|left| room = left).is_some();
        let page = matching.iter().skip(list.offset as usize).take(list.limit.min(List::MAX) as usize);
        let tracks = page.map(|(number, row)| row.track(*number)).take_while(fits).collect();
        let count = |rows: usize| u32::try_from(rows).unwrap_or(u32::MAX);
        ListPage {
            total: count(matching.len()),
            tracks,
            scanning: self.scanning.then(|| count(self.rows_in(scope).count())),
        }
    }

    /// A track's file, and the track as clients of `scope` see it; `None` for a track outside of it.
    pub(super) fn find(&self, id: &TrackId, scope: &Scope) -> Option<(Arc<TrackFile>, Track)> {
        let (position, row) = self.row(id)?;
        let number = match scope {
            Scope::All => position + 1,
            Scope::Folders(_) => (1..).zip(self.rows_in(scope)).find(|(_, other)| other.id == row.id)?.0,
        };
        Some((Arc::clone(&row.file), row.track(number)))
    }

    /// Tells if a track is in `scope`.
    pub(super) fn contains(&self, id: &TrackId, scope: &Scope) -> bool {
        self.row(id).is_some_and(|(_, row)| scope.contains(&row.file.entry.path))
    }

    fn rows_in(&self, scope: &Scope) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| scope.contains(&row.file.entry.path))
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
    fn matches(&self, words: &[&str]) -> bool {
        words.iter().all(|word| self.file.search_text.contains(word) || self.id.as_str().contains(word))
    }

    fn track(&self, number: u32) -> Track {
        self.file.track(self.id.clone(), number)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use media_protocol::{Answer, TrackSource};

    use super::*;
    use crate::library::track_file::FileEntry;

    /// A track with the longest texts, of 4 bytes each character.
    fn longest(number: usize) -> ScannedEntry {
        let text = "\u{1f3b5}".repeat(200);
        let path = PathBuf::from(format!("/music/{number}.flac"));
        let file = TrackFile {
            entry: FileEntry { path, size: 1, modified: 1 },
            id: format!("{number:016x}").parse().unwrap(),
            title: text.clone(),
            artist: text.clone(),
            album: text,
            duration_ms: 1,
            source: TrackSource { codec: "flac".into(), rate: 44_100, channels: 2, bits: Some(16) },
            search_text: Box::default(),
        };
        ScannedEntry::Track(Arc::new(file))
    }

    #[test]
    fn a_page_of_the_longest_tracks_is_cut_to_one_answer() {
        let scanned: Vec<_> = (0..1000).map(longest).collect();
        let listing = Listing::new(scanned.iter(), Vec::new(), Vec::new(), true);
        let page = |offset| listing.page(&List { offset, limit: u32::MAX, ..List::default() }, &Scope::All);
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
        let search = |text: String| listing.page(&List { limit: 10, search: text, offset: 0 }, &scope).total;
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
