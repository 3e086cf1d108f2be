//! FLAC (RFC 9639, section 8): of its blocks before the sound, those that describe it.

use std::{
    fs::File,
    io::{Read, Result, Seek, SeekFrom},
};

use super::{MAX_HEAD, Part, SHORT, bytes, some};

const STREAM_INFO: u8 = 0;
const SEEK_TABLE: u8 = 3;
/// No block is of this type.
const FORBIDDEN: u8 = 127;
const LAST: u8 = 0x80;
/// More of them are no head.
const MAX_BLOCKS: u32 = 1024;

/// See [`super::parts`]; `file` stands behind the marker.
pub(super) fn parts(file: &mut File, start: u64) -> Result<Option<Vec<Part>>> {
    let mut head = b"fLaC".to_vec();
    let (mut at, mut last, mut others) = (start + 4, None, 0);
    for _ in 0..MAX_BLOCKS {
        let [kind, size @ ..] = bytes::<4>(file)?;
        let size = size.iter().fold(0, |size, it| size << 8 | u64::from(*it));
        at += 4 + size;
        if kind & !LAST == FORBIDDEN {
            return Ok(None);
        }
        let is_wanted = matches!(kind & !LAST, STREAM_INFO | SEEK_TABLE);
        if is_wanted && head.len() as u64 + size <= MAX_HEAD {
            last = Some(head.len());
            head.push(kind & !LAST);
            head.extend(&size.to_be_bytes()[5..]);
            head.extend(some(&mut file.take(size), size)?);
        } else {
            others += size;
            file.seek(SeekFrom::Start(at))?;
        }
        if kind & LAST != 0 {
            let (Some(last), length) = (last, file.metadata()?.len()) else { return Ok(None) };
            head[last] |= LAST;
            let is_long = others > SHORT && at < length;
            return Ok(is_long.then(|| vec![Part::Bytes(head), Part::File(at..length)]));
        }
    }
    Ok(None)
}
