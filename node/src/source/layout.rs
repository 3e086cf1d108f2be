//! The kind of a file, and the part of it that is audio.

use std::{
    fs::File,
    io::{ErrorKind, Read, Result, Seek, SeekFrom},
    ops::Range,
};

use super::{
    formats::{self, AAC, Format, MAGIC_BYTES, MPEG},
    mpeg_header::{ADTS_HEAD, AdtsHeader, MpegHeader},
    read_limits::note_read,
};

/// Number of bytes behind the tags that are searched for the first frame of audio. Bounds the time for a file without audio.
const MAX_JUNK: u64 = 1 << 20;
/// Number of bytes behind the tags that are searched first. Usually they hold some zeros and then a few frames.
const FIRST_SEARCH: u64 = 16 * 1024;
/// Consecutive frames that prove the beginning of MPEG audio or AAC. Fewer are enough if the file ends behind them.
const PROOF: u32 = 3;
/// Greatest number of tags in a row that are skipped at either end of a file.
const MAX_TAGS: u32 = 16;
/// Bytes of a tag of ID3v1.
const ID3V1_BYTES: u64 = 128;

/// The kind of a file, and the part of it that is audio.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) format: &'static Format,
    /// Bytes of the container, without tags before it. For formats that tags may follow, without tags behind it.
    pub(super) range: Range<u64>,
}

impl Layout {
    /// Finds the kind of `file` by its content. Reads some kilobytes, or [`MAX_JUNK`] bytes if no known format begins
    /// right behind the tags. `None` if no known format is found.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn find(file: &mut File) -> Result<Option<Self>> {
        let length = file.metadata()?.len();
        let start = end_of_leading_tags(file, length)?;
        let head = read_at(file, start, MAGIC_BYTES)?;
        if let Some(format) = formats::by_magic(&head) {
            let has_trailing_tags = format.support.is_some_and(|support| support.has_trailing_tags);
            let end = if has_trailing_tags { start_of_trailing_tags(file, start, length)? } else { length };
            return Ok(Some(Self { format, range: start..end }));
        }
        let end = start_of_trailing_tags(file, start, length)?;
        let room = end.saturating_sub(start);
        for bytes in [FIRST_SEARCH, MAX_JUNK] {
            let searched = read_at(file, start, bytes.min(room) as usize)?;
            if let Some((format, at)) = first_frame(&searched, bytes >= room) {
                return Ok(Some(Self { format, range: start + at as u64..end }));
            }
            if bytes >= room {
                break;
            }
        }
        Ok(None)
    }
}

/// Finds the first frame of MPEG audio or AAC, or the mark of a FLAC or Ogg stream, in `bytes`. Returns the format and
/// the position. `is_all` is true if the file ends with `bytes`.
fn first_frame(bytes: &[u8], is_all: bool) -> Option<(&'static Format, usize)> {
    (0..bytes.len()).find_map(|at| {
        let rest = &bytes[at..];
        let format = match rest[0] {
            0xff if is_mpeg(rest, is_all) => &MPEG,
            0xff if is_adts(rest, is_all) => &AAC,
            b'f' if rest.starts_with(b"fLaC\0\0\0\x22") => formats::by_magic(rest)?,
            b'O' if rest.starts_with(b"OggS\0\x02") => formats::by_magic(rest)?,
            _ => return None,
        };
        Some((format, at))
    })
}

/// True if a sequence of MPEG frames begins with `bytes`.
fn is_mpeg(bytes: &[u8], is_all: bool) -> bool {
    let Some(first) = MpegHeader::parse(bytes) else { return false };
    proves(bytes, is_all, |head| {
        MpegHeader::parse(head).filter(|header| header.is_same_stream(&first)).map(|header| header.bytes)
    })
}

/// True if a sequence of ADTS frames begins with `bytes`.
fn is_adts(bytes: &[u8], is_all: bool) -> bool {
    let Some(first) = AdtsHeader::parse(bytes) else { return false };
    proves(bytes, is_all, |head| {
        AdtsHeader::parse(head).filter(|header| header.is_same_stream(&first)).map(|header| header.bytes)
    })
}

/// True if `bytes` begins with [`PROOF`] frames in a row. Fewer are enough if `bytes` ends first: two frames, or one that
/// ends exactly with a whole file (`is_all`). `frame_bytes` returns the length of the frame at the beginning of a slice.
fn proves(bytes: &[u8], is_all: bool, frame_bytes: impl Fn(&[u8]) -> Option<u32>) -> bool {
    let mut at = 0;
    for frames in 0..PROOF {
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.len() < ADTS_HEAD {
            return frames > 1 || (is_all && frames == 1 && rest.is_empty());
        }
        match frame_bytes(rest) {
            Some(bytes) => at += bytes as usize,
            None => return is_all && frames > 1 && at + 2 * ADTS_HEAD > bytes.len(),
        }
    }
    true
}

/// Byte position behind the ID3v2 and APE tags at the beginning (id3v2.4.0-structure, section 3.1).
fn end_of_leading_tags(file: &mut File, length: u64) -> Result<u64> {
    let mut start = 0;
    for _ in 0..MAX_TAGS {
        let head = read_at(file, start, 32)?;
        let Some(bytes) = id3v2_bytes(&head).or_else(|| ape_bytes(&head, true)) else { break };
        // A tag that claims more bytes than the file has is damaged. The search for audio then begins at this tag.
        if start + bytes >= length {
            break;
        }
        start += bytes;
    }
    Ok(start)
}

/// Bytes of the tag (ID3v1, ID3v2 or APE) that begins with `head`.
pub(super) fn tag_bytes(head: &[u8]) -> Option<u64> {
    let is_id3v1 = head.len() as u64 >= ID3V1_BYTES && head.starts_with(b"TAG");
    let id3v1 = is_id3v1.then_some(ID3V1_BYTES);
    id3v1.or_else(|| id3v2_bytes(head)).or_else(|| ape_bytes(head, true))
}

/// Bytes of the ID3v2 tag that begins with `head`.
pub(super) fn id3v2_bytes(head: &[u8]) -> Option<u64> {
    let [b'I', b'D', b'3', _, _, flags, size @ ..] = head.first_chunk::<10>()? else { return None };
    if size.iter().any(|byte| byte & 0x80 != 0) {
        return None;
    }
    let size = size.iter().fold(0, |size, byte| size << 7 | u64::from(*byte));
    let footer = if flags & 0x10 == 0 { 0 } else { 10 };
    Some(10 + size + footer)
}

/// Bytes of the APE tag whose header, or footer, is `head` (APEv2: 32 bytes with the size at 12 and flags at 20).
fn ape_bytes(head: &[u8], is_header: bool) -> Option<u64> {
    let head = head.first_chunk::<32>()?;
    if !head.starts_with(b"APETAGEX") {
        return None;
    }
    let word = |at: usize| head[at..].first_chunk().map_or(0, |word| u32::from_le_bytes(*word));
    // The size counts the items and the footer. Flag 31 says that there is a header too.
    let has_header = is_header || word(20) >> 31 == 1;
    Some(u64::from(word(12)) + if has_header { 32 } else { 0 })
}

/// Byte position of the first of the ID3v1, APE, Lyrics3 and ID3v2 tags at the end.
fn start_of_trailing_tags(file: &mut File, start: u64, length: u64) -> Result<u64> {
    let mut end = length;
    for _ in 0..MAX_TAGS {
        let room = end.saturating_sub(start);
        let tail_start = end - room.min(ID3V1_BYTES);
        let tail = read_at(file, tail_start, (end - tail_start) as usize)?;
        let last = |count: usize| tail.get(tail.len().saturating_sub(count)..).unwrap_or_default();
        let bytes = if tail.len() as u64 == ID3V1_BYTES && tail.starts_with(b"TAG") {
            ID3V1_BYTES
        } else if let Some(bytes) = ape_bytes(last(32), false) {
            bytes
        } else if let Some(bytes) = lyrics3_bytes(last(15)) {
            bytes
        } else if let Some(bytes) = id3v2_footer_bytes(last(10)) {
            bytes
        } else {
            break;
        };
        if bytes == 0 || bytes >= room {
            break;
        }
        end -= bytes;
    }
    Ok(end)
}

/// Bytes of the Lyrics3 v2 tag that ends with `tail`: six digits and `LYRICS200`.
fn lyrics3_bytes(tail: &[u8]) -> Option<u64> {
    let digits = tail.strip_suffix(b"LYRICS200")?;
    let size: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(size + 15)
}

/// Bytes of the ID3v2 tag that ends with the footer `tail`.
fn id3v2_footer_bytes(tail: &[u8]) -> Option<u64> {
    let rest = tail.strip_prefix(b"3DI")?;
    id3v2_bytes(&[b"ID3", rest].concat())
}

/// Reads up to `count` bytes at `at`; fewer only at the end of the file. The caller bounds `count`.
pub(super) fn read_at(file: &mut File, at: u64, count: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(at))?;
    match file.take(count as u64).read_to_end(&mut bytes) {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error),
        _ => note_read(bytes.len())?,
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn find(bytes: &[u8]) -> Option<(&'static str, Range<u64>)> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Layout::find(&mut file).unwrap().map(|layout| (layout.format.name, layout.range))
    }

    fn mp3(frames: usize) -> Vec<u8> {
        let mut frame = [0; 417];
        frame[..4].copy_from_slice(&[0xff, 0xfb, 0x90, 0x64]);
        frame.repeat(frames)
    }

    #[test]
    fn audio_is_found_between_tags_and_junk() {
        let id3 = |bytes: usize| {
            [b"ID3\x04\0\0\0\0".as_slice(), &[(bytes >> 7) as u8, (bytes & 127) as u8], &vec![1; bytes]]
                .concat()
        };
        let id3v1 = [b"TAG".as_slice(), &[b' '; 125]].concat();
        let mut ape =
            [b"APETAGEX\xd0\x07\0\0".as_slice(), &42u32.to_le_bytes(), &[1, 0, 0, 0], &[0; 12]].concat();
        ape.splice(0..0, *b"ten bytes!");
        let flac = [b"fLaC\0\0\0\x22".as_slice(), &[7; 400]].concat();
        let behind = |parts: &[&[u8]]| parts.concat();
        assert_eq!(find(&flac), Some(("FLAC", 0..408)));
        assert_eq!(find(&behind(&[&id3(0), &id3(90), &flac, &id3v1])), Some(("FLAC", 110..518)));
        assert_eq!(find(&behind(&[&flac, &ape, &id3v1])), Some(("FLAC", 0..408)));
        let frames = mp3(5);
        for junk in [0, 1, 417, 4000, 100_000] {
            let file = behind(&[&id3(5), &vec![0; junk], &frames]);
            assert_eq!(find(&file), Some(("MP3", 15 + junk as u64..file.len() as u64)), "{junk}");
        }
        // The tag claims more than the file has.
        let mut cut = behind(&[&id3(5), &frames]);
        cut[8] = 127;
        assert_eq!(find(&cut), Some(("MP3", 15..cut.len() as u64)));
        assert_eq!(find(&vec![0x55; 3 << 20]), None);
        assert_eq!(find(b""), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_have_a_range_within_the_file(
            bytes in prop::collection::vec(prop::sample::select(b"ID3TAGAPEX\x00\x04\xff\xfb\x90\x64fLaCOggSRIFF3DI\x7f".to_vec()), 0..400),
        ) {
            if let Some((_, range)) = find(&bytes) {
                prop_assert!(range.start <= range.end && range.end <= bytes.len() as u64);
            }
        }
    }
}
