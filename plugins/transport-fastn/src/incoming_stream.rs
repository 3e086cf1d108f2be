//! The opening lines of a stream that a peer opened, in either dialect.

use std::time::Duration;

use bytes::Bytes;
use media_plugin_sdk::transport::{Incoming, SendStream, Stream};
use tokio::time::timeout;

use crate::{
    line_reader::{BadLine, LineError, LineReader},
    stream::{Receiver, Sender},
    wire::{self, Header, code},
};

/// A stream whose opening is being read.
pub(crate) struct Opening {
    pub(crate) send: Sender,
    pub(crate) reader: LineReader,
    /// The first line, when it has been read already.
    pub(crate) header: Option<Header>,
}

/// Why an opening is not taken.
pub(crate) enum Fault {
    /// Nothing was answered yet, so there is room for a line that tells why.
    BeforeAck(&'static str),
    AfterAck,
    /// The stream or the connection is gone.
    Gone,
}

/// What the peer wants, or `None` when nothing is left to do: it pinged, or it was turned away.
pub(crate) async fn read(mut opening: Opening, limit: Duration) -> Option<Incoming> {
    let exchange = timeout(limit, exchange(&mut opening)).await;
    let Opening { mut send, mut reader, .. } = opening;
    match exchange {
        Ok(Ok(Some((protocol, data)))) => {
            let stream = Stream { send: Box::new(send), recv: Box::new(Receiver::acked(reader)) };
            return Some(Incoming { protocol, data, stream });
        }
        Ok(Ok(None)) => drop(send.finish()),
        Ok(Err(Fault::BeforeAck(why))) => {
            let _ = timeout(limit, refuse(&mut send, why)).await;
            reader.stop(code::PROTOCOL);
        }
        Ok(Err(Fault::AfterAck | Fault::Gone)) => {
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

/// Ends a stream with an error line in the place of the ack.
pub(crate) async fn refuse(send: &mut Sender, why: &'static str) {
    let _ = send.write(wire::error_line(why).into()).await;
    let _ = send.finish();
}

async fn exchange(opening: &mut Opening) -> Result<Option<(String, String)>, Fault> {
    let Opening { send, reader, header } = opening;
    let header = match header.take() {
        Some(header) => header,
        None => read_header(reader).await?,
    };
    if header == Header::Handshake {
        return Err(Fault::BeforeAck("unexpected_handshake"));
    }
    if header == Header::Ping {
        send.hurry();
    }
    send.write(Bytes::from_static(wire::ACK_LINE)).await.map_err(|_| Fault::Gone)?;
    match header {
        Header::Ping | Header::Handshake => {
            send.write(Bytes::from_static(wire::PONG_LINE)).await.map_err(|_| Fault::Gone)?;
            Ok(None)
        }
        Header::Session => {
            let line = reader.line().await.map_err(|_| Fault::AfterAck)?;
            wire::parse_request(&line).map(Some).ok_or(Fault::AfterAck)
        }
        Header::Legacy(protocol) => {
            let input = reader.line().await.map_err(|_| Fault::AfterAck)?;
            if wire::is_json(&input) { Ok(Some((protocol, input))) } else { Err(Fault::AfterAck) }
        }
    }
}

/// The first line of a stream.
pub(crate) async fn read_header(reader: &mut LineReader) -> Result<Header, Fault> {
    let line = reader.line().await.map_err(|e| fault(&e))?;
    Header::parse(&line).ok_or(Fault::BeforeAck("bad_header"))
}

fn fault(error: &LineError) -> Fault {
    match error {
        LineError::Bad(bad) => Fault::BeforeAck(name(*bad)),
        LineError::Ended => Fault::BeforeAck("bad_header"),
        LineError::Read(_) => Fault::Gone,
    }
}

pub(crate) fn name(bad: BadLine) -> &'static str {
    match bad {
        BadLine::TooLong => "line_too_long",
        BadLine::NotUtf8 => "not_utf8",
    }
}
