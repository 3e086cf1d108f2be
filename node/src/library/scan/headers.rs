//! Reading of audio headers and tags, on a few threads.

use std::{
    io,
    panic::catch_unwind,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use media_protocol::TrackSource;
use unicode_normalization::UnicodeNormalization;

use crate::{
    files::{TOO_MANY_OPEN_FILES, is_out_of_descriptors},
    library::{
        skipped::SkipReason,
        track_file::{FileEntry, ScannedEntry, SkippedFile, TrackFile, bounded_tags, bounded_text},
        track_id::content_id,
    },
    source::{self, Scanned, Source, SourceError},
};

/// Threads that read headers. They wait for the disk most of the time.
const THREADS: usize = 4;

/// Reads the headers of the `entries` at `positions`, and calls `take` with each position and its result. `added` tells when
/// an entry came into the library, in seconds since 1970. Leaves out files that cannot be opened because the process has no
/// file descriptor left; the next scan reads them.
pub(in crate::library) fn read_headers(
    entries: &[FileEntry],
    positions: &[usize],
    added: impl Fn(&FileEntry) -> u64 + Sync,
    mut take: impl FnMut(usize, ScannedEntry),
) {
    let next = AtomicUsize::new(0);
    let mut taken = 0;
    let mut take = |position, scanned| {
        taken += 1;
        take(position, scanned);
    };
    let read_some = || {
        let turns = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        let own = turns.map_while(|turn| positions.get(turn));
        own.filter_map(|position| {
            let entry = entries.get(*position)?;
            Some((*position, scan_file(entry, added(entry))?))
        })
        .collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..THREADS.min(positions.len())).map(|_| scope.spawn(read_some)).collect();
        read_some().into_iter().for_each(|(position, scanned)| take(position, scanned));
        let rest = others.into_iter().flat_map(|thread| thread.join().unwrap_or_default());
        rest.for_each(|(position, scanned)| take(position, scanned));
    });
    let left_out = positions.len() - taken;
    if left_out > 0 {
        tracing::warn!("cannot open {left_out} files of the library: {TOO_MANY_OPEN_FILES}");
    }
}

/// The result for one file; `None` if the process has no file descriptor left.
fn scan_file(entry: &FileEntry, added: u64) -> Option<ScannedEntry> {
    let headers = match parse_headers(&entry.path) {
        Ok(Ok(headers)) => headers,
        Ok(Err(SourceError::TooManyOpenFiles { .. })) => return None,
        Ok(Err(error)) => return Some(skipped(entry, SkipReason::of(&error))),
        Err(reason) => return Some(skipped(entry, reason)),
    };
    match describe(entry, headers, added) {
        Ok(file) => Some(ScannedEntry::Track(Arc::new(file))),
        Err(error) if is_out_of_descriptors(&error) => None,
        Err(error) => Some(skipped(entry, SkipReason::Unreadable(error.to_string()))),
    }
}

fn skipped(entry: &FileEntry, reason: SkipReason) -> ScannedEntry {
    let reason = reason.map_text(bounded_text);
    tracing::debug!(file = %entry.path.display(), "skipped: {reason}");
    ScannedEntry::Skipped(Arc::new(SkippedFile { entry: entry.clone(), reason }))
}

/// Parses one file. If the parser panics on a damaged file, only this file fails.
fn parse_headers(path: &Path) -> Result<source::Result<Scanned>, SkipReason> {
    catch_unwind(|| source::scan(path))
        .map_err(|_| SkipReason::Damaged("the file's headers are damaged".into()))
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

fn describe(entry: &FileEntry, headers: Scanned, added: u64) -> io::Result<TrackFile> {
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
