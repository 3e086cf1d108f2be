//! The description of a track's codec, which Symphonia reads from a copy of the headers with empty tables.

use std::{fs::File, io::Cursor, ops::Range};

use symphonia::core::{
    formats::TrackType,
    io::{MediaSourceStream, MediaSourceStreamOptions},
};

use super::{
    super::{probe::probe_stream, read_buffer::ReadBuffer},
    boxes::{Found, Track},
};

/// Size of the largest box that is copied, in bytes. Bounds the memory for a damaged file.
const MAX_BOX: u64 = 64 * 1024;
/// Greatest number of audio tracks that are copied. Bounds the memory for a damaged file.
const MAX_TRACKS: usize = 16;

/// Reads the audio track that Symphonia chooses. Returns Symphonia's description of it, without a length, and its boxes. `None`
/// if the headers are damaged.
pub(super) fn read<'a>(
    file: &mut File,
    found: &'a Found,
) -> Option<(symphonia::core::formats::Track, &'a Track)> {
    let tracks: Vec<_> = found.tracks.iter().filter(|track| track.is_audio).take(MAX_TRACKS).collect();
    let mut head = boxed(b"ftyp", &[b"M4A \0\0\0\0".to_vec()]);
    let mut movie = vec![copy(file, b"mvhd", found.movie.clone()?)?];
    for track in &tracks {
        movie.push(without_tables(file, track)?);
    }
    head.extend(boxed(b"moov", &movie));
    let stream = MediaSourceStream::new(Box::new(Cursor::new(head)), MediaSourceStreamOptions::default());
    let format = probe_stream(stream, None).ok()?;
    let chosen = format.default_track(TrackType::Audio)?;
    let index = format.tracks().iter().position(|track| track.id == chosen.id)?;
    Some((chosen.clone(), *tracks.get(index)?))
}

fn without_tables(file: &mut File, track: &Track) -> Option<Vec<u8>> {
    let mut copied = |kind| copy(file, kind, track.body(kind)?);
    let nothing = [0; 12].to_vec();
    let tables = [
        copied(b"stsd")?,
        boxed(b"stts", &[nothing[..8].to_vec()]),
        boxed(b"stsc", &[nothing[..8].to_vec()]),
        boxed(b"stsz", &[nothing]),
    ];
    let media = [copied(b"mdhd")?, copied(b"hdlr")?, boxed(b"minf", &[boxed(b"stbl", &tables)])];
    Some(boxed(b"trak", &[copied(b"tkhd")?, boxed(b"mdia", &media)]))
}

fn copy(file: &mut File, kind: &[u8; 4], body: Range<u64>) -> Option<Vec<u8>> {
    let bytes = body.end.checked_sub(body.start).filter(|bytes| *bytes <= MAX_BOX)?;
    let mut buffer = ReadBuffer::new(0);
    Some(boxed(kind, &[buffer.get(file, body.start, bytes as usize).ok()?.to_vec()]))
}

/// A box with `parts` as its body, which must have less than 4 GB.
fn boxed(kind: &[u8; 4], parts: &[Vec<u8>]) -> Vec<u8> {
    let body = parts.concat();
    let size = body.len() as u32 + 8;
    [&size.to_be_bytes()[..], kind, &body].concat()
}
