//! The boxes of a file that describe its tracks.

use std::{fs::File, ops::Range};

use super::{super::read_buffer::ReadBuffer, big_endian};

/// Greatest number of boxes that are read, which bounds the time for a damaged file. Later boxes are ignored.
const MAX_BOXES: u32 = 4096;
/// Greatest depth of nested boxes, which bounds the stack. The wanted boxes lie 6 deep.
const MAX_DEPTH: u32 = 16;
/// Greatest number of bytes read from a free-form tag. iTunes' gapless note has about 200.
const MAX_NOTE: u64 = 512;

/// The contents of the boxes.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) movie_scale: u32,
    /// The body of `mvhd`.
    pub(super) movie: Option<Range<u64>>,
    pub(super) tracks: Vec<Track>,
    /// iTunes' gapless note as text.
    pub(super) gapless_note: Option<String>,
    pub(super) is_fragmented: bool,
}

#[derive(Debug, Default)]
pub(super) struct Track {
    pub(super) is_audio: bool,
    pub(super) media_scale: u32,
    /// Presented part of the track: its duration in ticks of the movie, 0 for the rest of the track, and its start in ticks of
    /// the media.
    pub(super) edit: Option<(u64, i64)>,
    /// Bodies of the boxes that describe the track.
    boxes: Vec<([u8; 4], Range<u64>)>,
}

impl Track {
    /// The body of the last box of this kind.
    pub(super) fn body(&self, kind: &[u8; 4]) -> Option<Range<u64>> {
        self.boxes.iter().rev().find(|(found, _)| found == kind).map(|(_, body)| body.clone())
    }
}

/// Reads the boxes of `file` up to the first damaged one.
pub(super) fn find(file: &mut File) -> std::io::Result<Found> {
    let bytes = file.metadata()?.len();
    let buffer = ReadBuffer::new(4096);
    let mut walk = BoxWalk { file, buffer, at: 0, boxes_read: 0, depth: 0, found: Found::default() };
    // Damage ends the walk; the boxes before it count.
    let _ = walk.visit(0, bytes);
    Ok(walk.found)
}

struct BoxWalk<'a> {
    file: &'a mut File,
    buffer: ReadBuffer,
    /// Byte position of the next word.
    at: u64,
    boxes_read: u32,
    depth: u32,
    found: Found,
}

impl BoxWalk<'_> {
    /// Reads the boxes between two byte positions, and the boxes in them.
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
        while at.checked_add(8)? <= end && self.boxes_read < MAX_BOXES {
            self.boxes_read += 1;
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
            self.read_box(kind, at + header, next);
            at = next;
        }
        Some(())
    }

    fn read_box(&mut self, kind: [u8; 4], body: u64, end: u64) -> Option<()> {
        match &kind {
            b"moov" | b"edts" | b"mdia" | b"minf" | b"stbl" | b"udta" | b"ilst" => self.visit(body, end),
            b"trak" => {
                self.found.tracks.push(Track::default());
                self.visit(body, end)
            }
            // In MP4, `meta` is a full box, which begins with a zero word. In QuickTime it is a plain box without that word.
            b"meta" => {
                let full = if self.u32()? == 0 { 4 } else { 0 };
                self.visit(body + full, end)
            }
            b"----" => self.gapless_note(end - body),
            b"mvex" => {
                self.found.is_fragmented = true;
                Some(())
            }
            b"mvhd" => {
                self.found.movie = Some(body..end);
                self.found.movie_scale = self.time_scale()?;
                Some(())
            }
            b"elst" => self.edit_list(),
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

    /// The time scale in a movie or media header.
    fn time_scale(&mut self) -> Option<u32> {
        self.at += if self.u32()? >> 24 == 1 { 16 } else { 8 };
        self.u32()
    }

    /// Reads the first entry that is not empty. Further entries would cut parts out of the track, which is not supported. With
    /// several entries, the whole track from the first entry's start on is presented.
    fn edit_list(&mut self) -> Option<()> {
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

    fn gapless_note(&mut self, bytes: u64) -> Option<()> {
        let bytes = usize::try_from(bytes.min(MAX_NOTE)).ok()?;
        let text = self.buffer.get(self.file, self.at, bytes).ok()?;
        let text = String::from_utf8_lossy(text);
        if text.contains("iTunSMPB") {
            self.found.gapless_note = Some(text.into_owned());
        }
        Some(())
    }

    fn word(&mut self) -> Option<[u8; 4]> {
        let word = *self.buffer.get(self.file, self.at, 4).ok()?.first_chunk()?;
        self.at += 4;
        Some(word)
    }

    fn u32(&mut self) -> Option<u32> {
        self.word().map(|word| big_endian(&word))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from(self.u32()?) << 32 | u64::from(self.u32()?))
    }
}
