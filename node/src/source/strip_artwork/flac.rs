//! Stripped artwork in FLAC (RFC 9639, section 8): only the metadata blocks that describe the audio stay, if the others have
//! more than 16 KiB.

use std::{
    fs::File,
    io::{Read, Result, Seek, SeekFrom},
    ops::Range,
};

use super::{
    head::{MAX_HEAD, SHORT, read_array, read_vec},
    spliced_file::Part,
};

const STREAM_INFO: u8 = 0;
const SEEK_TABLE: u8 = 3;
/// A block type that does not exist (RFC 9639, section 8.1).
const FORBIDDEN: u8 = 127;
const LAST: u8 = 0x80;
/// Greatest number of metadata blocks that are read, which bounds the time for a damaged file.
const MAX_BLOCKS: u32 = 1024;

/// Parts of the view on the container in `range`; `None` if the view is the container itself. `file` must stand behind the
/// marker `fLaC` at the beginning of `range`.
pub(super) fn parts(file: &mut File, range: &Range<u64>) -> Result<Option<Vec<Part>>> {
    let mut head = b"fLaC".to_vec();
    let mut at = range.start + 4;
    // Position in `head` of the last kept block, which gets the mark of the last block.
    let mut last = None;
    let mut removed_bytes = 0;
    for _ in 0..MAX_BLOCKS {
        let [kind, size @ ..] = read_array::<4>(file)?;
        let size = size.iter().fold(0, |size, byte| size << 8 | u64::from(*byte));
        at += 4 + size;
        if kind & !LAST == FORBIDDEN {
            return Ok(None);
        }
        let is_wanted = matches!(kind & !LAST, STREAM_INFO | SEEK_TABLE);
        if is_wanted && head.len() as u64 + size <= MAX_HEAD {
            last = Some(head.len());
            head.push(kind & !LAST);
            head.extend(&size.to_be_bytes()[5..]);
            head.extend(read_vec(&mut file.take(size), size)?);
        } else {
            removed_bytes += size;
            file.seek(SeekFrom::Start(at))?;
        }
        if kind & LAST != 0 {
            let Some(last) = last else { return Ok(None) };
            head[last] |= LAST;
            let is_long = removed_bytes > SHORT && at < range.end;
            return Ok(is_long.then(|| vec![Part::Bytes(head), Part::File(at..range.end)]));
        }
    }
    Ok(None)
}
