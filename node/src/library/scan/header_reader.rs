//! From files to tracks.

use std::{
    fs,
    io::{Read, Seek, SeekFrom},
    panic::catch_unwind,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use media_protocol::{IdError, TrackId, TrackSource};

use super::{
    file::{Candidate, File, Look},
    open::why,
};
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

/// Reads the headers of the candidates at `places`, and hands over what came of each.
pub(super) fn all(candidates: &[Candidate], places: &[usize], mut take: impl FnMut(usize, Look)) {
    let next = AtomicUsize::new(0);
    let work = || {
        let turns = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        let mine = turns.map_while(|turn| places.get(turn));
        let looks = mine.filter_map(|place| Some((*place, look(candidates.get(*place)?))));
        looks.collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..THREADS.min(places.len())).map(|_| scope.spawn(work)).collect();
        work().into_iter().for_each(|(place, look)| take(place, look));
        let theirs = others.into_iter().flat_map(|it| it.join().unwrap_or_default());
        theirs.for_each(|(place, look)| take(place, look));
    });
}

fn look(at: &Candidate) -> Look {
    let described = scan_one(&at.path).and_then(|it| describe(at, it).map_err(|it| it.to_string()));
    match described {
        Ok(file) => Look::Track(Arc::new(file)),
        Err(reason) => Look::Bad(at.clone(), reason),
    }
}

/// A parser that panics on a damaged file costs that file only.
fn scan_one(path: &Path) -> Result<Scanned, String> {
    match catch_unwind(|| source::scan(path)) {
        Ok(scanned) => scanned.map_err(|it| why(&it)),
        Err(_) => Err("its headers cannot be understood".into()),
    }
}

fn describe(at: &Candidate, scanned: Scanned) -> Result<File, IdError> {
    let Scanned { tags, codec, rate, channels, bits } = scanned;
    let stem = || at.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let file = File {
        at: at.clone(),
        id: id(fingerprint(at).as_bytes(), 0)?,
        title: text(&tags.title.unwrap_or_else(stem)),
        artist: text(&tags.artist.unwrap_or_default()),
        album: text(&tags.album.unwrap_or_default()),
        duration_ms: u64::try_from(tags.duration.as_millis()).unwrap_or(u64::MAX),
        source: TrackSource { codec, rate, channels, bits: bits.map(u32::from) },
        words: Box::default(),
    };
    Ok(file.with_words())
}

/// One line of a length that fits into a list.
fn text(tag: &str) -> String {
    tag.chars().take(MAX_TEXT).map(|it| if it.is_control() { ' ' } else { it }).collect()
}

/// Whether it is what [`text`] makes.
pub(super) fn is_text(it: &str) -> bool {
    it.chars().take(MAX_TEXT + 1).count() <= MAX_TEXT && !it.chars().any(char::is_control)
}

/// The id of a file of which `nth` others with the same content come before it. The same at every start and on every node
/// that has the same files, wherever they lie.
pub(super) fn copy_id(first: &TrackId, nth: u64) -> TrackId {
    // An id made of hexadecimal digits is one.
    if nth == 0 {
        first.clone()
    } else {
        id(first.as_str().as_bytes(), nth).unwrap_or_else(|_| first.clone())
    }
}

/// Names a file's content: its size, and a sample of its head, middle and tail, where tags and sound lie. Reading all of
/// it would make a start with a large library take minutes.
fn fingerprint(file: &Candidate) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(&file.size.to_le_bytes());
    let mut samples = || -> std::io::Result<()> {
        let mut open = fs::File::open(&file.path)?;
        for from in [0, file.size / 2, file.size.saturating_sub(SAMPLE)] {
            open.seek(SeekFrom::Start(from))?;
            hasher.update_reader((&mut open).take(SAMPLE))?;
        }
        Ok(())
    };
    // A file that cannot be read is skipped before it is named, or fails when it is played.
    let _ = samples();
    hasher.finalize()
}

fn id(of: &[u8], nth: u64) -> Result<TrackId, IdError> {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(of);
    hasher.update(&nth.to_le_bytes());
    let mut text = hasher.finalize().to_hex().to_string();
    text.truncate(ID_LENGTH);
    text.parse()
}
