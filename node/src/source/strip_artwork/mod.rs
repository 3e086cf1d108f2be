//! A view of a file without the artwork in it.
//!
//! Symphonia reads every picture when it opens a file and keeps it until the reader is dropped. Each listener, and each idle
//! reader, would hold a copy. So the view begins behind an ID3v2 tag, and a long head is replaced by a short one that
//! describes the audio in the same way. The bytes of audio stay the same. A damaged head is left alone; Symphonia judges it.
//! Unfragmented MP4 has a reader of its own (`mp4`).

mod aiff;
mod flac;
mod head;
mod ogg;
mod spliced_file;

use std::{
    fs::File,
    io::{ErrorKind, Result, Seek, SeekFrom},
};

use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};

use super::packet;
use head::read_array;
use spliced_file::{Part, SplicedFile};

/// ID3v2 tags in a row that are skipped at most.
const MAX_TAGS: u32 = 16;

/// Wraps `file` as a stream that stands at the beginning of the container.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn stream(mut file: File) -> Result<MediaSourceStream<'static>> {
    let start = end_of_tags(&mut file)?;
    let parts = match parts(&mut file, start) {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error),
        // The head is cut off. Symphonia reports that.
        parts => parts.ok().flatten(),
    };
    file.seek(SeekFrom::Start(0))?;
    if let Some(parts) = parts {
        let spliced = Box::new(SplicedFile::new(file, parts));
        return Ok(MediaSourceStream::new(spliced, MediaSourceStreamOptions::default()));
    }
    let mut stream = packet::stream(file);
    if start > 0 {
        stream.seek(SeekFrom::Start(start))?;
    }
    Ok(stream)
}

/// The parts of the view on a file whose container begins at byte `start`; `None` if the view is the file itself.
fn parts(file: &mut File, start: u64) -> Result<Option<Vec<Part>>> {
    file.seek(SeekFrom::Start(start))?;
    match &read_array(file)? {
        b"fLaC" => flac::parts(file, start),
        b"OggS" => ogg::parts(file, start),
        b"FORM" => aiff::parts(file, start),
        _ => Ok(None),
    }
}

/// Byte position behind the last ID3v2 tag at the beginning (id3v2.4.0-structure, section 3.1).
fn end_of_tags(file: &mut File) -> Result<u64> {
    let length = file.metadata()?.len();
    let mut start = 0;
    for _ in 0..MAX_TAGS {
        file.seek(SeekFrom::Start(start))?;
        let Ok([b'I', b'D', b'3', _, _, flags, size @ ..]) = read_array::<10>(file) else { break };
        if size.iter().any(|byte| byte & 0x80 != 0) {
            break;
        }
        let size = size.iter().fold(0, |size, byte| size << 7 | u64::from(*byte));
        let footer = if flags & 0x10 == 0 { 0 } else { 10 };
        let end = start + 10 + size + footer;
        if end >= length {
            break;
        }
        start = end;
    }
    Ok(start)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// The view on a file of these `bytes`.
    fn view(bytes: &[u8]) -> Vec<u8> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let mut read = Vec::new();
        stream(file).unwrap().read_to_end(&mut read).unwrap();
        read
    }

    fn flac() -> (Vec<u8>, Vec<u8>) {
        let (info, cover) = ([[0, 0, 0, 34].as_slice(), &[7; 34]].concat(), [5; 20_000]);
        let before = [b"fLaC", &*info, &[0x86, 0, 0x4e, 0x20], &cover, b"sound"].concat();
        let after = [b"fLaC\x80".as_slice(), &info[1..], b"sound"].concat();
        (before, after)
    }

    #[test]
    fn a_flac_loses_its_picture_and_keeps_its_last_block_marked() {
        let (before, after) = flac();
        assert_eq!(view(&before), after);
        // A tag before it, with a footer.
        let tag = [b"ID3\x04\0\x10\0\0\0\x05".as_slice(), &[1; 5], &[2; 10]].concat();
        assert_eq!(view(&[tag, before].concat()), after);
    }

    /// The view on a file that is cut within its head is the file. The view on a damaged one is no longer than the file and
    /// ends like it.
    #[test]
    fn a_cut_or_damaged_head_is_left_alone_or_read_in_bounds() {
        let aiff = [b"FORM\0\0\0\0AIFFID3 \0\0\x4e\x20".as_slice(), &[0; 20_000], b"SSND\0\0\0\0"].concat();
        let ogg =
            [b"OggS\0\x02".as_slice(), &[0; 20], b"\x01\x08OpusHeadOggS\0\0", &[0; 20], &[255; 255]].concat();
        for whole in [flac().0, aiff, ogg] {
            for length in (0..whole.len()).filter(|it| *it < 100 || it % 977 == 0) {
                assert!(view(&whole[..length]) == whole[..length], "cut at {length}");
            }
            for place in 0..whole.len().min(120) {
                let mut damaged = whole.clone();
                damaged[place] ^= 0xff;
                let view = view(&damaged);
                assert!(
                    view.len() <= damaged.len() && damaged.ends_with(&view[view.len().saturating_sub(4)..])
                );
            }
        }
    }
}
