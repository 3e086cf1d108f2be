//! A connection after its handshake.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use iroh::endpoint::Connection as QuicConnection;
use media_plugin_sdk::transport::{
    BoxFuture, Connection, Incoming, Path, PathKind, Result, SendStream, Stream, TransportError,
};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, mpsc},
    task::{AbortHandle, JoinSet},
    time::sleep,
};

use crate::{
    error, id52,
    incoming_stream::{self as opening, Opening},
    line_reader::LineReader,
    path,
    stream::{self, Receiver, Sender},
    wire::{self, code},
};

/// Opened streams that wait for `accept`; more wait in their opening, of which QUIC bounds the number.
const WAITING: usize = 16;

/// What an admitted peer can make us hold on all its streams, in bytes; a byte more for every time it was pinged.
const WINDOW: u32 = 8 * 1024 * 1024;

/// Between two looks for the answer to a ping, which a peer may hold back for 25 ms (RFC 9000, section 13.2.1).
const LOOK: Duration = Duration::from_millis(20);

/// Ends the task with its owner.
pub(crate) struct Task(pub(crate) AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(crate) struct FastnConnection {
    quic: QuicConnection,
    /// How often the peer was pinged.
    pings: AtomicU32,
    incoming: Mutex<mpsc::Receiver<Incoming>>,
    /// Reads the openings of the peer's streams. It holds the connection, so it ends with this handle.
    _openings: Task,
    /// The place among the peers that this node lets in at once.
    _place: Option<OwnedSemaphorePermit>,
}

impl FastnConnection {
    /// Starts to read what the peer opens. `limit` bounds the time of each opening, `first` is one already begun.
    pub(crate) fn start(
        quic: QuicConnection,
        limit: Duration,
        place: Option<OwnedSemaphorePermit>,
        first: Option<Opening>,
    ) -> Arc<Self> {
        quic.set_receive_window(WINDOW.into());
        let (ready, incoming) = mpsc::channel(WAITING);
        let openings = tokio::spawn(read_openings(quic.clone(), limit, first, ready));
        let _openings = Task(openings.abort_handle());
        let (pings, incoming) = (AtomicU32::new(0), Mutex::new(incoming));
        Arc::new(Self { quic, pings, incoming, _openings, _place: place })
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.quic.close_reason().is_none()
    }
}

/// Openings run beside each other, so a slow one holds up nobody.
async fn read_openings(
    quic: QuicConnection,
    limit: Duration,
    first: Option<Opening>,
    ready: mpsc::Sender<Incoming>,
) {
    let mut openings = JoinSet::new();
    let begin = |openings: &mut JoinSet<()>, opening| {
        let ready = ready.clone();
        openings.spawn(async move {
            if let Some(incoming) = opening::read(opening, limit).await {
                // Fails when the connection's handle is gone, and the stream ends with it.
                let _ = ready.send(incoming).await;
            }
        });
    };
    if let Some(opening) = first {
        begin(&mut openings, opening);
    }
    loop {
        tokio::select! {
            accepted = quic.accept_bi() => {
                let Ok((send, recv)) = accepted else { return };
                let (send, reader) = (Sender::new(send), LineReader::new(recv));
                begin(&mut openings, Opening { send, reader, header: None });
            }
            Some(_) = openings.join_next() => {}
        }
    }
}

impl Connection for FastnConnection {
    fn peer(&self) -> String {
        id52::encode(&self.quic.remote_id())
    }

    fn path(&self) -> Path {
        path::of(&self.quic)
    }

    fn path_kind(&self) -> PathKind {
        path::kind_of(&self.quic)
    }

    fn received(&self) -> Option<u64> {
        path::received(&self.quic)
    }

    fn open<'a>(&'a self, protocol: &'a str, data: &'a str) -> BoxFuture<'a, Result<Stream>> {
        Box::pin(async move {
            let lines = wire::session_lines(protocol, data)?;
            let (send, recv) = self.quic.open_bi().await.map_err(|e| error::lost(&e))?;
            let mut send = Sender::new(send);
            send.write(lines.into()).await?;
            let recv = Receiver::awaiting_ack(LineReader::new(recv));
            Ok(Stream { send: Box::new(send), recv: Box::new(recv) })
        })
    }

    fn accept(&self) -> BoxFuture<'_, Option<Incoming>> {
        Box::pin(async move {
            let next = self.incoming.lock().await.recv().await;
            next.filter(|_| self.is_alive())
        })
    }

    /// Adds a byte to what the peer may send. QUIC's frame for that has to be acknowledged like any, by every peer, and wakes
    /// nobody above QUIC: a stream's `"Ping"` costs the peer a third more.
    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let before = path::received(&self.quic);
            let pings = self.pings.fetch_add(1, Ordering::Relaxed) + 1;
            self.quic.set_receive_window(WINDOW.saturating_add(pings).into());
            loop {
                tokio::select! {
                    ended = self.quic.closed() => return Err(error::lost(&ended)),
                    () = sleep(LOOK) => {
                        // Less than before is of another path, which the peer had to agree to.
                        let now = path::received(&self.quic);
                        if now.is_some() && now != before { return Ok(()) }
                    }
                }
            }
        })
    }

    /// The wire's own ping, on a stream.
    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let (send, recv) = self.quic.open_bi().await.map_err(|e| error::lost(&e))?;
            let (mut send, mut reader) = (Sender::new(send), LineReader::new(recv));
            send.hurry();
            send.write(Bytes::from_static(wire::PING_LINE)).await?;
            send.finish()?;
            stream::read_ack(&mut reader).await?;
            match reader.line().await.map_err(|e| error::line(&e, "the peer's pong"))? {
                line if line == wire::PONG => Ok(()),
                _ => Err(TransportError::Protocol("the peer did not answer a ping with a pong".into())),
            }
        })
    }

    fn closed(&self) -> BoxFuture<'_, String> {
        Box::pin(async move { error::reason(&self.quic.closed().await) })
    }

    fn close(&self, reason: &str) {
        self.quic.close(code::DONE.into(), reason.as_bytes());
    }
}
