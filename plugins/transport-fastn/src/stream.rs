//! The two halves of a stream, after its opening.

use bytes::Bytes;
use iroh::endpoint::SendStream as QuicSend;
use media_plugin_sdk::transport::{BoxFuture, RecvStream, Result, SendStream, TransportError};

use crate::{
    error,
    lines::LineReader,
    wire::{self, code},
};

/// Sends, and resets the stream when it is dropped unfinished: QUIC's own drop would finish it.
pub(crate) struct Sender {
    quic: QuicSend,
    finished: bool,
    on_drop: u32,
}

impl Sender {
    pub(crate) fn new(quic: QuicSend) -> Self {
        Self { quic, finished: false, on_drop: code::DONE }
    }

    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.quic.write_chunk(bytes).await.map_err(|e| error::write(&e))
    }

    /// Aborts the stream with a code that tells why.
    pub(crate) fn abort(mut self, code: u32) {
        self.on_drop = code;
    }

    /// Waits until the peer has everything or has gone.
    pub(crate) async fn delivered(&self) {
        let _ = self.quic.stopped().await;
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if !self.finished {
            let _ = self.quic.reset(self.on_drop.into());
        }
    }
}

impl SendStream for Sender {
    fn send(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write(bytes))
    }

    fn finish(&mut self) -> Result<()> {
        self.quic
            .finish()
            .map_err(|_| TransportError::Closed("cannot finish: the stream is already finished".into()))?;
        self.finished = true;
        Ok(())
    }
}

/// Receives. On the side that opened the stream the peer's ack comes first and is taken off here, so that opening costs no
/// round trip.
pub(crate) struct Receiver {
    reader: LineReader,
    /// `None` while the ack is awaited. An error stays: QUIC, asked again after an abort, would report a regular end.
    state: Option<Result<()>>,
}

impl Receiver {
    /// On the side that the stream was opened to.
    pub(crate) fn acked(reader: LineReader) -> Self {
        Self { reader, state: Some(Ok(())) }
    }

    /// On the side that opened it.
    pub(crate) fn awaiting_ack(reader: LineReader) -> Self {
        Self { reader, state: None }
    }
}

/// Cancel-safe.
pub(crate) async fn read_ack(reader: &mut LineReader) -> Result<()> {
    let line = reader.line().await.map_err(|e| error::line(&e, "the peer's ack"))?;
    if line == wire::ACK {
        return Ok(());
    }
    Err(TransportError::Protocol(format!(
        "the peer answered `{}` where an ack belongs",
        error::printable(&line)
    )))
}

impl RecvStream for Receiver {
    fn recv(&mut self, max: usize) -> BoxFuture<'_, Result<Option<Bytes>>> {
        Box::pin(async move {
            if self.state.is_none() {
                self.state = Some(read_ack(&mut self.reader).await);
            }
            if let Some(Err(e)) = &self.state {
                return Err(e.clone());
            }
            let piece = self.reader.piece(max).await.map_err(|e| error::read(&e));
            if let Err(e) = &piece {
                self.state = Some(Err(e.clone()));
            }
            piece
        })
    }
}
