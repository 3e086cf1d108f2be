//! A stream made of parts of a file and of other bytes.

use std::{
    fs::File,
    io::{Error, ErrorKind, Read, Result, Seek, SeekFrom},
    ops::Range,
};

use symphonia::core::io::MediaSource;

use super::super::read_limits::note_read;

/// Bytes in memory, or a range of the file.
#[derive(Debug)]
pub(super) enum Part {
    Bytes(Vec<u8>),
    File(Range<u64>),
}

impl Part {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(range) => range.end.saturating_sub(range.start),
        }
    }
}

/// A stream of several parts, one after the other.
#[derive(Debug)]
pub(in super::super) struct SplicedFile {
    file: File,
    /// Position of the file's cursor, if known.
    file_at: Option<u64>,
    parts: Vec<Part>,
    at: u64,
}

impl SplicedFile {
    pub(super) fn new(file: File, parts: Vec<Part>) -> Self {
        Self { file, file_at: None, parts, at: 0 }
    }

    fn len(&self) -> u64 {
        self.parts.iter().map(Part::len).sum()
    }
}

impl Read for SplicedFile {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        let mut within = self.at;
        for part in &self.parts {
            let left = part.len().saturating_sub(within);
            if left == 0 {
                within -= part.len();
                continue;
            }
            let wanted = out.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = match part {
                Part::Bytes(bytes) => (&bytes[within as usize..]).read(&mut out[..wanted])?,
                Part::File(range) => {
                    let from = range.start + within;
                    if self.file_at.take() != Some(from) {
                        self.file.seek(SeekFrom::Start(from))?;
                    }
                    let read = self.file.read(&mut out[..wanted])?;
                    note_read(read)?;
                    self.file_at = Some(from + read as u64);
                    read
                }
            };
            self.at += read as u64;
            return Ok(read);
        }
        Ok(0)
    }
}

impl Seek for SplicedFile {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.len().checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| Error::from(ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

impl MediaSource for SplicedFile {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.len())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn parts_read_as_one() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let parts = vec![Part::File(0..3), Part::Bytes(b"ab".into()), Part::File(5..5), Part::File(6..10)];
        let mut spliced = SplicedFile::new(file, parts);
        let whole = b"012ab6789";
        assert_eq!(spliced.byte_len(), Some(9));
        for at in 0..=whole.len() {
            let mut rest = Vec::new();
            spliced.seek(SeekFrom::Start(at as u64)).unwrap();
            spliced.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, whole[at..]);
            let mut two = [0; 2];
            spliced.seek(SeekFrom::End(at as i64 - 9)).unwrap();
            let read = spliced.read(&mut two).unwrap();
            assert!(read > 0 || at == 9);
            assert_eq!(two[..read], whole[at..at + read]);
        }
        assert_eq!(spliced.seek(SeekFrom::Current(-4)).unwrap(), 5);
        assert!(spliced.seek(SeekFrom::Current(-6)).is_err());
        spliced.seek(SeekFrom::End(5)).unwrap();
        assert_eq!(spliced.read(&mut [0]).unwrap(), 0);
    }
}
