//! A reader with a bound for the bytes that are read through it.

use std::io::{Error, Read, Result, Seek, SeekFrom};

/// Fails once more than its bound was read. Bytes that a seek skips do not count.
pub(super) struct BoundedRead<R> {
    inner: R,
    left: u64,
}

impl<R> BoundedRead<R> {
    pub(super) fn new(inner: R, bound: u64) -> Self {
        Self { inner, left: bound }
    }
}

impl<R: Read> Read for BoundedRead<R> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        let bytes = self.inner.read(out)?;
        self.left =
            self.left.checked_sub(bytes as u64).ok_or_else(|| Error::other("too many bytes are read"))?;
        Ok(bytes)
    }
}

impl<R: Seek> Seek for BoundedRead<R> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.inner.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn only_bytes_that_are_read_count() {
        let mut reader = BoundedRead::new(Cursor::new(vec![7; 100]), 10);
        reader.seek(SeekFrom::Start(50)).unwrap();
        assert_eq!(reader.read(&mut [0; 10]).unwrap(), 10);
        reader.seek(SeekFrom::End(0)).unwrap();
        assert_eq!(reader.read(&mut [0; 10]).unwrap(), 0, "the end costs nothing");
        reader.seek(SeekFrom::Start(0)).unwrap();
        assert!(reader.read(&mut [0; 1]).is_err());
    }
}
