//! The tracks as they are at one moment: never changed, replaced by the next.

use std::{collections::HashMap, sync::Arc};

use media_protocol::{List, ListPage, Track, TrackId};

use super::{
    Skipped, describe,
    file::{File, Look},
};

#[derive(Debug)]
pub(super) struct Snapshot {
    /// In the order that `ls` numbers, from 1.
    rows: Vec<Row>,
    /// Places in `rows`, sorted by id.
    by_id: Vec<u32>,
    skipped: Vec<Skipped>,
    /// Whether some of what is on the disk has not been looked at yet.
    scanning: bool,
}

#[derive(Debug)]
struct Row {
    file: Arc<File>,
    /// The file's, or for a further copy of the same content another.
    id: TrackId,
}

impl Snapshot {
    /// Of what was looked at, in order. Copies of one content are told apart by their order. A folder that could not be
    /// looked into is among the `skipped`; files that are no tracks are added to them.
    pub(super) fn new<'a>(
        looks: impl Iterator<Item = &'a Look>,
        mut skipped: Vec<Skipped>,
        scanning: bool,
    ) -> Self {
        let (mut rows, mut twins) = (Vec::new(), HashMap::new());
        for look in looks {
            match look {
                Look::Track(file) => {
                    let nth: &mut u64 = twins.entry(&file.id).or_default();
                    rows.push(Row { file: file.clone(), id: describe::copy_id(&file.id, *nth) });
                    *nth += 1;
                }
                Look::Bad(at, reason) => {
                    skipped.push(Skipped { path: at.path.clone(), reason: reason.clone() });
                }
            }
        }
        let mut by_id: Vec<u32> = (0..).take(rows.len()).collect();
        by_id.sort_unstable_by_key(|place| rows.get(*place as usize).map(|row| row.id.as_str()));
        Self { rows, by_id, skipped, scanning }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    pub(super) fn is_scanning(&self) -> bool {
        self.scanning
    }

    pub(super) fn list(&self, list: &List) -> ListPage {
        let search = list.search.to_lowercase();
        let words: Vec<_> = search.split_whitespace().collect();
        let matching: Vec<_> = (1..).zip(&self.rows).filter(|(_, row)| row.matches(&words)).collect();
        // What is not tracks in an answer takes less than this.
        let mut room = List::MAX_ANSWER - 1024;
        let size = |it: &Track| serde_json::to_vec(it).map_or(usize::MAX, |it| it.len() + 1);
        let fits = |it: &Track| room.checked_sub(size(it)).map(|left| room = left).is_some();
        let page = matching.iter().skip(list.offset as usize).take(list.limit.min(List::MAX) as usize);
        let tracks = page.map(|(number, row)| row.track(*number)).take_while(fits).collect();
        let count = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
        ListPage {
            total: count(matching.len()),
            tracks,
            scanning: self.scanning.then(|| count(self.rows.len())),
        }
    }

    /// The file of a track, and the track as a listener sees it.
    pub(super) fn find(&self, id: &TrackId) -> Option<(Arc<File>, Track)> {
        let (place, row) = self.row(id)?;
        Some((row.file.clone(), row.track(place + 1)))
    }

    /// When a track's file was last written to, as [`super::file::Candidate::modified`].
    pub(super) fn written(&self, id: &TrackId) -> Option<u64> {
        self.row(id).map(|(_, row)| row.file.at.modified)
    }

    fn row(&self, id: &TrackId) -> Option<(u32, &Row)> {
        let row = |place: u32| self.rows.get(place as usize);
        let place = self.by_id.binary_search_by_key(&Some(id), |place| row(*place).map(|row| &row.id));
        let place = *self.by_id.get(place.ok()?)?;
        Some((place, row(place)?))
    }
}

impl Row {
    fn matches(&self, words: &[&str]) -> bool {
        words.iter().all(|word| self.file.words.contains(word) || self.id.as_str().contains(word))
    }

    fn track(&self, number: u32) -> Track {
        self.file.track(self.id.clone(), number)
    }
}
