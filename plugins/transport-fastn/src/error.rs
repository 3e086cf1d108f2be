//! What went wrong, in one line, from what QUIC reports.

use iroh::endpoint::{ConnectionError, ReadError, WriteError};
use media_plugin_sdk::transport::TransportError;

use crate::{
    line_reader::{BadLine, LineError, MAX_LINE},
    wire::code,
};

/// Why a connection ended, in words.
pub(crate) fn reason(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ApplicationClosed(close) if close.reason.is_empty() => "closed by the peer".into(),
        ConnectionError::ApplicationClosed(close) => {
            format!("closed by the peer: {}", printable(&String::from_utf8_lossy(&close.reason)))
        }
        ConnectionError::LocallyClosed => "closed here".into(),
        ConnectionError::TimedOut => "the peer fell silent".into(),
        other => printable(&other.to_string()),
    }
}

pub(crate) fn lost(error: &ConnectionError) -> TransportError {
    TransportError::Closed(format!("the connection ended: {}", reason(error)))
}

pub(crate) fn write(error: &WriteError) -> TransportError {
    match error {
        WriteError::ConnectionLost(e) => lost(e),
        WriteError::Stopped(why) => TransportError::Closed(format!(
            "cannot send: the peer stopped reading: {}",
            code::describe(why.into_inner())
        )),
        _ => TransportError::Closed("cannot send: the stream is already finished".into()),
    }
}

pub(crate) fn read(error: &ReadError) -> TransportError {
    match error {
        ReadError::ConnectionLost(e) => lost(e),
        ReadError::Reset(why) => TransportError::Closed(format!(
            "the peer aborted the stream: {}",
            code::describe(why.into_inner())
        )),
        _ => TransportError::Closed("the stream is closed".into()),
    }
}

pub(crate) fn line(error: &LineError, what: &str) -> TransportError {
    match error {
        LineError::Read(e) => read(e),
        LineError::Ended => TransportError::Protocol(format!("the stream ended before {what}")),
        LineError::Bad(BadLine::TooLong) => {
            TransportError::Protocol(format!("{what} is longer than {MAX_LINE} bytes"))
        }
        LineError::Bad(BadLine::NotUtf8) => TransportError::Protocol(format!("{what} is not UTF-8")),
    }
}

/// A peer's words, fit for one line of a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
