//! `ls`: the albums and tracks of a node.

use media_protocol::{ListPage, Track};

use super::{
    Context,
    connection::NodeConnection,
    printed_list::PrintedList,
    stdout::{Column, TerminalTable, print, print_part},
    tracks::Pages,
};
use crate::{
    exit::{Exit, ExitContext, ExitError},
    library::{Album, Named, Provider, Query, albums},
    ui::sanitize,
};

/// Bytes of memory for the tracks of albums, which are put in order here: about 100,000 tracks with all their tags.
const MAX_ALBUM_BYTES: usize = 96 << 20;

/// Form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListForm {
    /// Albums by artist, or whatever the words name.
    Albums,
    /// A line for each track.
    Tracks,
    /// All facts about each track.
    Json,
}

/// Prints the albums of a node, or the artist, albums or tracks that the words name.
pub(super) async fn run(
    context: &Context,
    node_text: &str,
    words: &str,
    form: ListForm,
) -> Result<(), ExitError> {
    let ticket = context.ticket(node_text)?;
    let node = NodeConnection::open(context, &ticket).await?;
    let printed = print_list(&node.library(), words, form).await;
    node.link.close().await;
    if let Some(list) = printed? {
        list.save(context, &ticket);
    }
    Ok(())
}

/// Prints a list in this form. Returns it if its lines have numbers.
async fn print_list(
    library: &dyn Provider,
    words: &str,
    form: ListForm,
) -> Result<Option<PrintedList>, ExitError> {
    let mut pages = Pages::new(library, words);
    let first = pages.next().await?.unwrap_or_default();
    if let Some(count) = first.scanning {
        eprintln!("the node is still scanning its library: {count} tracks so far");
    }
    // A node of an earlier version sends no details, so its albums are unknown.
    let has_details = first.tracks.iter().all(|track| track.detail.is_some());
    match form {
        ListForm::Json => print_json_pages(first, pages).await.map(|()| None),
        ListForm::Albums if has_details => print_albums(words, first, pages).await.map(Some),
        ListForm::Albums | ListForm::Tracks => print_tracks(first, pages).await.map(Some),
    }
}

async fn print_albums(words: &str, mut found: ListPage, pages: Pages<'_>) -> Result<PrintedList, ExitError> {
    pages.collect(&mut found, &mut { MAX_ALBUM_BYTES }).await?;
    let count = found.tracks.len();
    let table = Table::of_named(words, found.tracks);
    print(table.heading.into_iter().chain(TerminalTable::new(table.columns).lines(table.rows)))?;
    if table.tracks < count {
        eprintln!("{} more tracks match: add --tracks to list all", count - table.tracks);
    }
    Ok(table.lines)
}

/// Prints each page as it comes.
async fn print_tracks(first: ListPage, mut pages: Pages<'_>) -> Result<PrintedList, ExitError> {
    let mut table = TerminalTable::new(track_columns());
    let mut list = PrintedList::default();
    let mut page = Some(first);
    while let Some(ListPage { tracks, .. }) = page {
        let rows = (list.len() + 1..).zip(&tracks).map(track_row).collect();
        list.append_tracks(&tracks);
        if !print_part(table.lines(rows))? {
            break;
        }
        page = pages.next().await?;
    }
    Ok(list)
}

/// Prints each page as it comes: together one array, in the form that `serde_json` gives to a whole one.
async fn print_json_pages(first: ListPage, mut pages: Pages<'_>) -> Result<(), ExitError> {
    let mut array = JsonList::default();
    let mut page = Some(first);
    while let Some(ListPage { tracks, .. }) = page {
        if !print_part(array.lines(&tracks)?)? {
            return Ok(());
        }
        page = pages.next().await?;
    }
    print(array.end())
}

/// A list of tracks in JSON that grows.
#[derive(Default)]
struct JsonList {
    /// The line that is held back.
    last: String,
}

impl JsonList {
    /// Takes the next tracks. Returns the lines that can be printed now. The last line is held back, since a comma follows it
    /// only if there is another track.
    fn lines(&mut self, tracks: &[Track]) -> Result<Vec<String>, ExitError> {
        let mut lines = Vec::new();
        for track in tracks {
            let json = serde_json::to_string_pretty(track).context(Exit::Failed, "writing JSON")?;
            let before = std::mem::take(&mut self.last);
            lines.push(if before.is_empty() { "[".to_owned() } else { before + "," });
            lines.extend(json.lines().map(|line| format!("  {line}")));
            self.last = lines.pop().unwrap_or_default();
        }
        Ok(lines)
    }

    fn end(self) -> Vec<String> {
        if self.last.is_empty() { vec!["[]".into()] } else { vec![self.last, "]".into()] }
    }
}

fn track_columns() -> Vec<Column> {
    vec![
        Column::number("#"),
        Column::text("artist"),
        Column::text("title"),
        Column::text("album").wide_only(),
        Column::number("length"),
        Column::fixed("format").wide_only(),
    ]
}

fn track_row((number, track): (usize, &Track)) -> Vec<String> {
    vec![
        number.to_string(),
        sanitize(&track.artist),
        sanitize(&track.title),
        sanitize(&track.album),
        length_of(track),
        sanitize(&track.source.to_string()),
    ]
}

/// A list as it is printed.
struct Table {
    heading: Option<String>,
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    lines: PrintedList,
    /// Number of tracks in all lines.
    tracks: usize,
}

impl Table {
    fn of_named(words: &str, tracks: Vec<Track>) -> Self {
        let query = Query::new(words);
        if query.is_empty() {
            return Self::of_albums(&albums(tracks));
        }
        match Named::new(&query, tracks) {
            Named::Artist(_, albums) | Named::Albums(albums) => Self::of_albums(&albums),
            Named::Album(album) => Self::of_album(&album),
            Named::Tracks(tracks) => Self::of_tracks(&tracks),
        }
    }

    /// A line for each album; for each track if there are no albums.
    fn of_albums(albums: &[Album]) -> Self {
        if albums.iter().all(|album| album.title.is_empty()) {
            let tracks: Vec<_> = albums.iter().flat_map(|album| album.tracks.clone()).collect();
            return Self::of_tracks(&tracks);
        }
        let columns = vec![
            Column::number("#"),
            Column::text("artist"),
            Column::text("album"),
            Column::fixed("year"),
            Column::number("tracks").wide_only(),
            Column::number("length").wide_only(),
        ];
        let row = |(number, album): (usize, &Album)| {
            vec![
                number.to_string(),
                sanitize(&album.artist),
                if album.title.is_empty() { "(no album)".into() } else { sanitize(&album.title) },
                album.date.map_or_else(String::new, |date| date.year().to_string()),
                album.tracks.len().to_string(),
                length(album.duration_ms()),
            ]
        };
        Self {
            heading: None,
            columns,
            rows: (1..).zip(albums).map(row).collect(),
            lines: PrintedList::of_albums(albums),
            tracks: albums.iter().map(|album| album.tracks.len()).sum(),
        }
    }

    /// The tracks of one album.
    fn of_album(album: &Album) -> Self {
        let year = album.date.map_or_else(String::new, |date| format!(" ({})", date.year()));
        let heading = format!("{} \u{2013} {}{year}", sanitize(&album.artist), sanitize(&album.title));
        Self { heading: Some(heading), ..Self::of_tracks(&album.tracks) }
    }

    fn of_tracks(tracks: &[Track]) -> Self {
        let mut lines = PrintedList::default();
        lines.append_tracks(tracks);
        let rows = (1..).zip(tracks).map(track_row).collect();
        Self { heading: None, columns: track_columns(), rows, lines, tracks: tracks.len() }
    }
}

/// The length of a track, with a word if its disk is away.
fn length_of(track: &Track) -> String {
    let length = length(track.duration_ms);
    if track.away { length + " away" } else { length }
}

/// Formats a length as `M:SS` or `H:MM:SS`, rounded up. `?` if the node does not know it.
fn length(duration_ms: u64) -> String {
    let seconds = duration_ms.div_ceil(1000);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    match minutes / 60 {
        _ if duration_ms == 0 => "?".into(),
        0 => format!("{minutes}:{seconds:02}"),
        hours => format!("{hours}:{:02}:{seconds:02}", minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use media_protocol::TrackSource;

    use super::*;

    fn track(number: u32) -> Track {
        Track {
            id: format!("t{number}").parse().unwrap(),
            number,
            title: "So What".into(),
            artist: String::new(),
            album: String::new(),
            duration_ms: 61_000,
            away: false,
            source: TrackSource { codec: "flac".into(), rate: 44_100, channels: 2, bits: Some(16) },
            detail: None,
        }
    }

    #[test]
    fn pages_make_up_one_json_array() {
        for pages in [vec![], vec![0], vec![1], vec![2, 0, 1]] {
            let mut array = JsonList::default();
            let mut lines = Vec::new();
            let mut all = Vec::new();
            for count in pages {
                let page: Vec<_> = (0..count).map(track).collect();
                lines.extend(array.lines(&page).unwrap());
                all.extend(page);
            }
            lines.extend(array.end());
            assert_eq!(lines.join("\n"), serde_json::to_string_pretty(&all).unwrap());
        }
    }

    #[test]
    fn a_length_is_rounded_up_and_an_unknown_one_is_a_question_mark() {
        let lengths = [0, 1, 1000, 59_001, 3_600_000, 3_661_000].map(length);
        assert_eq!(lengths, ["?", "0:01", "0:01", "1:00", "1:00:00", "1:01:01"]);
    }

    #[test]
    fn a_track_whose_disk_is_away_is_marked() {
        let away = Track { away: true, ..track(1) };
        assert_eq!((length_of(&away), length_of(&track(1))), ("1:01 away".into(), "1:01".into()));
        let lines = |track: &Track| serde_json::to_string(track).unwrap();
        assert!(lines(&away).contains(r#""away":true"#) && !lines(&track(1)).contains("away"));
    }
}
