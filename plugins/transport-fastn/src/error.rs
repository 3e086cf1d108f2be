//! Errors of QUIC as errors of the transport, in one line each.

use std::time::Duration;

use iroh::endpoint::{
    ConnectError, ConnectWithOptsError, ConnectingError, ConnectionError, ReadError, TransportErrorCode,
    WriteError,
};
use media_plugin_sdk::transport::TransportError;

use crate::{
    line_reader::{BadLine, LineError, MAX_LINE},
    wire::code,
};

/// Retry delay after a node refused a connection because too many handshakes are in progress. A node
/// completes hundreds of them in a second.
const BUSY_RETRY: Duration = Duration::from_millis(500);
/// TLS alert `no_application_protocol` (RFC 7301, section 3.2).
const NO_ALPN: u8 = 120;
/// Longest text of a peer in an error message, in characters.
const MAX_PEER_TEXT: usize = 200;

/// Describes why a connection ended.
pub(crate) fn reason(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ApplicationClosed(close) if close.reason.is_empty() => "closed by the peer".into(),
        ConnectionError::ApplicationClosed(close) => {
            format!("closed by the peer: {}", printable(&String::from_utf8_lossy(&close.reason)))
        }
        ConnectionError::LocallyClosed => "closed by this node".into(),
        ConnectionError::TimedOut => "the peer no longer answers".into(),
        other => printable(&other.to_string()),
    }
}

/// Error of a dial. `addresses` describes the addresses tried.
pub(crate) fn connect(error: &ConnectError, peer: &str, addresses: &str) -> TransportError {
    let quic = match error {
        ConnectError::Connection { source, .. } => Some(source),
        ConnectError::Connecting { source: ConnectingError::ConnectionError { source, .. }, .. } => {
            Some(source)
        }
        _ => None,
    };
    match quic {
        Some(ConnectionError::ConnectionClosed(close))
            if close.error_code == TransportErrorCode::CONNECTION_REFUSED =>
        {
            TransportError::refused(TransportError::FULL, Some(BUSY_RETRY))
        }
        Some(ConnectionError::ConnectionClosed(close))
            if close.error_code == TransportErrorCode::crypto(NO_ALPN) =>
        {
            TransportError::Protocol(format!("{peer} answers at {addresses}, but is not a fastn node"))
        }
        Some(ConnectionError::TransportError(e)) => unreachable(
            peer,
            addresses,
            &format!("another node answers there ({})", printable(&e.to_string())),
        ),
        Some(ConnectionError::TimedOut) => unreachable(peer, addresses, "no answer"),
        Some(other) => unreachable(peer, addresses, &reason(other)),
        None => match error {
            ConnectError::Connect { source: ConnectWithOptsError::SelfConnect { .. }, .. } => {
                unreachable(peer, addresses, "this is the node's own identity")
            }
            ConnectError::Connect { source: ConnectWithOptsError::NoAddress { .. }, .. } => {
                unreachable(peer, addresses, "no address is known, and the lookup found none")
            }
            other => unreachable(peer, addresses, &printable(&format!("{other:#}"))),
        },
    }
}

pub(crate) fn unreachable(peer: &str, addresses: &str, why: &str) -> TransportError {
    TransportError::Unreachable(format!("cannot reach {peer} by {addresses}: {why}"))
}

pub(crate) fn lost(error: &ConnectionError) -> TransportError {
    TransportError::Closed(format!("the connection ended: {}", reason(error)))
}

pub(crate) fn write(error: &WriteError) -> TransportError {
    match error {
        WriteError::ConnectionLost(e) => lost(e),
        WriteError::Stopped(code) => TransportError::Closed(format!(
            "cannot send: the peer stopped reading: {}",
            code::describe(code.into_inner())
        )),
        _ => TransportError::Closed("cannot send: the stream is already finished".into()),
    }
}

pub(crate) fn read(error: &ReadError) -> TransportError {
    match error {
        ReadError::ConnectionLost(e) => lost(e),
        ReadError::Reset(code) => TransportError::Closed(format!(
            "cannot receive: the peer aborted the stream: {}",
            code::describe(code.into_inner())
        )),
        _ => TransportError::Closed("cannot receive: the stream is closed".into()),
    }
}

/// Error of reading `line`, such as "the peer's ack".
pub(crate) fn line(error: &LineError, line: &str) -> TransportError {
    match error {
        LineError::Read(e) => read(e),
        LineError::Ended => TransportError::Protocol(format!("the stream ended before {line}")),
        LineError::Bad(BadLine::TooLong) => {
            TransportError::Protocol(format!("{line} is longer than {MAX_LINE} bytes"))
        }
        LineError::Bad(BadLine::NotUtf8) => TransportError::Protocol(format!("{line} is not UTF-8")),
    }
}

/// Text of a peer, made fit for one line of a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_PEER_TEXT).collect()
}
