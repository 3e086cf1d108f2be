//! A forgiving reader of ID3 tags, for files that a strict one rejects.
//!
//! Sources: id3v2.2, id3v2.3.0, id3v2.4.0-structure, id3v2.4.0-frames; ID3v1.1.

use std::{fs::File, io::Result};

use super::{
    layout::{id3v2_bytes, read_at},
    tag_text::from_windows_1252,
};

/// Greatest number of ID3 frames that are read, which bounds the time for a damaged tag.
const MAX_FRAMES: u32 = 256;
/// Longest text, in bytes. The rest is cut off.
const MAX_TEXT: usize = 4096;

/// The texts of a tag that the library shows. Empty if absent or not readable.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Id3Texts {
    pub(super) title: String,
    pub(super) artist: String,
    pub(super) album: String,
    pub(super) track: String,
    pub(super) album_artist: String,
    pub(super) genre: String,
    pub(super) date: String,
    pub(super) disc: String,
    pub(super) compilation: String,
}

impl Id3Texts {
    /// Reads the ID3v2 tag at the beginning of `file`. Takes texts that it lacks from the ID3v1 tag at the end. Skips ID3
    /// frames that it cannot read.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn read(file: &mut File) -> Result<Self> {
        let mut texts = Self::default();
        let head = read_at(file, 0, 10)?;
        if let Some(bytes) = id3v2_bytes(&head) {
            texts.read_frames(file, &head, bytes)?;
        }
        let length = file.metadata()?.len();
        texts.add_id3v1(&read_at(file, length.saturating_sub(128), 128)?);
        Ok(texts)
    }

    /// Reads the frames of the ID3v2 tag of `bytes` bytes with the header `head`.
    fn read_frames(&mut self, file: &mut File, head: &[u8], bytes: u64) -> Result<()> {
        let version = head[3];
        let is_unsynchronised = head[5] & 0x80 != 0;
        let name_bytes = if version == 2 { 3 } else { 4 };
        let header_bytes = if version == 2 { 6 } else { 10 };
        let mut at = 10;
        if version >= 3 && head[5] & 0x40 != 0 {
            let size = read_at(file, at, 4)?;
            let size = size.first_chunk().map_or(0, |size| u32::from_be_bytes(*size));
            // The size of the extended header counts itself in version 2.4 only.
            at += u64::from(size.min(1 << 16)) + if version == 3 { 4 } else { 0 };
        }
        for _ in 0..MAX_FRAMES {
            let header = read_at(file, at, header_bytes)?;
            let is_frame = header.len() == header_bytes
                && header[..name_bytes].iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
            if !is_frame || at >= bytes {
                break;
            }
            let size = self.frame_size(file, &header, version, at)?;
            let body_at = at + header_bytes as u64;
            if let Some(text) = self.text_of(&header[..name_bytes]) {
                let is_empty = text.is_empty();
                let mut body = read_at(file, body_at, MAX_TEXT.min(size as usize))?;
                if is_unsynchronised {
                    body = without_unsynchronisation(&body);
                }
                if is_empty && let Some(text) = self.text_of(&header[..name_bytes]) {
                    *text = decode(&body);
                }
            }
            at = body_at + size;
        }
        Ok(())
    }

    /// Size of an ID3 frame's body, in bytes. Some programs write the plain sizes of version 2.3 into tags of version 2.4. So a
    /// size counts as plain if another ID3 frame follows at that distance, and as synchsafe otherwise.
    fn frame_size(&self, file: &mut File, header: &[u8], version: u8, at: u64) -> Result<u64> {
        if version == 2 {
            return Ok(header[3..6].iter().fold(0, |size, byte| size << 8 | u64::from(*byte)));
        }
        let plain = header[4..8].iter().fold(0, |size, byte| size << 8 | u64::from(*byte));
        let synchsafe = header[4..8].iter().fold(0, |size, byte| size << 7 | u64::from(byte & 127));
        if version == 3 || plain < 128 {
            return Ok(plain);
        }
        let next = read_at(file, at + 10 + plain, 4)?;
        let is_plain = next.len() == 4 && next.iter().all(u8::is_ascii_uppercase);
        Ok(if is_plain { plain } else { synchsafe })
    }

    /// The text that a frame of this name holds.
    fn text_of(&mut self, name: &[u8]) -> Option<&mut String> {
        match name {
            b"TIT2" | b"TT2" => Some(&mut self.title),
            b"TPE1" | b"TP1" => Some(&mut self.artist),
            b"TALB" | b"TAL" => Some(&mut self.album),
            b"TRCK" | b"TRK" => Some(&mut self.track),
            b"TPE2" | b"TP2" => Some(&mut self.album_artist),
            b"TCON" | b"TCO" => Some(&mut self.genre),
            b"TDRC" | b"TYER" | b"TYE" => Some(&mut self.date),
            b"TPOS" | b"TPA" => Some(&mut self.disc),
            b"TCMP" | b"TCP" => Some(&mut self.compilation),
            _ => None,
        }
    }

    fn add_id3v1(&mut self, tag: &[u8]) {
        if tag.len() != 128 || !tag.starts_with(b"TAG") {
            return;
        }
        let field = |from: usize, bytes: usize| windows_1252(&tag[from..from + bytes]);
        let add = |text: &mut String, value: String| {
            if text.is_empty() {
                *text = value;
            }
        };
        add(&mut self.title, field(3, 30));
        add(&mut self.artist, field(33, 30));
        add(&mut self.album, field(63, 30));
        add(&mut self.date, field(93, 4));
        if tag[125] == 0 && tag[126] != 0 {
            add(&mut self.track, tag[126].to_string());
        }
    }
}

/// Decodes the body of a text frame: an encoding byte and a text. Reads up to the first zero.
fn decode(body: &[u8]) -> String {
    let Some((encoding, text)) = body.split_first() else { return String::new() };
    match (encoding, text) {
        (0, text) => windows_1252(text),
        (1 | 2, [0xff, 0xfe, text @ ..]) => utf16(text, u16::from_le_bytes),
        (1 | 2, [0xfe, 0xff, text @ ..]) => utf16(text, u16::from_be_bytes),
        // There is no byte order mark. In little-endian UTF-16, the second byte of an ASCII letter is zero.
        (1, text) if text.get(1) == Some(&0) => utf16(text, u16::from_le_bytes),
        (1 | 2, text) => utf16(text, u16::from_be_bytes),
        (3, text) => String::from_utf8_lossy(up_to_zero(text)).into_owned(),
        // An unknown encoding, or none at all.
        (encoding, text) => {
            let all = if encoding.is_ascii_graphic() { body } else { text };
            match std::str::from_utf8(up_to_zero(all)) {
                Ok(text) => text.to_owned(),
                Err(_) => windows_1252(all),
            }
        }
    }
}

fn up_to_zero(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Decodes UTF-16 up to the first zero; an odd byte at the end is dropped.
fn utf16(text: &[u8], number: fn([u8; 2]) -> u16) -> String {
    let units = text.chunks_exact(2).map(|pair| number([pair[0], pair[1]])).take_while(|unit| *unit != 0);
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// Decodes a text that is declared as Latin-1. Programs write Windows-1252 in its place, which has more characters.
fn windows_1252(text: &[u8]) -> String {
    up_to_zero(text).iter().map(|byte| from_windows_1252(char::from(*byte))).collect()
}

/// Undoes the unsynchronisation scheme: a zero behind 0xff is dropped.
fn without_unsynchronisation(bytes: &[u8]) -> Vec<u8> {
    let mut previous = 0;
    let is_kept = |byte: &&u8| {
        let is_stuffing = previous == 0xff && **byte == 0;
        previous = **byte;
        !is_stuffing
    };
    bytes.iter().filter(is_kept).copied().collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Id3Texts {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Id3Texts::read(&mut file).unwrap()
    }

    /// A tag of version 2.3 or 2.4 with these frames.
    fn tag(version: u8, frames: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let frame = |(name, body): &(&[u8; 4], &[u8])| {
            let size = (body.len() as u32).to_be_bytes();
            [&name[..], &size, &[0, 0], body].concat()
        };
        let body = frames.iter().map(frame).collect::<Vec<_>>().concat();
        let size = [(body.len() >> 7) as u8, (body.len() & 127) as u8];
        [b"ID3".as_slice(), &[version, 0, 0, 0, 0], &size, &body, &[0; 200]].concat()
    }

    #[test]
    fn readable_texts_survive_damaged_frames() {
        let odd = [b"\x01\xff\xfe".as_slice(), b"o\0d\0d\0\0"].concat();
        assert_eq!(read(&tag(3, &[(b"TIT2", &odd)])).title, "odd");
        let texts = read(&tag(3, &[(b"TIT2", b"\0before"), (b"COMM", b"\x01en"), (b"TPE1", b"\0After")]));
        assert_eq!((texts.title.as_str(), texts.artist.as_str()), ("before", "After"));
        for (body, title) in [
            (&b"\x01a\0b\0"[..], "ab"),
            (b"\x02\0a\0b", "ab"),
            (b"\x03caf\xc3\xa9\0junk", "caf\u{e9}"),
            (b"\0caf\xe9 \x80", "caf\u{e9} \u{20ac}"),
            (b"\x07plain", "plain"),
            (b"plain", "plain"),
            (b"\x01\xff\xfe", ""),
            (b"", ""),
        ] {
            assert_eq!(read(&tag(4, &[(b"TIT2", body)])).title, title, "{body:?}");
        }
        let mut id3v1 = [b"TAG".as_slice(), &[0; 125]].concat();
        id3v1[3..6].copy_from_slice(b"Old");
        id3v1[126] = 7;
        let texts = read(&[&[0; 300][..], &id3v1].concat());
        assert_eq!((texts.title.as_str(), texts.track.as_str()), ("Old", "7"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_tag_gives_bounded_texts(version in 0u8..6, flags in any::<u8>(), rest in prop::collection::vec(any::<u8>(), 0..400)) {
            let bytes = [b"ID3".as_slice(), &[version, 0, flags, 0, 0, 3, 0], b"TIT2", &rest].concat();
            let texts = read(&bytes);
            prop_assert!(texts.title.len() <= 4 * MAX_TEXT);
        }
    }
}
