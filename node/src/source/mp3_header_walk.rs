//! A fast walk through an MP3 from frame header to frame header, without decoding.
//!
//! The walk continues only while each frame begins at the end of the one before, is of the same kind and is no encoder
//! tag. Every MP3 reader finds the same frames there. At anything else the walk stops, and Symphonia reads the rest.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
};

/// Bytes of the header, the longest side information, and the four letters of an encoder tag.
const HEAD: usize = 40;
/// Bytes of one read. A two-hour MP3 has about 150 MB.
const READ: usize = 256 * 1024;

/// Bitrates of MPEG-1 layer III in kbit/s (ISO/IEC 11172-3, section 2.4.2.3). Index 0 is the free format, which
/// Symphonia does not read.
const KBIT_MPEG1: [u32; 16] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0];
/// Bitrates of MPEG-2 and MPEG-2.5 layer III in kbit/s (ISO/IEC 13818-3, section 2.4.2.3).
const KBIT_MPEG2: [u32; 16] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0];
/// Bits of a header that are the same in all frames of a stream: sync word, version, layer, rate.
const STREAM_BITS: u32 = 0xfffe_0c00;

/// A walk that stands at the beginning of a frame.
pub(super) struct Mp3HeaderWalk {
    file: BufReader<File>,
    byte: u64,
    rate: u32,
    /// The stream bits of the first frame, and whether it is mono.
    kind: Option<(u32, bool)>,
}

impl Mp3HeaderWalk {
    /// A walk from the frame at `byte`, through frames of `rate` Hz.
    pub(super) fn new(path: &Path, byte: u64, rate: u32) -> std::io::Result<Self> {
        let mut file = BufReader::with_capacity(READ, File::open(path)?);
        file.seek(SeekFrom::Start(byte))?;
        Ok(Self { file, byte, rate, kind: None })
    }

    /// Byte position of the next frame.
    pub(super) fn byte(&self) -> u64 {
        self.byte
    }

    /// Skips `frames` frames and returns the byte position of the next one. `None` if one of the skipped frames, or the
    /// next one, is not plain.
    pub(super) fn skip(&mut self, frames: u32) -> Option<u64> {
        for _ in 0..frames {
            let mut head = [0; HEAD];
            self.file.read_exact(&mut head).ok()?;
            let bytes = self.plain_frame_bytes(&head)?;
            self.file.seek_relative(i64::from(bytes) - HEAD as i64).ok()?;
            self.byte += u64::from(bytes);
        }
        let mut head = [0; HEAD];
        self.file.read_exact(&mut head).ok()?;
        self.file.seek_relative(-(HEAD as i64)).ok()?;
        self.plain_frame_bytes(&head).map(|_| self.byte)
    }

    /// The length in bytes of the frame that begins with `head`. `None` for any other kind of frame and for a tag.
    fn plain_frame_bytes(&mut self, head: &[u8; HEAD]) -> Option<u32> {
        let header = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let is_mono = header >> 6 & 3 == 3;
        let kind = (header & STREAM_BITS, is_mono);
        let is_layer_3 = header >> 21 == 0x7ff && header >> 17 & 3 == 1;
        if !is_layer_3 || *self.kind.get_or_insert(kind) != kind || is_encoder_tag(head, header, is_mono) {
            return None;
        }
        let is_mpeg1 = header >> 19 & 3 == 3;
        let (kbit, factor) = if is_mpeg1 { (KBIT_MPEG1, 144) } else { (KBIT_MPEG2, 72) };
        let kbit = kbit[(header >> 12 & 15) as usize];
        (kbit > 0).then(|| factor * kbit * 1000 / self.rate + (header >> 9 & 1))
    }
}

/// True if the frame may hold an encoder's notes (Xing, Info, VBRI) instead of audio.
fn is_encoder_tag(head: &[u8; HEAD], header: u32, is_mono: bool) -> bool {
    let side_bytes = match (header >> 19 & 3 == 3, is_mono) {
        (true, false) => 32,
        (true, true) | (false, false) => 17,
        (false, true) => 9,
    };
    let has = |at: usize, marks: &[&[u8]]| marks.iter().any(|mark| head[at..].starts_with(mark));
    has(4 + side_bytes, &[b"Xing", b"Info"]) || has(36, &[b"VBRI"])
}
