//! The tracks of a library, for `ls` and `play`.

use std::time::Duration;

use media_protocol::{List, ListPage, Track};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    control,
    exit::{Exit, ExitContext, ExitError},
    library::provider::{Provider, ProviderError},
};

/// Greatest number of tracks that this client reads from a node. It bounds the memory; no real library reaches it.
const MAX_TRACKS: usize = 1_000_000;
/// Bytes of memory for the tracks of a command that needs them all at once: about 60,000 tracks. Tested by
/// `a_list_for_the_player_is_cut_at_16_mb`.
const MAX_BYTES: usize = 16 << 20;
/// Time for all pages of a command, with the time in which a node scans its library. Test
/// `a_node_that_answers_for_ever_is_given_10_minutes`.
const MAX_TIME: Duration = Duration::from_secs(600);
/// Interval between requests to a node that is still scanning its library and has not found the selected tracks yet.
const SCAN_POLL: Duration = Duration::from_millis(500);

/// The pages of a listing, one after the other.
pub(super) struct Pages<'a> {
    library: &'a dyn Provider,
    text: &'a str,
    /// Number of tracks on the pages so far.
    taken: usize,
    has_ended: bool,
    until: Instant,
}

impl<'a> Pages<'a> {
    /// The tracks of a library that contain the words of `text`. The time for them begins.
    pub(super) fn new(library: &'a dyn Provider, text: &'a str) -> Self {
        Self { library, text, taken: 0, has_ended: false, until: Instant::now() + MAX_TIME }
    }

    /// Requests the next page; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<ListPage>, ExitError> {
        if self.has_ended {
            return Ok(None);
        }
        let offset = u32::try_from(self.taken).unwrap_or(u32::MAX);
        let page = page(self.library, self.text, offset, List::MAX);
        let page = timeout_at(self.until, page).await.unwrap_or_else(|_| Err(too_long()))?;
        self.taken += page.tracks.len();
        self.has_ended = page.tracks.is_empty() || self.taken >= (page.total as usize).min(MAX_TRACKS);
        Ok(Some(page))
    }
}

fn too_long() -> ExitError {
    let minutes = MAX_TIME.as_secs() / 60;
    let message = format!(
        "listing the tracks of the node took more than {minutes} minutes; try fewer, by words of their title"
    );
    ExitError::new(Exit::Failed, message)
}

/// All tracks of a library that contain the words of `text`, as many as fit into [`MAX_BYTES`].
pub(super) async fn find(library: &dyn Provider, text: &str) -> Result<ListPage, ExitError> {
    let mut room = MAX_BYTES;
    find_within(library, text, &mut room).await
}

/// The same, as many as fit into `room` bytes. Reduces `room` by their bytes.
async fn find_within(library: &dyn Provider, text: &str, room: &mut usize) -> Result<ListPage, ExitError> {
    let mut pages = Pages::new(library, text);
    let mut found = ListPage::default();
    while let Some(page) = pages.next().await? {
        (found.total, found.scanning) = (page.total, page.scanning);
        for track in page.tracks {
            let Some(left) = room.checked_sub(bytes(&track)) else {
                let count = found.tracks.len();
                eprintln!("warning: the node has {} tracks; only the first {count} are taken", found.total);
                return Ok(found);
            };
            *room = left;
            found.tracks.push(track);
        }
    }
    Ok(found)
}

/// Memory that a track takes.
fn bytes(track: &Track) -> usize {
    let Track { id, title, artist, album, source, .. } = track;
    let texts = [id.as_str(), title, artist, album, &source.codec];
    size_of::<Track>() + texts.iter().map(|text| text.len()).sum::<usize>()
}

async fn page(library: &dyn Provider, text: &str, offset: u32, limit: u32) -> Result<ListPage, ExitError> {
    library.search(text, offset, limit).await.map_err(|error| {
        let exit = match &error {
            ProviderError::Unreachable(_) => Exit::Unreachable,
            ProviderError::Refused(refusal) if refusal.code.ends_access() => Exit::Unreachable,
            _ => Exit::Failed,
        };
        ExitError::new(exit, format!("listing the tracks of the node: {error}"))
    })
}

/// The tracks that the selectors name. If the node is still scanning its library, waits until it has found them.
pub(super) async fn select(library: &dyn Provider, selectors: &[String]) -> Result<Vec<Track>, ExitError> {
    let until = Instant::now() + MAX_TIME;
    timeout_at(until, select_in_time(library, selectors)).await.unwrap_or_else(|_| Err(too_long()))
}

async fn select_in_time(library: &dyn Provider, selectors: &[String]) -> Result<Vec<Track>, ExitError> {
    let mut is_notified = false;
    loop {
        let ListPage { total, tracks, scanning } = candidates(library, selectors).await?;
        let selected = match selectors {
            [] => Ok(tracks),
            _ => control::select(&tracks, total, selectors).or_exit(Exit::NotFound),
        };
        match selected {
            Ok(tracks) if !tracks.is_empty() => return Ok(tracks),
            _ if scanning.is_some() => {
                if !std::mem::replace(&mut is_notified, true) {
                    eprintln!("the node is still scanning its library; waiting for the tracks");
                }
                sleep(SCAN_POLL).await;
            }
            Ok(_) => return Err(ExitError::new(Exit::NotFound, "the node serves no tracks")),
            Err(error) => return Err(error),
        }
    }
}

/// A part of the node's tracks that contains every track that a selector matches.
///
/// Reads a small library as a whole, in one page. A large library would take about a hundred pages, so this function requests
/// only the matches of each selector.
async fn candidates(library: &dyn Provider, selectors: &[String]) -> Result<ListPage, ExitError> {
    let is_searchable = selectors.iter().all(|selector| selector.len() <= List::MAX_SEARCH);
    if selectors.is_empty() || !is_searchable {
        return find(library, "").await;
    }
    let mut found = page(library, "", 0, List::MAX).await?;
    if found.tracks.len() >= found.total as usize {
        return Ok(found);
    }
    // The selection is a copy.
    let mut room = MAX_BYTES / 2;
    for selector in selectors {
        if let Some(offset) = selector.parse::<u32>().ok().and_then(|number| number.checked_sub(1)) {
            found.tracks.extend(page(library, "", offset, 1).await?.tracks);
        }
        found.tracks.extend(find_within(library, selector, &mut room).await?.tracks);
    }
    found.tracks.sort_by_key(|track| track.number);
    found.tracks.dedup_by(|a, b| a.id == b.id);
    Ok(found)
}

#[cfg(test)]
mod tests;
