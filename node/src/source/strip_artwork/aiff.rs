//! AIFF ("Audio Interchange File Format", 1989). The view renames ID3 chunks to `JUNK`, which readers skip.

use std::{
    fs::File,
    io::{Result, Seek, SeekFrom},
};

use super::{
    head::{SHORT, read_array},
    spliced_file::Part,
};

/// Chunks that are read at most; later ones stay as they are.
const MAX_CHUNKS: u32 = 256;

/// The parts of the view. `file` stands behind the marker at byte `start`.
pub(super) fn parts(file: &mut File, start: u64) -> Result<Option<Vec<Part>>> {
    let length = file.metadata()?.len();
    let [_, _, _, _, form @ ..] = read_array::<8>(file)?;
    if !matches!(&form, b"AIFF" | b"AIFC") {
        return Ok(None);
    }
    let mut parts = Vec::new();
    let mut done = start;
    let mut at = start + 12;
    for _ in 0..MAX_CHUNKS {
        if at + 8 > length {
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        let name = read_array::<4>(file)?;
        let size = u64::from(u32::from_be_bytes(read_array(file)?));
        if name == *b"ID3 " && size > SHORT {
            parts.extend([Part::File(done..at), Part::Bytes(b"JUNK".to_vec())]);
            done = at + 4;
        }
        at += 8 + size.next_multiple_of(2);
    }
    parts.push(Part::File(done..length));
    Ok((parts.len() > 1).then_some(parts))
}
