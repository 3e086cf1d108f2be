use std::{fs::File, ops::Range};

use super::{number, piece::Piece};

/// Boxes to look at before a file is taken to hold no more.
const MAX_BOXES: u32 = 4096;
/// Boxes within boxes; those that are wanted lie 6 deep.
const MAX_DEPTH: u32 = 16;
/// A note is shorter than this, in bytes.
const MAX_NOTE: u64 = 512;

/// What the boxes of a file say.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) movie_scale: u32,
    /// The body of `mvhd`.
    pub(super) movie: Option<Range<u64>>,
    pub(super) tracks: Vec<Track>,
    /// What iTunes notes beside the tags, as text.
    pub(super) note: Option<String>,
    pub(super) is_fragmented: bool,
}

#[derive(Debug, Default)]
pub(super) struct Track {
    pub(super) is_audio: bool,
    pub(super) media_scale: u32,
    /// Duration in the movie's time scale, 0 for all that follows; start in the media's.
    pub(super) edit: Option<(u64, i64)>,
    /// Bodies of the boxes that describe it.
    boxes: Vec<([u8; 4], Range<u64>)>,
}

impl Track {
    /// The body of its box of this kind.
    pub(super) fn body(&self, kind: &[u8; 4]) -> Option<Range<u64>> {
        self.boxes.iter().rev().find(|(it, _)| it == kind).map(|(_, body)| body.clone())
    }
}

/// Looks through the boxes of `file`. What was found before a damaged one counts.
pub(super) fn find(file: &mut File) -> std::io::Result<Found> {
    let bytes = file.metadata()?.len();
    let mut boxes =
        Boxes { file, piece: Piece::new(4096), at: 0, seen: 0, depth: 0, found: Found::default() };
    let _ = boxes.visit(0, bytes);
    Ok(boxes.found)
}

struct Boxes<'a> {
    file: &'a mut File,
    piece: Piece,
    /// What is read next.
    at: u64,
    seen: u32,
    depth: u32,
    found: Found,
}

impl Boxes<'_> {
    /// Looks at the boxes between two byte positions, and into those that may hold what is wanted.
    fn visit(&mut self, at: u64, end: u64) -> Option<()> {
        if self.depth == MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let visited = self.visit_all(at, end);
        self.depth -= 1;
        visited
    }

    fn visit_all(&mut self, mut at: u64, end: u64) -> Option<()> {
        while at.checked_add(8)? <= end && self.seen < MAX_BOXES {
            self.seen += 1;
            self.at = at;
            let (short, kind) = (self.u32()?, self.word()?);
            let (header, size) = match short {
                0 => (8, end - at),
                1 => (16, self.u64()?),
                size => (8, u64::from(size)),
            };
            let next = at.checked_add(size).filter(|next| *next <= end)?;
            if size < header {
                return None;
            }
            self.look(kind, at + header, next);
            at = next;
        }
        Some(())
    }

    fn look(&mut self, kind: [u8; 4], body: u64, end: u64) -> Option<()> {
        match &kind {
            b"moov" | b"edts" | b"mdia" | b"minf" | b"stbl" | b"udta" | b"ilst" => self.visit(body, end),
            b"trak" => {
                self.found.tracks.push(Track::default());
                self.visit(body, end)
            }
            // A full box in MP4, a plain one in QuickTime; a full box begins with a zero.
            b"meta" => {
                let full = if self.u32()? == 0 { 4 } else { 0 };
                self.visit(body + full, end)
            }
            b"----" => self.note(end - body),
            b"mvex" => {
                self.found.is_fragmented = true;
                Some(())
            }
            b"mvhd" => {
                self.found.movie = Some(body..end);
                self.found.movie_scale = self.time_scale()?;
                Some(())
            }
            b"elst" => self.list(),
            b"tkhd" | b"mdhd" | b"hdlr" | b"stsd" | b"stts" | b"stsc" | b"stsz" | b"stz2" | b"stco"
            | b"co64" => self.describe(kind, body..end),
            _ => Some(()),
        }
    }

    fn describe(&mut self, kind: [u8; 4], body: Range<u64>) -> Option<()> {
        self.found.tracks.last_mut()?.boxes.push((kind, body));
        match &kind {
            b"mdhd" => {
                let scale = self.time_scale()?;
                self.found.tracks.last_mut()?.media_scale = scale;
            }
            b"hdlr" => {
                let [_, _, handler] = [self.word()?, self.word()?, self.word()?];
                self.found.tracks.last_mut()?.is_audio |= &handler == b"soun";
            }
            _ => {}
        }
        Some(())
    }

    /// The time scale of a movie or media header.
    fn time_scale(&mut self) -> Option<u32> {
        self.at += if self.u32()? >> 24 == 1 { 16 } else { 8 };
        self.u32()
    }

    /// The first entry that is not an empty one. Several make a cut, which is not followed: all from there on is presented.
    fn list(&mut self) -> Option<()> {
        let is_long = self.u32()? >> 24 == 1;
        for _ in 0..self.u32()?.min(MAX_BOXES) {
            let (duration, start) = if is_long {
                (self.u64()?, i64::from_be_bytes(self.u64()?.to_be_bytes()))
            } else {
                (u64::from(self.u32()?), i64::from(i32::from_be_bytes(self.word()?)))
            };
            self.word()?;
            let edit = &mut self.found.tracks.last_mut()?.edit;
            match edit {
                _ if start < 0 => {}
                None => *edit = Some((duration, start)),
                Some((duration, _)) => {
                    *duration = 0;
                    break;
                }
            }
        }
        Some(())
    }

    fn note(&mut self, bytes: u64) -> Option<()> {
        let bytes = usize::try_from(bytes.min(MAX_NOTE)).ok()?;
        let text = self.piece.get(self.file, self.at, bytes).ok()?;
        let text = String::from_utf8_lossy(text);
        if text.contains("iTunSMPB") {
            self.found.note = Some(text.into_owned());
        }
        Some(())
    }

    fn word(&mut self) -> Option<[u8; 4]> {
        let word = *self.piece.get(self.file, self.at, 4).ok()?.first_chunk()?;
        self.at += 4;
        Some(word)
    }

    fn u32(&mut self) -> Option<u32> {
        self.word().map(|word| number(&word))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from(self.u32()?) << 32 | u64::from(self.u32()?))
    }
}
