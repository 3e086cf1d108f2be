//! A network on virtual time, with a node that answers pings or does not, and never answers requests.

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

/// Bytes of an answer to a ping.
const PONG: u64 = 40;

/// The network. Tests set its fields.
pub(crate) struct Net {
    /// Number of breaks. A connection works until the next break.
    pub(crate) breaks: watch::Sender<u64>,
    /// True if attempts to connect get no answer.
    pub(crate) silent: watch::Sender<bool>,
    pub(crate) pings: AtomicU64,
    pub(crate) dials: AtomicU64,
    /// Round trip that the path reports.
    pub(crate) rtt_ms: AtomicU64,
    pub(crate) pong_after_ms: AtomicU64,
    /// Number of the next pings that are lost.
    pub(crate) swallows: AtomicU64,
    /// Received bytes per millisecond beside the answers to pings.
    pub(crate) bytes_per_ms: AtomicU64,
    /// True if the node has the same address after a break.
    pub(crate) stays: AtomicBool,
    /// Results of the next attempts to connect.
    pub(crate) fates: Mutex<VecDeque<Fate>>,
    /// Reasons of closed connections.
    pub(crate) goodbyes: Mutex<Vec<String>>,
    pub(crate) closed_endpoints: AtomicU64,
    pongs: AtomicU64,
    born: Instant,
}

/// Result of an attempt to connect, after a time.
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
            goodbyes: Mutex::default(),
            closed_endpoints: AtomicU64::new(0),
            pongs: AtomicU64::new(0),
            born: Instant::now(),
        }
    }
}

impl Net {
    /// An endpoint of this network.
    pub(crate) fn endpoint(self: &Arc<Self>) -> Arc<dyn Endpoint> {
        Arc::new(FakeEndpoint(Arc::clone(self)))
    }

    /// A link to the node.
    pub(crate) fn link(self: &Arc<Self>) -> Arc<NodeLink> {
        let peer = PeerAddress { id: String::new(), addresses: Vec::new() };
        Arc::new(NodeLink::new(self.endpoint(), peer, None))
    }
}

struct FakeEndpoint(Arc<Net>);

impl Endpoint for FakeEndpoint {
    fn address(&self) -> PeerAddress {
        PeerAddress { id: "client".into(), addresses: Vec::new() }
    }

    fn connect<'a>(
        &'a self,
        _: &'a PeerAddress,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        Box::pin(async {
            self.0.dials.fetch_add(1, Ordering::Relaxed);
            // The handshake is lost.
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
        self.0.closed_endpoints.fetch_add(1, Ordering::Relaxed);
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
        Path { kind: PathKind::Direct, remote: place.to_string(), rtt, min_rtt: None, loss: None }
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
            let one_less = |left: u64| left.checked_sub(1);
            let lost = self.net.swallows.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok();
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

    fn close(&self, reason: &str) {
        self.net.goodbyes.lock().unwrap().push(reason.into());
    }
}

/// A stream without an answer.
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
