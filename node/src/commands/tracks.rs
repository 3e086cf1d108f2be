//! The tracks of a library, for `ls` and `play`.

use std::time::Duration;

use media_protocol::{List, ListPage, Track};
use tokio::time::sleep;

use crate::{
    control,
    exit::{Exit, ExitContext, ExitError},
    library::provider::{Provider, ProviderError},
};

/// Greatest number of tracks that this client reads from a node. It bounds the memory; no real library reaches it.
const MAX_TRACKS: usize = 1_000_000;
/// Interval between requests to a node that is still scanning its library and has not found the selected tracks yet.
const SCAN_POLL: Duration = Duration::from_millis(500);

/// All tracks of a library that contain the words of `text`, requested page by page.
pub(super) async fn find(library: &dyn Provider, text: &str) -> Result<ListPage, ExitError> {
    let mut tracks = Vec::new();
    loop {
        let offset = u32::try_from(tracks.len()).unwrap_or(u32::MAX);
        let page = page(library, text, offset, List::MAX).await?;
        let (total, is_empty) = (page.total as usize, page.tracks.is_empty());
        tracks.extend(page.tracks);
        if is_empty || tracks.len() >= total.min(MAX_TRACKS) {
            return Ok(ListPage { tracks, ..page });
        }
    }
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
    let mut is_notified = false;
    loop {
        let ListPage { total, tracks, scanning } = candidates(library, selectors).await?;
        let selected = control::select(&tracks, total, selectors).or_exit(Exit::NotFound);
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
    for selector in selectors {
        if let Some(offset) = selector.parse::<u32>().ok().and_then(|number| number.checked_sub(1)) {
            found.tracks.extend(page(library, "", offset, 1).await?.tracks);
        }
        found.tracks.extend(find(library, selector).await?.tracks);
    }
    found.tracks.sort_by_key(|track| track.number);
    found.tracks.dedup_by(|a, b| a.id == b.id);
    Ok(found)
}
