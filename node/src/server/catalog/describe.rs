//! From files to named tracks.

use std::{
    collections::HashMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
    panic::catch_unwind,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use media_protocol::{IdError, Track, TrackId, TrackSource};

use super::{Entry, Skipped, open::why, walk::Candidate};
use crate::source::{self, Scanned};

/// Threads that read headers: the disk is what they wait for.
const THREADS: usize = 4;
/// The longest title, artist or album, in characters.
const MAX_TEXT: usize = 200;
/// Hexadecimal digits of a track's id: 64 bits, enough to tell a billion files apart.
const ID_LENGTH: usize = 16;
/// Bytes of each sample of a file's content.
const SAMPLE: u64 = 4096;
/// Makes track ids differ from any other use of the hash.
const CONTEXT: &str = "media-node 2026-01 track id";

/// Reads every file's headers, and gives each track its name and its number. Files that are no audio are skipped.
pub(super) fn all(candidates: Vec<Candidate>) -> (Vec<Entry>, Vec<Skipped>) {
    let mut scanned = scan(&candidates);
    scanned.sort_by_key(|(place, _)| *place);
    let (mut entries, mut skipped) = (Vec::new(), Vec::new());
    let mut twins = HashMap::new();
    for (candidate, (_, scanned)) in candidates.into_iter().zip(scanned) {
        let number = u32::try_from(entries.len() + 1).unwrap_or(u32::MAX);
        let path = candidate.path.clone();
        let described =
            scanned.and_then(|it| entry(candidate, it, number, &mut twins).map_err(|it| it.to_string()));
        match described {
            Ok(entry) => entries.push(entry),
            Err(reason) => skipped.push(Skipped { path, reason }),
        }
    }
    (entries, skipped)
}

/// One result for each candidate, with its place.
fn scan(candidates: &[Candidate]) -> Vec<(usize, Result<Scanned, String>)> {
    let next = AtomicUsize::new(0);
    let work = || {
        let places = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        let mine = places.map_while(|place| Some((place, candidates.get(place)?)));
        mine.map(|(place, it)| (place, scan_one(&it.path))).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..THREADS.min(candidates.len())).map(|_| scope.spawn(work)).collect();
        let mut all = work();
        others.into_iter().for_each(|it| all.extend(it.join().unwrap_or_default()));
        all
    })
}

/// A parser that panics on a damaged file costs that file only.
fn scan_one(path: &Path) -> Result<Scanned, String> {
    match catch_unwind(|| source::scan(path)) {
        Ok(scanned) => scanned.map_err(|it| why(&it)),
        Err(_) => Err("its headers cannot be understood".into()),
    }
}

fn entry(
    file: Candidate,
    scanned: Scanned,
    number: u32,
    twins: &mut HashMap<TrackId, u64>,
) -> Result<Entry, IdError> {
    let Scanned { tags, codec, rate, channels, bits } = scanned;
    let stem = || file.relative.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let track = Track {
        id: id(&file, twins)?,
        number,
        title: text(&tags.title.unwrap_or_else(stem)),
        artist: text(&tags.artist.unwrap_or_default()),
        album: text(&tags.album.unwrap_or_default()),
        duration_ms: u64::try_from(tags.duration.as_millis()).unwrap_or(u64::MAX),
        source: TrackSource { codec, rate, channels, bits: bits.map(u32::from) },
    };
    let words = format!("{} {} {} {}", track.title, track.artist, track.album, track.id).to_lowercase();
    Ok(Entry { track, path: file.path, size: file.size, words })
}

/// One line of a length that fits into a list.
fn text(tag: &str) -> String {
    tag.chars().take(MAX_TEXT).map(|it| if it.is_control() { ' ' } else { it }).collect()
}

/// The same at every start and on every node that has the same file, wherever it lies; copies of it are told apart by
/// their order.
fn id(file: &Candidate, twins: &mut HashMap<TrackId, u64>) -> Result<TrackId, IdError> {
    let content = fingerprint(file);
    let first = hashed(content, 0)?;
    let nth = twins.entry(first.clone()).and_modify(|it| *it += 1).or_insert(0);
    if *nth == 0 { Ok(first) } else { hashed(content, *nth) }
}

/// Names a file's content: its size, and a sample of its head, middle and tail, where tags and sound lie. Reading all of
/// it would make a start with a large library take minutes.
fn fingerprint(file: &Candidate) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(&file.size.to_le_bytes());
    let mut sample = |from: u64| -> std::io::Result<()> {
        let mut open = File::open(&file.path)?;
        open.seek(SeekFrom::Start(from))?;
        hasher.update_reader(open.take(SAMPLE)).map(drop)
    };
    for from in [0, file.size / 2, file.size.saturating_sub(SAMPLE)] {
        // A file that cannot be read is skipped before it is named, or fails when it is played.
        let _ = sample(from);
    }
    hasher.finalize()
}

fn hashed(content: blake3::Hash, nth: u64) -> Result<TrackId, IdError> {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(content.as_bytes());
    hasher.update(&nth.to_le_bytes());
    let mut text = hasher.finalize().to_hex().to_string();
    text.truncate(ID_LENGTH);
    text.parse()
}
