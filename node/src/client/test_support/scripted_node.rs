//! A node that answers each request with the next bytes of a script, and then with nothing.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use media_plugin_sdk::transport::{
    BoxFuture, Connection, Endpoint, Incoming, Path, PathKind, PeerAddress, RecvStream, Result, SendStream,
    Stream,
};

use crate::client::NodeLink;

pub(crate) struct ScriptedNode {
    answers: Mutex<VecDeque<Bytes>>,
    requests: Mutex<Vec<(String, String)>>,
    /// Time before each piece of an answer.
    gap: Duration,
}

impl ScriptedNode {
    pub(crate) fn new(answers: &[&[u8]]) -> Arc<Self> {
        Self::slow(answers, Duration::ZERO)
    }

    /// A node that waits before each seven bytes.
    pub(crate) fn slow(answers: &[&[u8]], gap: Duration) -> Arc<Self> {
        let answers = answers.iter().map(|answer| Bytes::copy_from_slice(answer)).collect();
        Arc::new(Self { answers: Mutex::new(answers), requests: Mutex::default(), gap })
    }

    /// Protocol and data of each request.
    pub(crate) fn requests(&self) -> Vec<(String, String)> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits for the first request.
    pub(crate) async fn first_request(&self) -> (String, String) {
        loop {
            if let Some(request) = self.requests().first() {
                return request.clone();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) fn link(self: &Arc<Self>) -> Arc<NodeLink> {
        let peer = PeerAddress { id: "node".into(), addresses: Vec::new() };
        Arc::new(NodeLink::new(Arc::new(ScriptedEndpoint(Arc::clone(self))), peer, None))
    }
}

struct ScriptedEndpoint(Arc<ScriptedNode>);

impl Endpoint for ScriptedEndpoint {
    fn address(&self) -> PeerAddress {
        PeerAddress { id: "client".into(), addresses: Vec::new() }
    }

    fn connect<'a>(
        &'a self,
        _: &'a PeerAddress,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        Box::pin(async { Ok(Arc::new(ScriptedConnection(Arc::clone(&self.0))) as Arc<dyn Connection>) })
    }

    fn accept(&self) -> BoxFuture<'_, Option<Arc<dyn Connection>>> {
        Box::pin(async { None })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

struct ScriptedConnection(Arc<ScriptedNode>);

impl Connection for ScriptedConnection {
    fn peer(&self) -> String {
        "node".into()
    }

    fn path(&self) -> Path {
        let rtt = Some(Duration::from_millis(50));
        Path { kind: PathKind::Direct, remote: String::new(), rtt, min_rtt: None, loss: None }
    }

    fn open<'a>(&'a self, protocol: &'a str, data: &'a str) -> BoxFuture<'a, Result<Stream>> {
        Box::pin(async move {
            self.0.requests.lock().unwrap().push((protocol.into(), data.into()));
            let answer = self.0.answers.lock().unwrap().pop_front();
            let gap = self.0.gap;
            let recv =
                Box::new(Answer { is_silent: answer.is_none(), rest: answer.unwrap_or_default(), gap });
            Ok(Stream { send: Box::new(Ignored), recv })
        })
    }

    fn accept(&self) -> BoxFuture<'_, Option<Incoming>> {
        Box::pin(async { None })
    }

    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn closed(&self) -> BoxFuture<'_, String> {
        Box::pin(std::future::pending())
    }

    fn close(&self, _: &str) {}
}

struct Ignored;

impl SendStream for Ignored {
    fn send(&mut self, _: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Sends its bytes in pieces of seven, and then its end.
struct Answer {
    is_silent: bool,
    rest: Bytes,
    gap: Duration,
}

impl RecvStream for Answer {
    fn recv(&mut self, max: usize) -> BoxFuture<'_, Result<Option<Bytes>>> {
        Box::pin(async move {
            if self.is_silent {
                std::future::pending::<()>().await;
            }
            if !self.gap.is_zero() {
                tokio::time::sleep(self.gap).await;
            }
            let piece = self.rest.split_to(self.rest.len().min(max).min(7));
            Ok((!piece.is_empty()).then_some(piece))
        })
    }
}
