//! A file as Symphonia is to see it: without the covers in it.
//!
//! Symphonia reads every picture when it opens a file, and holds it as long as it reads; each listener and each reader in
//! reserve would hold one more. So what it is given begins behind an ID3v2 tag, and where a head is long, a short one stands in
//! its place that says the same of the sound. All bytes of sound stay as they are. What cannot be understood here is left
//! as it is, for Symphonia to judge. MP4 has a reader of its own (`mp4`), but for files in fragments.

mod aiff;
mod flac;
mod ogg;
mod spliced;

use std::{
    fs::File,
    io::{Error, ErrorKind, Read, Result, Seek, SeekFrom},
};

use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};

use super::demux;
use spliced::{Part, Spliced};

/// Metadata of so many bytes may stay where it is.
const SHORT: u64 = 16 * 1024;
/// As much of a head is needed at most: a table of places to seek to, or codebooks.
const MAX_HEAD: u64 = 1 << 20;
/// Tags, one after another.
const MAX_TAGS: u32 = 16;

/// `file` as a stream that stands where the sound's container begins.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn stream(mut file: File) -> Result<MediaSourceStream<'static>> {
    let start = behind_tags(&mut file)?;
    let parts = match parts(&mut file, start) {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error),
        // It ends too early: Symphonia says so.
        parts => parts.ok().flatten(),
    };
    file.seek(SeekFrom::Start(0))?;
    if let Some(parts) = parts {
        let spliced = Box::new(Spliced::new(file, parts));
        return Ok(MediaSourceStream::new(spliced, MediaSourceStreamOptions::default()));
    }
    let mut stream = demux::stream(file);
    if start > 0 {
        stream.seek(SeekFrom::Start(start))?;
    }
    Ok(stream)
}

/// What is to be read in place of the file, whose container begins at byte `start`; `None` for all of it.
fn parts(file: &mut File, start: u64) -> Result<Option<Vec<Part>>> {
    file.seek(SeekFrom::Start(start))?;
    match &bytes(file)? {
        b"fLaC" => flac::parts(file, start),
        b"OggS" => ogg::parts(file, start),
        b"FORM" => aiff::parts(file, start),
        _ => Ok(None),
    }
}

/// Where the last of the ID3v2 tags at the beginning ends (id3v2.4.0-structure, section 3.1).
fn behind_tags(file: &mut File) -> Result<u64> {
    let (mut start, length) = (0, file.metadata()?.len());
    for _ in 0..MAX_TAGS {
        file.seek(SeekFrom::Start(start))?;
        let Ok([b'I', b'D', b'3', _, _, flags, size @ ..]) = bytes::<10>(file) else { break };
        if size.iter().any(|it| it & 0x80 != 0) {
            break;
        }
        let size = size.iter().fold(0, |size, it| size << 7 | u64::from(*it));
        let footer = if flags & 0x10 == 0 { 0 } else { 10 };
        let end = start + 10 + size + footer;
        if end >= length {
            break;
        }
        start = end;
    }
    Ok(start)
}

fn bytes<const N: usize>(file: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The next `count` bytes, of which a head may hold so many.
fn some(file: &mut impl Read, count: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(count).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == count { Ok(bytes) } else { Err(Error::from(ErrorKind::UnexpectedEof)) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// What is read in place of `bytes`.
    fn lean(bytes: &[u8]) -> Vec<u8> {
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
        assert_eq!(lean(&before), after);
        // A tag before it, with a footer.
        let tag = [b"ID3\x04\0\x10\0\0\0\x05".as_slice(), &[1; 5], &[2; 10]].concat();
        assert_eq!(lean(&[tag, before].concat()), after);
    }

    #[test]
    fn a_head_that_is_cut_off_or_damaged_is_left_or_read_in_bounds() {
        let aiff = [b"FORM\0\0\0\0AIFFID3 \0\0\x4e\x20".as_slice(), &[0; 20_000], b"SSND\0\0\0\0"].concat();
        let ogg =
            [b"OggS\0\x02".as_slice(), &[0; 20], b"\x01\x08OpusHeadOggS\0\0", &[0; 20], &[255; 255]].concat();
        for whole in [flac().0, aiff, ogg] {
            for length in (0..whole.len()).filter(|it| *it < 100 || it % 977 == 0) {
                lean(&whole[..length]);
            }
            for place in 0..whole.len().min(120) {
                let mut damaged = whole.clone();
                damaged[place] ^= 0xff;
                lean(&damaged);
            }
        }
    }
}
