//! The two halves of a stream, after its opening.

use bytes::Bytes;
use iroh::endpoint::SendStream as QuicSend;
use media_plugin_sdk::transport::{BoxFuture, RecvStream, Result, SendStream, TransportError};

use tokio::runtime::Handle;

use crate::{
    error,
    line_reader::LineReader,
    wire::{self, code},
};

/// Sends, and resets the stream when it is dropped unfinished: QUIC's own drop would finish it. A peer that stops reading
/// after the end resets it too: else QUIC would go on to send, and to send again, all that was written.
pub(crate) struct Sender {
    /// Taken when this is dropped.
    quic: Option<QuicSend>,
    finished: bool,
    on_drop: u32,
}

impl Sender {
    /// Before what is sent at the usual priority, 0, however much of that waits.
    const FIRST: i32 = 1;

    pub(crate) fn new(quic: QuicSend) -> Self {
        Self { quic: Some(quic), finished: false, on_drop: code::DONE }
    }

    /// For a few bytes that somebody waits for.
    pub(crate) fn hurry(&self) {
        // Fails when the stream is closed already.
        let _ = self.quic.as_ref().map(|quic| quic.set_priority(Self::FIRST));
    }

    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let Some(quic) = &mut self.quic else { return Ok(()) };
        quic.write_chunk(bytes).await.map_err(|e| error::write(&e))
    }

    /// Aborts the stream with a code that tells why.
    pub(crate) fn abort(mut self, code: u32) {
        self.on_drop = code;
    }

    /// Waits until the peer has everything or has gone.
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
            let _ = quic.reset(self.on_drop.into());
        } else if let Ok(runtime) = Handle::try_current() {
            // Ends once the peer has everything, has stopped, or has gone.
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
