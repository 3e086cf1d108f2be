//! The tracks of a library, for `ls` and `play`.

use std::{io::IsTerminal, time::Duration};

use media_protocol::{List, ListPage, Track};
use tokio::time::{Instant, sleep, timeout_at};

use super::printed_list::{PrintedLine, PrintedList};
use crate::{
    control,
    exit::{Exit, ExitContext, ExitError},
    library::{
        Album, Named, Query,
        provider::{Provider, ProviderError},
    },
    ui::sanitize,
};

/// Greatest number of tracks that this client reads from a node. It bounds the memory; no real library reaches it.
const MAX_TRACKS: usize = 1_000_000;
/// Bytes of memory for the tracks of a command that needs them all at once: about 50,000 tracks. Tested by
/// `a_list_for_the_player_is_cut_at_14_mb`.
const MAX_BYTES: usize = 14 << 20;
/// Time for all pages of a command, with the time in which a node scans its library. Test
/// `a_node_that_answers_for_ever_is_given_10_minutes`.
const MAX_TIME: Duration = Duration::from_secs(600);
/// Interval between requests to a node that is still scanning its library and has not found the selected tracks yet.
const SCAN_POLL: Duration = Duration::from_millis(500);
/// Number of candidates that an error names.
const MAX_NAMED: usize = 5;

/// The pages of a listing, one after the other.
pub(super) struct Pages<'a> {
    library: &'a dyn Provider,
    /// The words that the tracks match; `None` for all tracks without details.
    text: Option<&'a str>,
    /// Number of tracks on the pages so far.
    taken: usize,
    has_ended: bool,
    until: Instant,
}

impl<'a> Pages<'a> {
    /// The tracks of a library that match `text`: with details and the best matches first, if the node knows them. The time
    /// for them begins.
    pub(super) fn new(library: &'a dyn Provider, text: &'a str) -> Self {
        Self { library, text: Some(text), taken: 0, has_ended: false, until: Instant::now() + MAX_TIME }
    }

    /// All tracks of a library in its order, without details. The time for them begins.
    fn all(library: &'a dyn Provider) -> Self {
        Self { text: None, ..Self::new(library, "") }
    }

    /// Requests the next page; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<ListPage>, ExitError> {
        if self.has_ended {
            return Ok(None);
        }
        let offset = u32::try_from(self.taken).unwrap_or(u32::MAX);
        let page = async {
            match self.text {
                Some(text) => page(self.library, text, offset, List::MAX).await,
                None => self.library.list(offset, List::MAX).await.map_err(|error| listing_failed(&error)),
            }
        };
        let page = timeout_at(self.until, page).await.unwrap_or_else(|_| Err(too_long()))?;
        self.taken += page.tracks.len();
        self.has_ended = page.tracks.is_empty() || self.taken >= (page.total as usize).min(MAX_TRACKS);
        Ok(Some(page))
    }

    /// Appends the remaining tracks to `found`, as many as fit into `room` bytes. Reduces `room` by their bytes.
    pub(super) async fn collect(mut self, found: &mut ListPage, room: &mut usize) -> Result<(), ExitError> {
        while let Some(page) = self.next().await? {
            (found.total, found.scanning) = (page.total, page.scanning);
            for track in page.tracks {
                let Some(left) = room.checked_sub(bytes(&track)) else {
                    let count = found.tracks.len();
                    eprintln!(
                        "warning: the node has {} tracks; only the first {count} are taken",
                        found.total
                    );
                    return Ok(());
                };
                *room = left;
                found.tracks.push(track);
            }
        }
        Ok(())
    }
}

fn too_long() -> ExitError {
    let minutes = MAX_TIME.as_secs() / 60;
    let message = format!(
        "listing the tracks of the node took more than {minutes} minutes; try fewer, by words of their title"
    );
    ExitError::new(Exit::Failed, message)
}

/// All tracks of a library that match `text`, as many as fit into [`MAX_BYTES`].
async fn find(library: &dyn Provider, text: &str) -> Result<ListPage, ExitError> {
    let mut found = ListPage::default();
    Pages::new(library, text).collect(&mut found, &mut { MAX_BYTES }).await?;
    Ok(found)
}

/// All tracks of a library in its order, without details, as many as fit into [`MAX_BYTES`].
pub(super) async fn all(library: &dyn Provider) -> Result<ListPage, ExitError> {
    let mut found = ListPage::default();
    Pages::all(library).collect(&mut found, &mut { MAX_BYTES }).await?;
    Ok(found)
}

/// Memory that a track takes. Details are counted by the length of their JSON.
fn bytes(track: &Track) -> usize {
    let Track { id, title, artist, album, source, detail, .. } = track;
    let texts = [id.as_str(), title, artist, album, &source.codec];
    let detail = detail.as_ref().map_or(0, |detail| serde_json::to_vec(detail).map_or(0, |json| json.len()));
    size_of::<Track>() + texts.iter().map(|text| text.len()).sum::<usize>() + detail
}

async fn page(library: &dyn Provider, text: &str, offset: u32, limit: u32) -> Result<ListPage, ExitError> {
    library.search_detail(text, offset, limit).await.map_err(|error| listing_failed(&error))
}

fn listing_failed(error: &ProviderError) -> ExitError {
    let exit = match error {
        ProviderError::Unreachable(_) => Exit::Unreachable,
        ProviderError::Refused(refusal) if refusal.code.ends_access() => Exit::Unreachable,
        _ => Exit::Failed,
    };
    ExitError::new(exit, format!("listing the tracks of the node: {error}"))
}

/// The tracks that the selectors name, in their order; all tracks without selectors. A number is a line of the list that was
/// printed last, or of the whole library if none was. Waits for a node that is still scanning its library until it has found
/// all of them.
pub(super) async fn select(
    library: &dyn Provider,
    printed: Option<&PrintedList>,
    selectors: &[String],
) -> Result<Vec<Track>, ExitError> {
    let until = Instant::now() + MAX_TIME;
    let selection = select_in_time(library, printed, selectors);
    timeout_at(until, selection).await.unwrap_or_else(|_| Err(too_long()))
}

async fn select_in_time(
    library: &dyn Provider,
    printed: Option<&PrintedList>,
    selectors: &[String],
) -> Result<Vec<Track>, ExitError> {
    if selectors.is_empty() {
        let tracks = wait_for(async || all(library).await).await?;
        return if tracks.is_empty() { Err(no_tracks()) } else { Ok(tracks) };
    }
    let mut selected = Vec::new();
    for selector in selectors {
        let tracks = wait_for(async || select_one(library, printed, selector).await).await?;
        if tracks.is_empty() {
            return Err(nothing_found(library, printed, selector).await?);
        }
        selected.extend(tracks);
    }
    Ok(selected)
}

/// Repeats a selection that finds nothing while the node scans its library.
async fn wait_for(selection: impl AsyncFn() -> Result<ListPage, ExitError>) -> Result<Vec<Track>, ExitError> {
    let mut is_notified = false;
    loop {
        let found = selection().await?;
        if !found.tracks.is_empty() || found.scanning.is_none() {
            return Ok(found.tracks);
        }
        if !std::mem::replace(&mut is_notified, true) {
            eprintln!("the node is still scanning its library; waiting for the tracks");
        }
        sleep(SCAN_POLL).await;
    }
}

/// The tracks that a selector names; none if it names nothing.
async fn select_one(
    library: &dyn Provider,
    printed: Option<&PrintedList>,
    selector: &str,
) -> Result<ListPage, ExitError> {
    if let Some(number) = line_number(selector) {
        let found = match printed.map(|list| list.line(number as usize)) {
            Some(Some(line)) => return tracks_of_line(library, number, line).await,
            Some(None) => ListPage::default(),
            None => page(library, "", number - 1, 1).await?,
        };
        if !found.tracks.is_empty() {
            return Ok(found);
        }
    }
    let query = Query::new(selector);
    if selector.len() > List::MAX_SEARCH || query.is_empty() {
        return Ok(ListPage::default());
    }
    let mut found = find(library, selector).await?;
    found.tracks = named(selector, &query, found.tracks)?;
    Ok(found)
}

/// The tracks that a selector names among the matches for it.
fn named(selector: &str, query: &Query, found: Vec<Track>) -> Result<Vec<Track>, ExitError> {
    if let Some(track) = found.iter().find(|track| track.id.as_str() == selector) {
        return Ok(vec![track.clone()]);
    }
    if found.is_empty() {
        return Ok(found);
    }
    // A node of an earlier version matches parts of words and of ids.
    if found.iter().any(|track| track.detail.is_none()) {
        let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
        return control::select(&found, count, &[selector.to_owned()]).or_exit(Exit::NotFound);
    }
    match Named::new(query, found) {
        Named::Albums(albums) => choose(selector, albums),
        named => Ok(named.into_tracks().unwrap_or_default()),
    }
}

fn line_number(selector: &str) -> Option<u32> {
    selector.parse().ok().filter(|number| *number > 0)
}

fn no_tracks() -> ExitError {
    ExitError::new(Exit::NotFound, "the node serves no tracks")
}

/// The error for a selector without tracks.
async fn nothing_found(
    library: &dyn Provider,
    printed: Option<&PrintedList>,
    selector: &str,
) -> Result<ExitError, ExitError> {
    if let (Some(list), Some(number)) = (printed, line_number(selector)) {
        let message = match list.line(number as usize) {
            Some(line) => {
                let title = sanitize(&line.title);
                format!("line {number} ({title}) is no longer on the node: list again with `media-node ls`")
            }
            None => {
                let lines = list.len();
                format!("no line {number}: the list that `media-node ls` printed last has {lines} lines")
            }
        };
        return Ok(ExitError::new(Exit::NotFound, message));
    }
    let count = page(library, "", 0, 1).await?.total;
    match control::select(&[], count, &[selector.to_owned()]) {
        Ok(_) => Ok(no_tracks()),
        Err(error) => Ok(ExitError::new(Exit::NotFound, error)),
    }
}

/// The tracks of a printed line that are still there, in its order.
async fn tracks_of_line(
    library: &dyn Provider,
    number: u32,
    line: &PrintedLine,
) -> Result<ListPage, ExitError> {
    let mut found = ListPage::default();
    for id in &line.tracks {
        let page = page(library, id.as_str(), 0, List::MAX).await?;
        found.tracks.extend(page.tracks.into_iter().find(|track| track.id == *id));
        found.scanning = page.scanning;
    }
    let missing = line.tracks.len() - found.tracks.len();
    if missing > 0 && !found.tracks.is_empty() {
        let title = sanitize(&line.title);
        eprintln!("warning: {missing} tracks of line {number} ({title}) are no longer on the node");
    }
    Ok(found)
}

/// Lets a person choose one of several albums. Without a terminal, an error names them.
fn choose(selector: &str, albums: Vec<Album>) -> Result<Vec<Track>, ExitError> {
    let name = |album: &Album| {
        let year = album.date.map_or_else(String::new, |date| format!(" ({})", date.year()));
        format!("{} \u{2013} {}{year}", sanitize(&album.artist), sanitize(&album.title))
    };
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        for (number, album) in (1..).zip(&albums) {
            eprintln!("{number:>3}  {}", name(album));
        }
        eprint!("several albums fit; number to play: ");
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).context(Exit::Failed, "reading the number")?;
        let chosen = line.trim().parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let chosen = chosen.and_then(|index| albums.into_iter().nth(index));
        return chosen
            .map(|album| album.tracks)
            .ok_or_else(|| ExitError::new(Exit::Usage, "no album chosen"));
    }
    let mut names: Vec<_> = albums.iter().take(MAX_NAMED).map(name).collect();
    if albums.len() > MAX_NAMED {
        names.push(format!("and {} more", albums.len() - MAX_NAMED));
    }
    let message = format!(
        "{selector:?} fits several albums: {}; add the artist, or use a line number of `media-node ls`",
        names.join(", ")
    );
    Err(ExitError::new(Exit::Usage, message))
}

#[cfg(test)]
mod tests;
