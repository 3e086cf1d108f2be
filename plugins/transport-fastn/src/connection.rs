//! Connection to a peer after the handshake.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use iroh::endpoint::Connection as QuicConnection;
use media_plugin_sdk::transport::{
    BoxFuture, Connection, Incoming, Path, PathKind, Result, SendStream, Stream, TransportError, Welcome,
};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, mpsc},
    task::{AbortHandle, JoinSet},
    time::sleep,
};

use crate::{
    error, id52,
    incoming_stream::IncomingStream,
    line_reader::LineReader,
    path,
    stream::{self, Receiver, Sender},
    wire::{self, code},
};

/// Capacity of the queue of opened streams before `accept`. Further opened streams wait in tasks of their
/// own, as many as the option `max_streams_per_peer` permits.
const MAX_PENDING_STREAMS: usize = 16;

/// Receive buffer limit over all streams of an admitted peer, in bytes; [`FastnConnection::ping`] adds one
/// byte per call. Tested by `a_peer_can_fill_the_window_of_a_connection_and_no_more`.
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;

/// Interval at which a ping checks for its answer. A peer may delay that by 25 ms (RFC 9000, section 18.2,
/// `max_ack_delay`).
const PING_POLL: Duration = Duration::from_millis(20);

/// Aborts a task when its owner is dropped.
pub(crate) struct AbortOnDrop(pub(crate) AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Results of the handshake that a connection keeps.
#[derive(Default)]
pub(crate) struct Agreement {
    /// Slot among the `max_peers` of this node. `None` for a dialled connection.
    pub(crate) _peer_slot: Option<OwnedSemaphorePermit>,
    /// The node's data about an accepted peer.
    pub(crate) grant: Option<Arc<dyn Any + Send + Sync>>,
    /// Facts that a dialled peer told.
    pub(crate) welcome: Welcome,
}

pub(crate) struct FastnConnection {
    quic: QuicConnection,
    agreement: Agreement,
    /// Number of pings sent.
    pings: AtomicU32,
    incoming: Mutex<mpsc::Receiver<Incoming>>,
    /// Task that accepts the peer's streams. It holds a reference to the connection, so it must end with this
    /// handle.
    _accept_loop: AbortOnDrop,
}

impl FastnConnection {
    /// Starts to accept streams. `limit` is the timeout of a stream's opening lines; `first` is a stream
    /// already opened.
    pub(crate) fn start(
        quic: QuicConnection,
        limit: Duration,
        agreement: Agreement,
        first: Option<IncomingStream>,
    ) -> Arc<Self> {
        quic.set_receive_window(CONNECTION_WINDOW.into());
        let (ready, incoming) = mpsc::channel(MAX_PENDING_STREAMS);
        let accept_loop = tokio::spawn(accept_loop(quic.clone(), limit, first, ready));
        Arc::new(Self {
            quic,
            agreement,
            pings: AtomicU32::new(0),
            incoming: Mutex::new(incoming),
            _accept_loop: AbortOnDrop(accept_loop.abort_handle()),
        })
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.quic.close_reason().is_none()
    }
}

/// Accepts streams until the connection ends. Each request is read in a task of its own, so that a slow one
/// delays no other.
async fn accept_loop(
    quic: QuicConnection,
    limit: Duration,
    first: Option<IncomingStream>,
    ready: mpsc::Sender<Incoming>,
) {
    let mut requests = JoinSet::new();
    let read = |requests: &mut JoinSet<()>, stream: IncomingStream| {
        let ready = ready.clone();
        requests.spawn(async move {
            if let Some(incoming) = stream.read_request(limit).await {
                // Fails if the connection's handle was dropped. The stream is dropped as well then.
                let _ = ready.send(incoming).await;
            }
        });
    };
    if let Some(stream) = first {
        read(&mut requests, stream);
    }
    loop {
        tokio::select! {
            accepted = quic.accept_bi() => {
                let Ok((send, recv)) = accepted else { return };
                let send = Sender::new(send);
                let reader = LineReader::new(recv);
                read(&mut requests, IncomingStream { send, reader, header: None });
            }
            Some(_) = requests.join_next() => {}
        }
    }
}

impl Connection for FastnConnection {
    fn peer(&self) -> String {
        id52::encode(&self.quic.remote_id())
    }

    fn grant(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.agreement.grant.clone()
    }

    fn welcome(&self) -> Welcome {
        self.agreement.welcome.clone()
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

    /// Permits the peer to send one byte more. Every peer acknowledges the QUIC frame for that (MAX_DATA),
    /// and the frame wakes no task above QUIC. The wire's `"Ping"` on a stream costs the peer a third more.
    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let before = path::received(&self.quic);
            let pings = self.pings.fetch_add(1, Ordering::Relaxed) + 1;
            self.quic.set_receive_window(CONNECTION_WINDOW.saturating_add(pings).into());
            loop {
                tokio::select! {
                    ended = self.quic.closed() => return Err(error::lost(&ended)),
                    () = sleep(PING_POLL) => {
                        // A smaller count is of another path. The peer has confirmed that path, so it is
                        // alive as well.
                        let now = path::received(&self.quic);
                        if now.is_some() && now != before { return Ok(()) }
                    }
                }
            }
        })
    }

    /// Sends the wire's own `"Ping"` on a stream.
    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let (send, recv) = self.quic.open_bi().await.map_err(|e| error::lost(&e))?;
            let mut send = Sender::new(send);
            let mut reader = LineReader::new(recv);
            send.prioritize();
            send.write(Bytes::from_static(wire::PING_LINE)).await?;
            send.finish()?;
            stream::read_ack(&mut reader).await?;
            match reader.line().await.map_err(|e| error::line(&e, "the peer's pong"))? {
                line if line == wire::PONG => Ok(()),
                _ => Err(TransportError::Protocol("the peer did not answer a ping with `pong`".into())),
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
