use std::{
    fs::File,
    io::{ErrorKind, Read, Result, Seek, SeekFrom},
};

/// The part of a file that was read last.
#[derive(Debug)]
pub(super) struct Piece {
    at: u64,
    bytes: Vec<u8>,
    /// How much is read at once, in bytes.
    most: usize,
}

impl Piece {
    pub(super) fn new(most: usize) -> Self {
        Self { at: 0, bytes: Vec::new(), most }
    }

    /// So many bytes of `file` from `at` on. Holds on to as many, if they are more than `most`: the caller bounds them.
    ///
    /// # Errors
    /// `UnexpectedEof` where the file ends before that.
    pub(super) fn get(&mut self, file: &mut File, at: u64, bytes: usize) -> Result<&[u8]> {
        let held = at.checked_sub(self.at).and_then(|from| usize::try_from(from).ok());
        let is_held =
            held.and_then(|from| from.checked_add(bytes)).is_some_and(|end| end <= self.bytes.len());
        if !is_held {
            self.read(file, at, bytes.max(self.most))?;
        }
        let from = if is_held { held.unwrap_or(0) } else { 0 };
        self.bytes.get(from..from + bytes).ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }

    fn read(&mut self, file: &mut File, at: u64, bytes: usize) -> Result<()> {
        self.bytes.clear();
        self.at = at;
        self.bytes.reserve_exact(bytes);
        file.seek(SeekFrom::Start(at))?;
        file.take(bytes as u64).read_to_end(&mut self.bytes)?;
        Ok(())
    }
}
