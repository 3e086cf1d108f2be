//! Both halves of a stream after its opening lines.

use bytes::Bytes;
use iroh::endpoint::SendStream as QuicSend;
use media_plugin_sdk::transport::{BoxFuture, RecvStream, Result, SendStream, TransportError};
use tokio::runtime::Handle;

use crate::{
    error,
    line_reader::LineReader,
    wire::{self, code},
};

/// Sending half.
///
/// Dropping it unfinished resets the stream, unlike a dropped stream of iroh, which counts as finished. If
/// the peer stops reading after the finish, the stream is reset too. Otherwise QUIC would continue to send
/// and retransmit everything that was written.
pub(crate) struct Sender {
    /// `None` only while it is dropped.
    quic: Option<QuicSend>,
    finished: bool,
    /// Error code of the reset on drop.
    drop_code: u32,
}

impl Sender {
    /// QUIC priority of a short answer. It leaves before all data at the default priority, 0.
    const ANSWER_PRIORITY: i32 = 1;

    pub(crate) fn new(quic: QuicSend) -> Self {
        Self { quic: Some(quic), finished: false, drop_code: code::DONE }
    }

    /// Raises the priority of a short message that the peer waits for.
    pub(crate) fn prioritize(&self) {
        // Fails if the stream is already closed.
        let _ = self.quic.as_ref().map(|quic| quic.set_priority(Self::ANSWER_PRIORITY));
    }

    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let Some(quic) = &mut self.quic else { return Ok(()) };
        quic.write_chunk(bytes).await.map_err(|e| error::write(&e))
    }

    /// Resets the stream with an error code.
    pub(crate) fn abort(mut self, code: u32) {
        self.drop_code = code;
    }

    /// Waits until the peer has acknowledged everything, has stopped reading, or is lost.
    pub(crate) async fn delivered(&self) {
        if let Some(quic) = &self.quic {
            let _ = quic.stopped().await;
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let Some(mut quic) = self.quic.take() else { return };
        if !self.finished {
            let _ = quic.reset(self.drop_code.into());
        } else if let Ok(runtime) = Handle::try_current() {
            // `stopped` resolves once the peer has acknowledged everything, has stopped reading, or is lost.
            runtime.spawn(async move {
                if let Ok(Some(code)) = quic.stopped().await {
                    let _ = quic.reset(code);
                }
            });
        }
    }
}

impl SendStream for Sender {
    fn send(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write(bytes))
    }

    fn finish(&mut self) -> Result<()> {
        let finished = self.quic.as_mut().is_some_and(|quic| quic.finish().is_ok());
        self.finished |= finished;
        let already = || TransportError::Closed("cannot finish: the stream is already finished".into());
        if finished { Ok(()) } else { Err(already()) }
    }
}

/// Receiving half. On the side that opened the stream, the first `recv` takes off the peer's ack, so that
/// opening a stream costs no round trip.
pub(crate) struct Receiver {
    reader: LineReader,
    /// `None` until the ack has come. An error is kept, because QUIC reports a regular end on a second read
    /// after an abort.
    state: Option<Result<()>>,
}

impl Receiver {
    /// Creates the half of a stream that the peer opened.
    pub(crate) fn acked(reader: LineReader) -> Self {
        Self { reader, state: Some(Ok(())) }
    }

    /// Creates the half of a stream that this side opened.
    pub(crate) fn awaiting_ack(reader: LineReader) -> Self {
        Self { reader, state: None }
    }
}

/// Reads the peer's ack. Cancel-safe.
pub(crate) async fn read_ack(reader: &mut LineReader) -> Result<()> {
    let line = reader.line().await.map_err(|e| error::line(&e, "the peer's ack"))?;
    if line == wire::ACK {
        return Ok(());
    }
    Err(TransportError::Protocol(format!(
        "the peer answered `{}` in place of an ack",
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
