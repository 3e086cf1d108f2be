//! Bounds of a line, and the reader of the running process's side.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// Longest request in bytes, its end included. Tested by `a_line_that_is_too_long_ends_the_connection`.
pub(super) const MAX_REQUEST: usize = 64 * 1024;
/// Longest reply in bytes, its end included: the status of a node with 65535 peers has about 20 MB.
pub(super) const MAX_REPLY: u64 = 64 * 1024 * 1024;

/// Reads a line without its end. Returns `None` at the end of the stream.
///
/// # Errors
/// `InvalidData` for a line over [`MAX_REQUEST`], `UnexpectedEof` for one without an end, and errors of the stream.
pub(super) async fn next_line(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    loop {
        let available = reader.fill_buf().await?;
        if available.is_empty() {
            return if line.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(available.len(), |end| end + 1);
        if line.len() + taken > MAX_REQUEST {
            let message = format!("the request is longer than {MAX_REQUEST} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        line.extend_from_slice(&available[..taken]);
        reader.consume(taken);
        if end.is_some() {
            line.pop();
            return Ok(Some(line));
        }
    }
}
