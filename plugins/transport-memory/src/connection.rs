use std::{
    any::Any,
    sync::{Arc, Weak},
};

use media_plugin_sdk::transport::{
    Admission, BoxFuture, Connection, Incoming, Path, PathKind, Result, Stream, TransportError, Welcome,
};
use tokio::sync::{Mutex, mpsc};

use crate::{
    link::{DROPPED, Link, Side},
    stream,
};

/// Limit of opened but not yet accepted streams, per connection and direction. At the limit `open` waits. Tested by
/// `opening_waits_while_256_streams_are_not_accepted`.
const MAX_PENDING_STREAMS: usize = 256;
/// Length limit of a protocol name, in bytes. Tested by `bounds_what_opens_a_stream`.
const MAX_PROTOCOL: usize = 256;
/// Length limit of the JSON value that opens a stream, in bytes. Tested by `bounds_what_opens_a_stream`.
const MAX_DATA: usize = 64 * 1024;

/// One end of a connection.
pub(crate) struct MemoryConnection {
    peer: String,
    /// Its `grant` belongs to the accepting end, its `welcome` to the dialling end; the other one is empty.
    admission: Admission,
    near: Arc<Side>,
    /// Weak, so that neither side's handle keeps the other side open.
    far: Weak<Side>,
    outgoing: mpsc::Sender<Incoming>,
    incoming: Mutex<mpsc::Receiver<Incoming>>,
}

/// Creates both ends of a connection between the identities `near` and `far`, the dialling end first. `admission` is
/// that of the dialling end.
pub(crate) fn pair(
    near: &str,
    far: &str,
    admission: Admission,
) -> (Arc<MemoryConnection>, Arc<MemoryConnection>) {
    let link = Link::new();
    let near_side = Side::new(link.clone());
    let far_side = Side::new(link);
    let (to_far, from_near) = mpsc::channel(MAX_PENDING_STREAMS);
    let (to_near, from_far) = mpsc::channel(MAX_PENDING_STREAMS);
    let Admission { grant, welcome } = admission;
    let dialled = Admission { grant: None, welcome: welcome.bounded() };
    let accepted = Admission { grant, ..Admission::default() };
    let end = |peer: &str, admission, near: &Arc<Side>, far: &Arc<Side>, outgoing, incoming| {
        Arc::new(MemoryConnection {
            peer: peer.to_owned(),
            admission,
            near: near.clone(),
            far: Arc::downgrade(far),
            outgoing,
            incoming: Mutex::new(incoming),
        })
    };
    (
        end(far, dialled, &near_side, &far_side, to_far, from_far),
        end(near, accepted, &far_side, &near_side, to_near, from_near),
    )
}

impl MemoryConnection {
    pub(crate) fn link(&self) -> &Arc<Link> {
        self.near.link()
    }
}

impl Connection for MemoryConnection {
    fn peer(&self) -> String {
        self.peer.clone()
    }

    fn grant(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.admission.grant.clone()
    }

    fn welcome(&self) -> Welcome {
        self.admission.welcome.clone()
    }

    fn path(&self) -> Path {
        Path { kind: PathKind::Memory, remote: String::new(), rtt: None, min_rtt: None, loss: None }
    }

    fn open<'a>(&'a self, protocol: &'a str, data: &'a str) -> BoxFuture<'a, Result<Stream>> {
        Box::pin(async move {
            check_opening(protocol, data)?;
            let Some(far) = self.far.upgrade() else { return Err(stream::lost(DROPPED)) };
            let (near, far) = stream::pair(&self.near, &far);
            let incoming = Incoming { protocol: protocol.to_owned(), data: data.to_owned(), stream: far };
            tokio::select! {
                biased;
                reason = self.link().closed() => Err(stream::lost(&reason)),
                sent = self.outgoing.send(incoming) => match sent {
                    Ok(()) => Ok(near),
                    Err(_) => Err(stream::lost(DROPPED)),
                },
            }
        })
    }

    fn accept(&self) -> BoxFuture<'_, Option<Incoming>> {
        Box::pin(async move {
            let mut incoming = self.incoming.lock().await;
            tokio::select! {
                biased;
                _ = self.link().closed() => None,
                next = incoming.recv() => next,
            }
        })
    }

    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.link().reason().map_or(Ok(()), |reason| Err(stream::lost(&reason))) })
    }

    fn closed(&self) -> BoxFuture<'_, String> {
        Box::pin(self.link().closed())
    }

    fn close(&self, reason: &str) {
        self.link().close(reason);
    }
}

fn check_opening(protocol: &str, data: &str) -> Result<()> {
    if protocol.is_empty() || protocol.len() > MAX_PROTOCOL {
        return Err(TransportError::Protocol(format!(
            "cannot open a stream: the protocol name has {} bytes; 1 to {MAX_PROTOCOL} are allowed",
            protocol.len()
        )));
    }
    if data.len() > MAX_DATA {
        return Err(TransportError::Protocol(format!(
            "cannot open a stream for `{protocol}`: its data has {} bytes; at most {MAX_DATA} are allowed",
            data.len()
        )));
    }
    serde_json::from_str::<serde_json::Value>(data).map(drop).map_err(|e| {
        TransportError::Protocol(format!("cannot open a stream for `{protocol}`: its data is not JSON: {e}"))
    })
}
