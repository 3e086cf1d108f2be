//! The asking command's side: one request, one reply, blocking.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use serde_json::Value;

use super::{
    lines::MAX_REPLY,
    message::{ControlError, Reply, Request},
};

/// Time for the reply: longer than the process takes to report that it does not answer.
const REPLY_TIMEOUT: Duration = Duration::from_secs(40);

/// Sends a request to the process that listens at `socket`, and returns the result.
///
/// # Errors
/// [`ControlError::NotRunning`] if no process listens there, and the others of [`ControlError`].
pub fn request(socket: &Path, request: &Request) -> Result<Value, ControlError> {
    let mut stream = UnixStream::connect(socket).map_err(|error| match error.kind() {
        // No process can listen at a path that is too long for a socket (`InvalidInput`).
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::InvalidInput => {
            ControlError::NotRunning
        }
        _ => ControlError::Io(error),
    })?;
    stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
    stream.set_write_timeout(Some(REPLY_TIMEOUT))?;
    let mut line = serde_json::to_vec(request).map_err(io::Error::from)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut reply = Vec::new();
    BufReader::new(stream.take(MAX_REPLY)).read_until(b'\n', &mut reply)?;
    match serde_json::from_slice(&reply).map_err(|_| ControlError::BadReply)? {
        Reply::Ok(result) => Ok(result),
        Reply::Error { code, message } => Err(ControlError::Refused { code, message }),
    }
}
