//! What of an MP4's audio is to be presented: the edit list, or iTunes' own note. Symphonia reads neither.
//!
//! ISO/IEC 14496-12, sections 8.6.5 and 8.6.6; `iTunSMPB` holds hexadecimal words, of which the second is the delay,
//! the third the padding and the fourth the length, all in frames.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
};

/// Boxes to look at before a file is taken to have no edit.
const MAX_BOXES: u32 = 4096;
/// A note is shorter than this, in bytes.
const MAX_NOTE: u64 = 512;

/// The part of the media that is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edit {
    /// The first frame.
    start: i64,
    /// How many frames, 0 for all that follow.
    frames: i64,
    /// How many frames that may be off.
    tolerance: i64,
}

impl Edit {
    /// Start and end of what is presented of a media that ends at `end`.
    pub(super) fn apply(self, end: i64) -> (i64, i64) {
        let edit_end = self.start.saturating_add(self.frames);
        let is_all = self.frames == 0 || edit_end.saturating_add(self.tolerance) >= end;
        (self.start, if is_all { end } else { edit_end })
    }
}

#[derive(Debug, Default)]
struct Found {
    movie_scale: u32,
    tracks: Vec<TrackEdit>,
    note: Option<Edit>,
}

#[derive(Debug, Default)]
struct TrackEdit {
    is_audio: bool,
    media_scale: u32,
    /// Duration in the movie's time scale, start in the media's.
    edit: Option<(u64, i64)>,
}

/// The edit of the first audio track of the file at `path`; `None` when it has none or cannot be understood.
pub(super) fn edit(path: &Path, rate: u32) -> Option<Edit> {
    let mut reader = Boxes { file: BufReader::new(File::open(path).ok()?), seen: 0, found: Found::default() };
    let bytes = reader.file.get_ref().metadata().ok()?.len();
    // What was found before a damaged box counts.
    let _ = reader.visit(0, bytes);
    let Found { movie_scale, tracks, note } = reader.found;
    let track = tracks.iter().find(|track| track.is_audio);
    note.or_else(|| from_list(track?, movie_scale, rate))
}

fn from_list(track: &TrackEdit, movie_scale: u32, rate: u32) -> Option<Edit> {
    let (duration, start) = track.edit?;
    if track.media_scale == 0 || movie_scale == 0 {
        return None;
    }
    let scale = |value: i128, scale: u32| i64::try_from(value * i128::from(rate) / i128::from(scale)).ok();
    Some(Edit {
        start: scale(i128::from(start), track.media_scale)?,
        frames: scale(i128::from(duration), movie_scale)?,
        tolerance: i64::from(rate / movie_scale) + 1,
    })
}

struct Boxes {
    file: BufReader<File>,
    seen: u32,
    found: Found,
}

impl Boxes {
    /// Looks at the boxes between two byte positions, and into those that may hold what is wanted.
    fn visit(&mut self, mut at: u64, end: u64) -> Option<()> {
        while at.checked_add(8)? <= end && self.seen < MAX_BOXES {
            self.seen += 1;
            self.file.seek(SeekFrom::Start(at)).ok()?;
            let (short, kind) = (self.u32()?, self.word()?);
            let (header, size) = match short {
                0 => (8, end - at),
                1 => (16, self.u64()?),
                size => (8, u64::from(size)),
            };
            let (body, next) = (at + header, at.checked_add(size).filter(|next| *next <= end)?);
            if size < header {
                return None;
            }
            self.look(kind, body, next);
            at = next;
        }
        Some(())
    }

    fn look(&mut self, kind: [u8; 4], body: u64, end: u64) -> Option<()> {
        match &kind {
            b"moov" | b"edts" | b"mdia" | b"udta" | b"ilst" => self.visit(body, end),
            b"trak" => {
                self.found.tracks.push(TrackEdit::default());
                self.visit(body, end)
            }
            // A full box in MP4, a plain one in QuickTime; a full box begins with a zero.
            b"meta" => {
                let full = if self.u32()? == 0 { 4 } else { 0 };
                self.visit(body + full, end)
            }
            b"----" => self.note(end - body),
            b"mvhd" => {
                self.found.movie_scale = self.time_scale()?;
                Some(())
            }
            b"mdhd" => {
                let scale = self.time_scale()?;
                self.found.tracks.last_mut()?.media_scale = scale;
                Some(())
            }
            b"hdlr" => {
                let [_, _, handler] = [self.word()?, self.word()?, self.word()?];
                if let Some(track) = self.found.tracks.last_mut() {
                    track.is_audio |= &handler == b"soun";
                }
                Some(())
            }
            b"elst" => self.list(),
            _ => Some(()),
        }
    }

    /// The time scale of a movie or media header.
    fn time_scale(&mut self) -> Option<u32> {
        let times = if self.u32()? >> 24 == 1 { 16 } else { 8 };
        self.file.seek_relative(times).ok()?;
        self.u32()
    }

    /// The first entry that is not an empty one. Several make a cut, which is not followed.
    fn list(&mut self) -> Option<()> {
        let is_long = self.u32()? >> 24 == 1;
        for _ in 0..self.u32()?.min(MAX_BOXES) {
            let (duration, start) = if is_long {
                (self.u64()?, i64::from_be_bytes(self.u64()?.to_be_bytes()))
            } else {
                (u64::from(self.u32()?), i64::from(i32::from_be_bytes(self.word()?)))
            };
            self.word()?;
            if start >= 0 {
                self.found.tracks.last_mut()?.edit = Some((duration, start));
                break;
            }
        }
        Some(())
    }

    fn note(&mut self, bytes: u64) -> Option<()> {
        let mut text = Vec::new();
        self.file.by_ref().take(bytes.min(MAX_NOTE)).read_to_end(&mut text).ok()?;
        let text = String::from_utf8_lossy(&text);
        let words = text.split_once("iTunSMPB")?.1.split_once("data")?.1;
        let mut words = words
            .split(|letter: char| !letter.is_ascii_hexdigit())
            .filter(|word| word.len() >= 8)
            .filter_map(|word| i64::from_str_radix(word, 16).ok());
        let (_, delay, _, frames) = (words.next()?, words.next()?, words.next()?, words.next()?);
        self.found.note = Some(Edit { start: delay, frames, tolerance: 0 }).filter(|edit| edit.frames > 0);
        Some(())
    }

    fn word(&mut self) -> Option<[u8; 4]> {
        let mut word = [0; 4];
        self.file.read_exact(&mut word).ok()?;
        Some(word)
    }

    fn u32(&mut self) -> Option<u32> {
        self.word().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from(self.u32()?) << 32 | u64::from(self.u32()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(body.len() + 8).unwrap();
        [&size.to_be_bytes()[..], kind, body].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn parse(bytes: &[u8], rate: u32) -> Option<Edit> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.m4a");
        std::fs::write(&path, bytes).unwrap();
        edit(&path, rate)
    }

    fn movie(udta: &[u8]) -> Vec<u8> {
        let mvhd = boxed(b"mvhd", &words(&[0, 0, 0, 1000, 10_000]));
        let elst = boxed(b"elst", &words(&[0, 2, 500, u32::MAX, 1 << 16, 2000, 1024, 1 << 16]));
        let mdhd = boxed(b"mdhd", &words(&[0, 0, 0, 44_100, 90_000]));
        let hdlr = boxed(b"hdlr", &[&words(&[0, 0])[..], b"soun"].concat());
        let mdia = boxed(b"mdia", &[mdhd, hdlr].concat());
        let trak = boxed(b"trak", &[boxed(b"edts", &elst), mdia].concat());
        boxed(b"moov", &[&mvhd[..], &trak, udta].concat())
    }

    #[test]
    fn an_edit_list_is_read_past_its_empty_entries() {
        let edit = parse(&movie(&[]), 44_100).unwrap();
        assert_eq!(edit, Edit { start: 1024, frames: 88_200, tolerance: 45 });
        // Its duration is in milliseconds; what is within that of the media's end is the end.
        assert_eq!(edit.apply(89_240), (1024, 89_240));
        assert_eq!(edit.apply(100_000), (1024, 89_224));
    }

    #[test]
    fn the_note_of_itunes_counts_more() {
        let text = b" 00000000 00000840 000001CA 00000000000186A0 00000000 00000000";
        let data = boxed(b"data", &[&words(&[1, 0])[..], text].concat());
        let name = boxed(b"name", &[&words(&[0])[..], b"iTunSMPB"].concat());
        let note = boxed(b"----", &[name, data].concat());
        let meta = boxed(b"meta", &[words(&[0]), boxed(b"ilst", &note)].concat());
        let edit = parse(&movie(&boxed(b"udta", &meta)), 44_100).unwrap();
        assert_eq!(edit.apply(110_000), (2112, 102_112));
    }

    #[test]
    fn what_cannot_be_understood_is_no_edit() {
        let whole = movie(&[]);
        for cut in 0..whole.len() {
            let _ = parse(&whole[..cut], 44_100);
        }
        assert_eq!(parse(b"", 44_100), None);
        assert_eq!(parse(&[0xFF; 64], 44_100), None);
    }
}
