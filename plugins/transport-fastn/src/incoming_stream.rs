//! The opening lines of a stream that the peer opened, up to the line of its request, in the form of fastn v0.5 or of later
//! versions.

use std::time::Duration;

use bytes::Bytes;
use media_plugin_sdk::transport::{Incoming, SendStream, Stream};
use tokio::time::timeout;

use crate::{
    line_reader::{BadLine, LineError, LineReader},
    stream::{Receiver, Sender},
    wire::{self, Header, code},
};

/// A stream whose request is not read yet.
pub(crate) struct IncomingStream {
    pub(crate) send: Sender,
    pub(crate) reader: LineReader,
    /// The first line, if the handshake has read it already.
    pub(crate) header: Option<Header>,
}

/// Error of a stream's opening lines.
pub(crate) enum OpeningError {
    /// Nothing was sent yet, so an error line with this code still fits in place of the ack.
    BeforeAck(&'static str),
    AfterAck,
    /// The stream or the connection is lost.
    Gone,
}

impl IncomingStream {
    /// Reads the request within `limit`. Returns `None` if the stream needs no further work: it was a ping,
    /// or this node refused it.
    pub(crate) async fn read_request(mut self, limit: Duration) -> Option<Incoming> {
        let exchanged = timeout(limit, self.exchange()).await;
        let Self { mut send, mut reader, .. } = self;
        match exchanged {
            Ok(Ok(Some((protocol, data)))) => {
                let stream = Stream { send: Box::new(send), recv: Box::new(Receiver::acked(reader)) };
                return Some(Incoming { protocol, data, stream });
            }
            Ok(Ok(None)) => drop(send.finish()),
            Ok(Err(OpeningError::BeforeAck(code))) => {
                let _ = timeout(limit, refuse(&mut send, code)).await;
                reader.stop(code::PROTOCOL);
            }
            Ok(Err(OpeningError::AfterAck | OpeningError::Gone)) => {
                send.abort(code::PROTOCOL);
                reader.stop(code::PROTOCOL);
            }
            Err(_) => {
                send.abort(code::SLOW);
                reader.stop(code::SLOW);
            }
        }
        None
    }

    /// Exchanges the opening lines. Returns protocol and data of a request, `None` after a ping.
    async fn exchange(&mut self) -> Result<Option<(String, String)>, OpeningError> {
        let Self { send, reader, header } = self;
        let header = match header.take() {
            Some(header) => header,
            None => read_header(reader).await?,
        };
        if header == Header::Handshake {
            return Err(OpeningError::BeforeAck("unexpected_handshake"));
        }
        if header == Header::Ping {
            send.prioritize();
        }
        send.write(Bytes::from_static(wire::ACK_LINE)).await.map_err(|_| OpeningError::Gone)?;
        match header {
            Header::Ping | Header::Handshake => {
                send.write(Bytes::from_static(wire::PONG_LINE)).await.map_err(|_| OpeningError::Gone)?;
                Ok(None)
            }
            Header::Session => {
                let line = reader.line().await.map_err(|_| OpeningError::AfterAck)?;
                wire::parse_request(&line).map(Some).ok_or(OpeningError::AfterAck)
            }
            Header::Legacy(protocol) => {
                let input = reader.line().await.map_err(|_| OpeningError::AfterAck)?;
                if wire::is_json(&input) { Ok(Some((protocol, input))) } else { Err(OpeningError::AfterAck) }
            }
        }
    }
}

/// Ends a stream with an error line in place of the ack.
pub(crate) async fn refuse(send: &mut Sender, code: &'static str) {
    let _ = send.write(wire::error_line(code).into()).await;
    let _ = send.finish();
}

/// Reads the first line of a stream.
pub(crate) async fn read_header(reader: &mut LineReader) -> Result<Header, OpeningError> {
    let line = reader.line().await.map_err(|e| match e {
        LineError::Bad(bad) => OpeningError::BeforeAck(error_code(bad)),
        LineError::Ended => OpeningError::BeforeAck("bad_header"),
        LineError::Read(_) => OpeningError::Gone,
    })?;
    Header::parse(&line).ok_or(OpeningError::BeforeAck("bad_header"))
}

/// Code of a bad line on the wire.
pub(crate) fn error_code(bad: BadLine) -> &'static str {
    match bad {
        BadLine::TooLong => "line_too_long",
        BadLine::NotUtf8 => "not_utf8",
    }
}
