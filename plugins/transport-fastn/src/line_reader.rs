//! Lines of limited length, read from a stream of bytes.

use bytes::{Buf, Bytes, BytesMut};
use iroh::endpoint::{ReadError, RecvStream};

/// Length limit of a line, in bytes with its line feed. A longer line violates the protocol. Tested by `a_line_is_bounded`.
pub(crate) const MAX_LINE: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadLine {
    TooLong,
    NotUtf8,
}

/// Collects received bytes until a line is complete. Holds one line at most, and the piece that completed it.
#[derive(Default)]
pub(crate) struct LineBuffer {
    bytes: BytesMut,
    /// Number of bytes at the front without a line feed.
    scanned: usize,
}

impl LineBuffer {
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// Returns the next line without its line feed, `None` if it is not complete yet.
    pub(crate) fn line(&mut self) -> Result<Option<String>, BadLine> {
        let Some(found) = self.bytes[self.scanned..].iter().position(|&byte| byte == b'\n') else {
            self.scanned = self.bytes.len();
            return if self.scanned >= MAX_LINE { Err(BadLine::TooLong) } else { Ok(None) };
        };
        let end = self.scanned + found;
        if end >= MAX_LINE {
            return Err(BadLine::TooLong);
        }
        let line = self.bytes.split_to(end);
        self.bytes.advance(1);
        self.scanned = 0;
        String::from_utf8(line.into()).map(Some).map_err(|_| BadLine::NotUtf8)
    }

    /// Takes the bytes after the last line.
    pub(crate) fn take_rest(&mut self) -> Bytes {
        self.scanned = 0;
        self.bytes.split().freeze()
    }
}

#[derive(Debug)]
pub(crate) enum LineError {
    Bad(BadLine),
    /// The peer finished the stream before the end of the line.
    Ended,
    Read(ReadError),
}

/// Reads lines from the head of a stream, and bytes after them.
pub(crate) struct LineReader {
    recv: RecvStream,
    buffer: LineBuffer,
    /// Bytes received together with the last line, not yet returned.
    rest: Bytes,
}

impl LineReader {
    pub(crate) fn new(recv: RecvStream) -> Self {
        Self { recv, buffer: LineBuffer::default(), rest: Bytes::new() }
    }

    /// Reads the next line. Cancel-safe.
    pub(crate) async fn line(&mut self) -> Result<String, LineError> {
        loop {
            if let Some(line) = self.buffer.line().map_err(LineError::Bad)? {
                return Ok(line);
            }
            match self.recv.read_chunk(MAX_LINE).await.map_err(LineError::Read)? {
                Some(piece) => self.buffer.push(&piece),
                None => return Err(LineError::Ended),
            }
        }
    }

    /// Asks the peer to stop sending, with an error code.
    pub(crate) fn stop(&mut self, code: u32) {
        let _ = self.recv.stop(code.into());
    }

    /// Returns up to `max` of the bytes after the lines, `None` at the end of the stream. Cancel-safe.
    pub(crate) async fn piece(&mut self, max: usize) -> Result<Option<Bytes>, ReadError> {
        if self.rest.is_empty() {
            self.rest = self.buffer.take_rest();
        }
        if self.rest.is_empty() {
            return self.recv.read_chunk(max).await;
        }
        Ok(Some(self.rest.split_to(self.rest.len().min(max))))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BadLine, LineBuffer, MAX_LINE};

    fn read(pieces: &[Vec<u8>]) -> Result<(Vec<String>, Vec<u8>), BadLine> {
        let mut buffer = LineBuffer::default();
        let mut lines = Vec::new();
        for piece in pieces {
            buffer.push(piece);
            while let Some(line) = buffer.line()? {
                lines.push(line);
            }
        }
        Ok((lines, buffer.take_rest().to_vec()))
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_they_arrive(
            lines in prop::collection::vec("[^\n]{0,40}", 0..8),
            rest in "[^\n]{0,40}",
            sizes in prop::collection::vec(1..20_usize, 1..40),
        ) {
            let bytes: Vec<u8> = lines.iter().flat_map(|l| format!("{l}\n").into_bytes()).chain(rest.bytes()).collect();
            let mut pieces = Vec::new();
            let mut left = bytes.as_slice();
            for size in sizes.iter().cycle() {
                if left.is_empty() { break }
                let (piece, after) = left.split_at((*size).min(left.len()));
                pieces.push(piece.to_vec());
                left = after;
            }
            prop_assert_eq!(read(&pieces), Ok((lines, rest.into_bytes())));
        }

        #[test]
        fn any_bytes_are_read_or_refused(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)) {
            let all: Vec<u8> = pieces.concat();
            match read(&pieces) {
                Ok((lines, rest)) => {
                    let mut again: Vec<u8> = lines.iter().flat_map(|l| format!("{l}\n").into_bytes()).collect();
                    again.extend(rest);
                    prop_assert_eq!(again, all);
                }
                Err(why) => prop_assert_eq!(why, BadLine::NotUtf8),
            }
        }
    }

    #[test]
    fn a_line_is_bounded() {
        let mut line = vec![b'x'; MAX_LINE - 1];
        line.push(b'\n');
        assert_eq!(read(&[line]).unwrap().0[0].len(), MAX_LINE - 1);
        assert_eq!(read(&[vec![b'x'; MAX_LINE]]), Err(BadLine::TooLong));
        let mut line = vec![b'x'; MAX_LINE];
        line.push(b'\n');
        assert_eq!(read(&[line]), Err(BadLine::TooLong));
    }
}
