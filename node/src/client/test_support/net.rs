//! A network on time that the test owns, with a node behind it that answers pings or does not, and requests never.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use media_plugin_sdk::transport::{
    BoxFuture, Connection, Endpoint, Incoming, Path, PathKind, PeerAddress, RecvStream, Result, SendStream,
    Stream, TransportError,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::client::NodeLink;

/// What an answer to a ping brings, in bytes.
const PONG: u64 = 40;

/// See the module.
pub(crate) struct Net {
    /// How often the network broke; a connection works until the next time.
    pub(crate) breaks: watch::Sender<u64>,
    /// Connections are not made.
    pub(crate) silent: watch::Sender<bool>,
    pub(crate) pings: AtomicU64,
    pub(crate) dials: AtomicU64,
    /// What the path says of itself.
    pub(crate) rtt_ms: AtomicU64,
    pub(crate) pong_after_ms: AtomicU64,
    /// So many pings are lost.
    pub(crate) swallows: AtomicU64,
    /// What comes apart from answers to pings, since the beginning.
    pub(crate) bytes_per_ms: AtomicU64,
    /// The node has the same address after a break.
    pub(crate) stays: AtomicBool,
    /// What becomes of the next attempts to connect.
    pub(crate) fates: Mutex<VecDeque<Fate>>,
    pongs: AtomicU64,
    born: Instant,
}

/// Of an attempt to connect.
pub(crate) enum Fate {
    Succeeds(Duration),
    Closes(Duration),
}

impl Default for Net {
    fn default() -> Self {
        Self {
            breaks: watch::Sender::new(0),
            silent: watch::Sender::new(false),
            pings: AtomicU64::new(0),
            dials: AtomicU64::new(0),
            rtt_ms: AtomicU64::new(50),
            pong_after_ms: AtomicU64::new(0),
            swallows: AtomicU64::new(0),
            bytes_per_ms: AtomicU64::new(0),
            stays: AtomicBool::new(false),
            fates: Mutex::default(),
            pongs: AtomicU64::new(0),
            born: Instant::now(),
        }
    }
}

impl Net {
    /// A way to the node.
    pub(crate) fn link(self: &Arc<Self>) -> Arc<NodeLink> {
        let peer = PeerAddress { id: String::new(), addresses: Vec::new() };
        Arc::new(NodeLink::new(Arc::new(FakeEndpoint(Arc::clone(self))), peer, None))
    }
}

struct FakeEndpoint(Arc<Net>);

impl Endpoint for FakeEndpoint {
    fn address(&self) -> PeerAddress {
        PeerAddress { id: String::new(), addresses: Vec::new() }
    }

    fn connect<'a>(
        &'a self,
        _: &'a PeerAddress,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        Box::pin(async {
            self.0.dials.fetch_add(1, Ordering::Relaxed);
            // What was sent into the silence is lost.
            if *self.0.silent.borrow() {
                sleep(Duration::from_secs(10)).await;
                return Err(TransportError::Unreachable("no answer".into()));
            }
            let fate = self.0.fates.lock().unwrap().pop_front();
            match fate {
                Some(Fate::Closes(after)) => {
                    sleep(after).await;
                    return Err(TransportError::Closed("while it greets".into()));
                }
                Some(Fate::Succeeds(after)) => sleep(after).await,
                None => {}
            }
            let made_after = *self.0.breaks.borrow();
            Ok(Arc::new(FakeConnection { net: Arc::clone(&self.0), made_after }) as Arc<dyn Connection>)
        })
    }

    fn accept(&self) -> BoxFuture<'_, Option<Arc<dyn Connection>>> {
        Box::pin(async { None })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

struct FakeConnection {
    net: Arc<Net>,
    made_after: u64,
}

impl Connection for FakeConnection {
    fn peer(&self) -> String {
        String::new()
    }

    fn path(&self) -> Path {
        let rtt = Some(Duration::from_millis(self.net.rtt_ms.load(Ordering::Relaxed)));
        let place = if self.net.stays.load(Ordering::Relaxed) { 0 } else { self.made_after };
        Path { kind: PathKind::Direct, remote: place.to_string(), rtt, least_rtt: None, loss: None }
    }

    fn received(&self) -> Option<u64> {
        let millis = u64::try_from(self.net.born.elapsed().as_millis()).ok()?;
        let pongs = self.net.pongs.load(Ordering::Relaxed);
        Some(PONG * pongs + millis * self.net.bytes_per_ms.load(Ordering::Relaxed))
    }

    fn open<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Stream>> {
        Box::pin(async { Ok(Stream { send: Box::new(Unanswered), recv: Box::new(Unanswered) }) })
    }

    fn accept(&self) -> BoxFuture<'_, Option<Incoming>> {
        Box::pin(async { None })
    }

    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            self.net.pings.fetch_add(1, Ordering::Relaxed);
            let less = |left: u64| left.checked_sub(1);
            let lost = self.net.swallows.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
            if lost || *self.net.breaks.borrow() > self.made_after {
                std::future::pending::<()>().await;
            }
            sleep(Duration::from_millis(self.net.pong_after_ms.load(Ordering::Relaxed))).await;
            self.net.pongs.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    }

    fn closed(&self) -> BoxFuture<'_, String> {
        Box::pin(std::future::pending())
    }

    fn close(&self, _: &str) {}
}

/// A stream on which nothing comes.
struct Unanswered;

impl SendStream for Unanswered {
    fn send(&mut self, _: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

impl RecvStream for Unanswered {
    fn recv(&mut self, _: usize) -> BoxFuture<'_, Result<Option<Bytes>>> {
        Box::pin(std::future::pending())
    }
}
