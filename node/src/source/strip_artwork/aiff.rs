//! AIFF ("Audio Interchange File Format", 1989): its ID3 tags are given a name that nobody knows.

use std::{
    fs::File,
    io::{Result, Seek, SeekFrom},
};

use super::{Part, SHORT, bytes};

/// More of them, and the rest stays as it is.
const MAX_CHUNKS: u32 = 256;

/// See [`super::parts`]; `file` stands behind the marker.
pub(super) fn parts(file: &mut File, start: u64) -> Result<Option<Vec<Part>>> {
    let length = file.metadata()?.len();
    let [_, _, _, _, form @ ..] = bytes::<8>(file)?;
    if !matches!(&form, b"AIFF" | b"AIFC") {
        return Ok(None);
    }
    let (mut parts, mut done, mut at) = (Vec::new(), start, start + 12);
    for _ in 0..MAX_CHUNKS {
        if at + 8 > length {
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        let name = bytes::<4>(file)?;
        let size = u64::from(u32::from_be_bytes(bytes(file)?));
        if name == *b"ID3 " && size > SHORT {
            parts.extend([Part::File(done..at), Part::Bytes(b"JUNK".to_vec())]);
            done = at + 4;
        }
        at += 8 + size.next_multiple_of(2);
    }
    parts.push(Part::File(done..length));
    Ok((parts.len() > 1).then_some(parts))
}
