//! Reading of audio headers and tags, on a few threads.

use std::{
    panic::catch_unwind,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use media_protocol::{IdError, TrackSource};
use unicode_normalization::UnicodeNormalization;

use crate::{
    library::{
        skipped::SkipReason,
        track_file::{FileEntry, ScannedEntry, SkippedFile, TrackFile, bounded_tags, bounded_text},
        track_id::content_id,
    },
    source::{self, Scanned, Source},
};

/// Threads that read headers. They wait for the disk most of the time.
const THREADS: usize = 4;

/// Reads the headers of the `entries` at `positions`, and calls `take` with each position and its result. `added` tells when
/// an entry came into the library, in seconds since 1970.
pub(in crate::library) fn read_headers(
    entries: &[FileEntry],
    positions: &[usize],
    added: impl Fn(&FileEntry) -> u64 + Sync,
    mut take: impl FnMut(usize, ScannedEntry),
) {
    let next = AtomicUsize::new(0);
    let read_some = || {
        let turns = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        let own = turns.map_while(|turn| positions.get(turn));
        own.filter_map(|position| {
            let entry = entries.get(*position)?;
            Some((*position, scan_file(entry, added(entry))))
        })
        .collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..THREADS.min(positions.len())).map(|_| scope.spawn(read_some)).collect();
        read_some().into_iter().for_each(|(position, scanned)| take(position, scanned));
        let rest = others.into_iter().flat_map(|thread| thread.join().unwrap_or_default());
        rest.for_each(|(position, scanned)| take(position, scanned));
    });
}

fn scan_file(entry: &FileEntry, added: u64) -> ScannedEntry {
    let headers = parse_headers(&entry.path);
    let described = headers.and_then(|headers| {
        describe(entry, headers, added).map_err(|error| SkipReason::Unreadable(error.to_string()))
    });
    match described {
        Ok(file) => ScannedEntry::Track(Arc::new(file)),
        Err(reason) => skipped(entry, reason),
    }
}

fn skipped(entry: &FileEntry, reason: SkipReason) -> ScannedEntry {
    let reason = reason.map_text(bounded_text);
    tracing::debug!(file = %entry.path.display(), "skipped: {reason}");
    ScannedEntry::Skipped(Arc::new(SkippedFile { entry: entry.clone(), reason }))
}

/// Parses one file. If the parser panics on a damaged file, only this file fails.
fn parse_headers(path: &Path) -> Result<Scanned, SkipReason> {
    match catch_unwind(|| source::scan(path)) {
        Ok(scanned) => scanned.map_err(|error| SkipReason::of(&error)),
        Err(_) => Err(SkipReason::Damaged("the file's headers are damaged".into())),
    }
}

/// Whole milliseconds, at least 1: 0 stands for an unknown length.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// Opens a track whose headers do not tell its length, and returns it with its length; or as a skipped file if it cannot be
/// opened. Reads through the file.
pub(in crate::library) fn measure(file: &TrackFile) -> ScannedEntry {
    let path = &file.entry.path;
    let opened = catch_unwind(|| Source::open(path).map(|source| source.info().duration()));
    let damaged = || Err(SkipReason::Damaged("the file is damaged".into()));
    let length = opened.map_or_else(|_| damaged(), |opened| opened.map_err(|error| SkipReason::of(&error)));
    match length {
        Ok(length) => {
            ScannedEntry::Track(Arc::new(TrackFile { duration_ms: millis(length), ..file.clone() }))
        }
        Err(reason) => skipped(&file.entry, reason),
    }
}

fn describe(entry: &FileEntry, headers: Scanned, added: u64) -> Result<TrackFile, IdError> {
    let Scanned { tags, codec, rate, channels, bits } = headers;
    let stem = || entry.path.file_stem().unwrap_or_default().to_string_lossy().nfc().collect();
    let file = TrackFile {
        entry: entry.clone(),
        id: content_id(entry)?,
        title: bounded_text(&tags.title.unwrap_or_else(stem)),
        artist: bounded_text(&tags.artist.unwrap_or_default()),
        album: bounded_text(&tags.album.unwrap_or_default()),
        duration_ms: tags.duration.map_or(0, millis),
        source: TrackSource { codec, rate, channels, bits: bits.map(u32::from) },
        added,
        tags: bounded_tags(tags.more),
    };
    Ok(file.shrunk())
}
