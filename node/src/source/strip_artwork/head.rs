//! Limits for heads of files, and exact reads from them.

use std::io::{Error, ErrorKind, Read, Result};

/// Greatest size of metadata, in bytes, that stays in the view. Longer metadata is removed.
pub(super) const SHORT: u64 = 16 * 1024;
/// Greatest size, in bytes, of the head that takes the place of the file's. It holds a seek table or codebooks.
pub(super) const MAX_HEAD: u64 = 1 << 20;

/// Reads `N` bytes.
pub(super) fn read_array<const N: usize>(file: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Reads `count` bytes. Allocates memory only for bytes that the file has; the caller must still bound `count`.
pub(super) fn read_vec(file: &mut impl Read, count: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(count).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == count { Ok(bytes) } else { Err(Error::from(ErrorKind::UnexpectedEof)) }
}
