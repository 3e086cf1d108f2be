//! A buffer over the part of a file that was read last.

use std::{
    fs::File,
    io::{ErrorKind, Read, Result, Seek, SeekFrom},
};

/// The bytes of the last read.
#[derive(Debug)]
pub(super) struct ReadBuffer {
    at: u64,
    bytes: Vec<u8>,
    /// Bytes of one read at least.
    read_bytes: usize,
}

impl ReadBuffer {
    pub(super) fn new(read_bytes: usize) -> Self {
        Self { at: 0, bytes: Vec::new(), read_bytes }
    }

    /// Returns `count` bytes of `file` from `at` on. Allocates `count` bytes if that is more than a read's, so the caller
    /// bounds it.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before that.
    pub(super) fn get(&mut self, file: &mut File, at: u64, count: usize) -> Result<&[u8]> {
        let buffered = at
            .checked_sub(self.at)
            .and_then(|from| usize::try_from(from).ok())
            .filter(|from| from.checked_add(count).is_some_and(|end| end <= self.bytes.len()));
        let from = match buffered {
            Some(from) => from,
            None => {
                self.fill(file, at, count.max(self.read_bytes))?;
                0
            }
        };
        self.bytes.get(from..from + count).ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }

    fn fill(&mut self, file: &mut File, at: u64, count: usize) -> Result<()> {
        self.bytes.clear();
        self.at = at;
        self.bytes.reserve_exact(count);
        file.seek(SeekFrom::Start(at))?;
        file.take(count as u64).read_to_end(&mut self.bytes)?;
        Ok(())
    }
}
