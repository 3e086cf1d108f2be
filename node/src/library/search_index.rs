//! The folded text of a library, which searches scan in memory.

use super::{
    fold::{fold_into, joined_words},
    query::{Match, Query},
    track_file::TrackFile,
};

/// The text of all tracks: a row for each track, in library order. A row has a line for each distinct field, the title
/// first. Each word of a line stands behind a space.
#[derive(Debug)]
pub(super) struct SearchIndex {
    text: String,
    /// Offset in `text` of the beginning of each row, and of the end of the last one.
    starts: Vec<u32>,
}

impl SearchIndex {
    /// Folds the texts of tracks. A track comes with the artist of its album if its tags do not name it.
    ///
    /// Text beyond 4 GiB is left out, so that later tracks are not found by words. No library has that much.
    pub(super) fn new<'a>(tracks: impl Iterator<Item = (&'a TrackFile, Option<&'a str>)>) -> Self {
        let mut index = Self { text: String::new(), starts: vec![0] };
        for (file, album_artist) in tracks {
            index.add(file, album_artist);
        }
        index.text.shrink_to_fit();
        index
    }

    fn add(&mut self, file: &TrackFile, album_artist: Option<&str>) {
        let start = self.text.len();
        let mut row = Row { text: &mut self.text, start };
        file.texts().chain(album_artist).for_each(|text| row.field(text));
        file.tags
            .date
            .into_iter()
            .chain(file.tags.original_date)
            .for_each(|date| row.field(&date.to_string()));
        file.texts().for_each(|text| joined_words(text).for_each(|word| row.field(&word)));
        self.starts.push(u32::try_from(self.text.len()).unwrap_or_else(|_| {
            self.text.truncate(start);
            start as u32
        }));
    }

    /// Finds the visible tracks that have all words of a query, with the degree to which their titles fit. In library order.
    pub(super) fn find(&self, query: &Query, is_visible: impl Fn(u32) -> bool) -> Vec<(u32, Match)> {
        let find = |query: &Query| {
            let mut found = self.find_words(query);
            found.retain(|(position, _)| is_visible(*position));
            found
        };
        let found = find(query);
        match query.with_open_numbers() {
            Some(open) if found.is_empty() => find(&open),
            _ => found,
        }
    }

    fn find_words(&self, query: &Query) -> Vec<(u32, Match)> {
        let mut found = Vec::new();
        // The longest word is the rarest as a rule, so most rows are never looked at.
        let Some(longest) = query.words().iter().max_by_key(|word| word.len()) else { return found };
        let others: Vec<_> = query.words().iter().filter(|word| !std::ptr::eq(*word, longest)).collect();
        let text = self.text.as_bytes();
        let mut at = 0;
        let mut row = 0;
        while let Some(next) = text.get(at..).and_then(|rest| longest.find(rest)) {
            while self.starts.get(row + 1).is_some_and(|end| *end as usize <= at + next) {
                row += 1;
            }
            let Some(range) = self.starts.get(row).zip(self.starts.get(row + 1)) else { break };
            let (start, end) = (*range.0 as usize, *range.1 as usize);
            let body = text.get(start..end).unwrap_or_default();
            if others.iter().all(|word| word.is_in(body)) {
                let line = self.text.get(start..end).and_then(|body| body.split_inclusive('\n').next());
                let fit = line.and_then(|title| query.match_beginning(title)).unwrap_or(Match::Words);
                found.push((u32::try_from(row).unwrap_or(u32::MAX), fit));
            }
            at = end;
            if at == text.len() {
                break;
            }
        }
        found
    }
}

/// The row being written.
struct Row<'a> {
    text: &'a mut String,
    start: usize,
}

impl Row<'_> {
    /// Appends a field as one line, unless the row has the same line already.
    fn field(&mut self, field: &str) {
        let before = self.text.len();
        self.text.push(' ');
        fold_into(field, self.text);
        self.text.push('\n');
        let (row, line) = self.text.split_at(before);
        let row = row.get(self.start..).unwrap_or_default();
        let is_title = row.is_empty();
        if !is_title && (line == " \n" || row.contains(line)) {
            self.text.truncate(before);
        }
    }
}
