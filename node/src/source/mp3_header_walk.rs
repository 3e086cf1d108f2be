//! A quick walk through an MP3: from header to header, with nothing decoded and nothing taken out.
//!
//! It goes on only while each frame begins where the one before ends and is of the same kind, and is no tag; there
//! every reader finds the same frames. At anything else it stops, and leaves the rest to Symphonia's patience.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
};

/// The header, the longest side information, and four bytes of what may be a tag.
const HEAD: usize = 40;
/// Large reads: two hours are 150 MB.
const BUFFER: usize = 256 * 1024;

/// ISO/IEC 11172-3, section 2.4.2.3, layer III, in kbit/s; index 0 is the free format, which Symphonia does not read.
const KBIT_MPEG1: [u32; 16] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0];
/// The same by 13818-3, section 2.4.2.3, also for MPEG 2.5.
const KBIT_MPEG2: [u32; 16] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0];
/// Sync word, version, layer, rate: what is the same in all frames of a stream.
const KIND: u32 = 0xfffe_0c00;

/// See the module.
pub(super) struct Scan {
    file: BufReader<File>,
    byte: u64,
    rate: u32,
    /// Version, layer and rate of the first frame, and whether it is mono.
    kind: Option<(u32, bool)>,
}

impl Scan {
    /// A walk from the frame at `byte` on, in a file whose frames are of `rate`.
    pub(super) fn new(path: &Path, byte: u64, rate: u32) -> std::io::Result<Self> {
        let mut file = BufReader::with_capacity(BUFFER, File::open(path)?);
        file.seek(SeekFrom::Start(byte))?;
        Ok(Self { file, byte, rate, kind: None })
    }

    /// Where it stands.
    pub(super) fn byte(&self) -> u64 {
        self.byte
    }

    /// Passes over so many frames. Returns where the next one begins; `None` if one of them, or that one, is not plain.
    pub(super) fn pass(&mut self, frames: u32) -> Option<u64> {
        for _ in 0..frames {
            let mut head = [0; HEAD];
            self.file.read_exact(&mut head).ok()?;
            let bytes = self.plain(&head)?;
            self.file.seek_relative(i64::from(bytes) - HEAD as i64).ok()?;
            self.byte += u64::from(bytes);
        }
        let mut head = [0; HEAD];
        self.file.read_exact(&mut head).ok()?;
        self.file.seek_relative(-(HEAD as i64)).ok()?;
        self.plain(&head).map(|_| self.byte)
    }

    /// The length of the frame that begins with `head`, if there is nothing special about it.
    fn plain(&mut self, head: &[u8; HEAD]) -> Option<u32> {
        let header = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let is_mono = header >> 6 & 3 == 3;
        let kind = (header & KIND, is_mono);
        let is_layer_3 = header >> 21 == 0x7ff && header >> 17 & 3 == 1;
        if !is_layer_3 || *self.kind.get_or_insert(kind) != kind || is_tag(head, header, is_mono) {
            return None;
        }
        let is_mpeg1 = header >> 19 & 3 == 3;
        let (kbit, factor) = if is_mpeg1 { (KBIT_MPEG1, 144) } else { (KBIT_MPEG2, 72) };
        let kbit = kbit[(header >> 12 & 15) as usize];
        (kbit > 0).then(|| factor * kbit * 1000 / self.rate + (header >> 9 & 1))
    }
}

/// Whether it may be one of the frames that hold no sound but what an encoder says of the file.
fn is_tag(head: &[u8; HEAD], header: u32, is_mono: bool) -> bool {
    let side = match (header >> 19 & 3 == 3, is_mono) {
        (true, false) => 32,
        (true, true) | (false, false) => 17,
        (false, true) => 9,
    };
    let is = |at: usize, words: &[&[u8]]| words.iter().any(|word| head[at..].starts_with(word));
    is(4 + side, &[b"Xing", b"Info"]) || is(36, &[b"VBRI"])
}
