//! A fast walk through an MP3 from frame header to frame header, without decoding.
//!
//! The walk continues only while each MP3 frame begins at the end of the one before, is of the same kind and is no encoder
//! tag. In such a part of the file every MP3 reader finds the same frames. The walk stops at anything else, and Symphonia
//! reads the rest.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use super::{
    mpeg_header::{MPEG_HEAD, MpegHeader},
    read_limits::note_read,
};

/// Size of one read, in bytes. A two-hour MP3 has about 150 MB.
const READ: usize = 256 * 1024;

/// A walk that stands at the beginning of a frame.
pub(super) struct Mp3HeaderWalk {
    file: BufReader<File>,
    byte: u64,
    end: u64,
    rate: u32,
    /// The first frame's header.
    first: Option<MpegHeader>,
}

impl Mp3HeaderWalk {
    /// A walk from the frame at `byte` to the byte `end`, through frames of `rate` Hz.
    pub(super) fn new(path: &Path, byte: u64, end: u64, rate: u32) -> std::io::Result<Self> {
        let mut file = BufReader::with_capacity(READ, File::open(path)?);
        file.seek(SeekFrom::Start(byte))?;
        Ok(Self { file, byte, end, rate, first: None })
    }

    /// Byte position of the next frame.
    pub(super) fn byte(&self) -> u64 {
        self.byte
    }

    /// Skips `frames` MP3 frames and returns the byte position of the next one. `None` if one of them, or the next one, is an
    /// encoder tag or of another kind than the first.
    pub(super) fn skip(&mut self, frames: u32) -> Option<u64> {
        for _ in 0..frames {
            let mut head = [0; MPEG_HEAD];
            self.file.read_exact(&mut head).ok()?;
            let bytes = self.plain_frame_bytes(&head)?;
            self.file.seek_relative(i64::from(bytes) - MPEG_HEAD as i64).ok()?;
            note_read(bytes as usize).ok()?;
            self.byte += u64::from(bytes);
        }
        let mut head = [0; MPEG_HEAD];
        self.file.read_exact(&mut head).ok()?;
        self.file.seek_relative(-(MPEG_HEAD as i64)).ok()?;
        let bytes = self.plain_frame_bytes(&head)?;
        (self.byte + u64::from(bytes) <= self.end).then_some(self.byte)
    }

    /// The length in bytes of the frame that begins with `head`. `None` for any other kind of frame and for a tag.
    fn plain_frame_bytes(&mut self, head: &[u8; MPEG_HEAD]) -> Option<u32> {
        let header = MpegHeader::parse(head)?;
        let first = *self.first.get_or_insert(header);
        let is_plain = header.layer == 3
            && header.rate == self.rate
            && header.is_same_stream(&first)
            && header.channels == first.channels
            && !header.is_encoder_tag(head);
        is_plain.then_some(header.bytes)
    }
}
