//! The search for an embedded picture, without reading it.

use std::{fs::File, io::Result, ops::Range};

use super::layout::{id3v2_bytes, read_at};

/// Blocks, frames or boxes that are looked at in one file. Bounds the time for a damaged one.
const MAX_PARTS: u32 = 256;
/// Bytes at the beginning of an Ogg file that are searched; comments of text rarely need more.
const OGG_HEAD: usize = 8 * 1024;
/// Block type of a picture (RFC 9639, section 8.1).
const FLAC_PICTURE: u8 = 6;

/// Returns whether the file holds a picture: in its ID3v2 tag, or in the tags of its container at `range`.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn has_cover(file: &mut File, range: &Range<u64>) -> Result<bool> {
    let head = read_at(file, 0, 10)?;
    if let Some(bytes) = id3v2_bytes(&head)
        && has_id3_picture(file, &head, bytes)?
    {
        return Ok(true);
    }
    let head = read_at(file, range.start, 12)?;
    match head.as_slice() {
        [b'f', b'L', b'a', b'C', ..] => has_flac_picture(file, range),
        [b'O', b'g', b'g', b'S', ..] => has_ogg_picture(file, range),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => has_mp4_picture(file, range),
        _ => Ok(false),
    }
}

/// Walks the frames of the ID3v2 tag of `bytes` bytes with the header `head`.
fn has_id3_picture(file: &mut File, head: &[u8], bytes: u64) -> Result<bool> {
    let version = head.get(3).copied().unwrap_or(0);
    let (name_bytes, header_bytes) = if version == 2 { (3, 6) } else { (4, 10) };
    let mut at = 10;
    for _ in 0..MAX_PARTS {
        let header = read_at(file, at, header_bytes)?;
        if header.len() < header_bytes || at >= bytes || !is_name(&header[..name_bytes]) {
            return Ok(false);
        }
        if header.starts_with(b"APIC") || (version == 2 && header.starts_with(b"PIC")) {
            return Ok(true);
        }
        let shift = if version == 4 { 7 } else { 8 };
        let digits = if version == 2 { header.get(3..6) } else { header.get(4..8) };
        let size = digits.unwrap_or_default().iter().fold(0, |size, byte| size << shift | u64::from(*byte));
        at += header_bytes as u64 + size;
    }
    Ok(false)
}

/// True for the capitals and digits of a frame's name.
fn is_name(name: &[u8]) -> bool {
    name.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn has_flac_picture(file: &mut File, range: &Range<u64>) -> Result<bool> {
    let mut at = range.start + 4;
    for _ in 0..MAX_PARTS {
        let header = read_at(file, at, 4)?;
        let [kind, size @ ..] = header.as_slice() else { return Ok(false) };
        if kind & 0x7f == FLAC_PICTURE {
            return Ok(true);
        }
        if kind & 0x80 != 0 || at >= range.end {
            return Ok(false);
        }
        at += 4 + size.iter().fold(0, |size, byte| size << 8 | u64::from(*byte));
    }
    Ok(false)
}

fn has_ogg_picture(file: &mut File, range: &Range<u64>) -> Result<bool> {
    const KEY: &[u8] = b"METADATA_BLOCK_PICTURE=";
    let bytes = usize::try_from(range.end - range.start).unwrap_or(OGG_HEAD).min(OGG_HEAD);
    let head = read_at(file, range.start, bytes)?;
    Ok(head.windows(KEY.len()).any(|window| window.eq_ignore_ascii_case(KEY)))
}

/// Walks down to the box of the cover: `moov`, `udta`, `meta`, `ilst`, `covr`.
fn has_mp4_picture(file: &mut File, range: &Range<u64>) -> Result<bool> {
    let mut wanted = [b"moov", b"udta", b"meta", b"ilst", b"covr"].into_iter().peekable();
    let (mut at, mut end) = (range.start, range.end);
    for _ in 0..MAX_PARTS {
        let header = read_at(file, at, 16)?;
        let number = |from: usize, bytes: usize| {
            header
                .get(from..from + bytes)
                .unwrap_or_default()
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        };
        let (body, size) = match number(0, 4) {
            0 => (8, end.saturating_sub(at)),
            1 => (16, number(8, 8)),
            size => (8, size),
        };
        let next = at.saturating_add(size);
        if header.len() < 8 || size < body || next > end {
            return Ok(false);
        }
        let Some(name) = wanted.next_if(|name| header.get(4..8) == Some(name.as_slice())) else {
            at = next;
            continue;
        };
        if wanted.peek().is_none() {
            return Ok(true);
        }
        // `meta` is a full box, which begins with a zero word, in MP4, and a plain box in QuickTime.
        let full = if name == b"meta" && number(8, 4) == 0 { 4 } else { 0 };
        (at, end) = (at + body + full, next);
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn look(bytes: &[u8]) -> bool {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        has_cover(&mut file, &(0..bytes.len() as u64)).unwrap()
    }

    fn mp4_box(name: &[u8], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes(), name, body].concat()
    }

    #[test]
    fn a_picture_is_found_in_each_kind_of_tag() {
        let flac = |kind: u8| [b"fLaC\0\0\0\x02ab", &[kind, 0, 0, 1][..], b"x\x81\0\0\0"].concat();
        assert!(look(&flac(6)) && !look(&flac(4)));
        let id3 = |name: &[u8]| {
            [b"ID3\x03\0\0\0\0\0\x40TIT2\0\0\0\x02\0\0\0a".as_slice(), name, b"\0\0\0\x01\0\0x", &[0; 90]]
                .concat()
        };
        assert!(look(&id3(b"APIC")) && !look(&id3(b"TPE1")));
        let mp4 = |name: &[u8]| {
            let meta =
                [&[0; 4][..], &mp4_box(b"hdlr", b"x"), &mp4_box(b"ilst", &mp4_box(name, b"x"))].concat();
            let moov = [mp4_box(b"trak", b""), mp4_box(b"udta", &mp4_box(b"meta", &meta))].concat();
            [mp4_box(b"ftyp", b"M4A "), mp4_box(b"moov", &moov)].concat()
        };
        assert!(look(&mp4(b"covr")) && !look(&mp4(b"trkn")));
        assert!(look(b"OggS..metadata_block_picture=AAAA") && !look(b"OggS..TITLE=x"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_searched_in_bounds(
            head in prop::sample::select(vec![&b"fLaC"[..], b"ID3\x03\0\0\0\0\x01\0", b"\0\0\0\x08ftyp", b"OggS"]),
            rest in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            look(&[head, &rest].concat());
        }
    }
}
