//! A buffer of the part of a file that was read last.

use std::{
    fs::File,
    io::{ErrorKind, Read, Result, Seek, SeekFrom},
};

use super::read_limits::note_read;

/// The bytes of the last read.
#[derive(Debug)]
pub(super) struct ReadBuffer {
    at: u64,
    bytes: Vec<u8>,
    /// Least size of one read, in bytes.
    read_bytes: usize,
}

impl ReadBuffer {
    pub(super) fn new(read_bytes: usize) -> Self {
        Self { at: 0, bytes: Vec::new(), read_bytes }
    }

    /// Returns up to `count` bytes of `file` from `at` on; fewer only at the end of the file.
    pub(super) fn get_some(&mut self, file: &mut File, at: u64, count: usize) -> Result<&[u8]> {
        let from = match self.buffered(at, count) {
            Some(from) => from,
            None => {
                self.fill(file, at, count.max(self.read_bytes))?;
                0
            }
        };
        Ok(&self.bytes[from..self.bytes.len().min(from + count)])
    }

    /// Returns `count` bytes of `file` from `at` on. Allocates `count` bytes if they are more than one read, so the caller must
    /// bound `count`.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before that.
    pub(super) fn get(&mut self, file: &mut File, at: u64, count: usize) -> Result<&[u8]> {
        let bytes = self.get_some(file, at, count)?;
        if bytes.len() == count { Ok(bytes) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    /// Index of the byte at `at`, if `count` bytes from there on are in the buffer.
    fn buffered(&self, at: u64, count: usize) -> Option<usize> {
        let from = usize::try_from(at.checked_sub(self.at)?).ok()?;
        (from.checked_add(count)? <= self.bytes.len()).then_some(from)
    }

    fn fill(&mut self, file: &mut File, at: u64, count: usize) -> Result<()> {
        self.bytes.clear();
        self.at = at;
        self.bytes.reserve_exact(count);
        file.seek(SeekFrom::Start(at))?;
        file.take(count as u64).read_to_end(&mut self.bytes)?;
        note_read(self.bytes.len())
    }
}
