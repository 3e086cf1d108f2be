//! One peer's connection: the protocol's state machine, driven by what comes in.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use media_plugin_sdk::transport::{self, Connection, Incoming, Stream, TransportError};
use media_protocol::{
    Answer, ChunkRequest, ErrorCode, GetInfo, List, PathKind, Protocol, WireError, chunk,
    session::server::{RequestLimits, ServerAction, ServerInput, ServerSession},
};
use serde::Serialize;
use tokio::{
    task::{Id, JoinError, JoinSet},
    time::timeout,
};
use tracing::{Instrument as _, Span};

use super::{Node, chunk_encoder::ChunkStream, negotiate, shares::Share};
use crate::path_kind::path_kind;

/// Refusals under way beside the requests, per request that is allowed; past it the peer's next request waits.
const REFUSALS: usize = 4;

/// What is not taken within this time is given up, or at [`SLOWEST`] if that is longer. Longer than a tunnel or a short sleep of
/// the listener's machine; whoever still wants it then asks again.
const PATIENCE: Duration = Duration::from_secs(90);
/// In bytes a second, 64 kbit/s: what is too long for that in [`PATIENCE`] is lossless, which nobody can listen to any slower.
const SLOWEST: u64 = 8_000;

/// What became of a stream; an error is the transport's and ends that stream only.
type Sent = transport::Result<()>;

/// Answers until the connection ends. Each answer is a task of its own, so none waits for another.
pub(super) async fn run(node: Arc<Node>, connection: Arc<dyn Connection>) {
    let requests = node.config.max_requests_per_peer.max(1);
    let limits = RequestLimits { requests, encode_ahead: node.config.encode_ahead };
    let mut session = Session {
        machine: ServerSession::new(limits),
        streams: HashMap::new(),
        answers: JoinSet::new(),
        names: HashMap::new(),
        peer: connection.peer().into(),
        node,
        connection: connection.clone(),
    };
    let mut next = connection.accept();
    for name in 0.. {
        let incoming = loop {
            tokio::select! {
                // What is done makes room for what comes.
                biased;
                Some(done) = session.answers.join_next_with_id() => session.done(done),
                incoming = &mut next, if session.answers.len() < requests * (1 + REFUSALS) => break incoming,
            }
        };
        let Some(incoming) = incoming else { break };
        next = connection.accept();
        session.request(name, incoming);
    }
}

struct Session {
    node: Arc<Node>,
    peer: Arc<str>,
    connection: Arc<dyn Connection>,
    machine: ServerSession,
    /// Streams that the machine has not yet decided on.
    streams: HashMap<u64, Stream>,
    answers: JoinSet<Sent>,
    /// Which stream each answer is for.
    names: HashMap<Id, u64>,
}

impl Session {
    fn request(&mut self, name: u64, incoming: Incoming) {
        let Incoming { protocol, data, stream } = incoming;
        self.node.counters.request(&protocol);
        self.streams.insert(name, stream);
        self.machine.handle(ServerInput::Request { stream: name, protocol, data });
        while let Some(output) = self.machine.poll() {
            self.obey(output);
        }
    }

    fn obey(&mut self, output: ServerAction) {
        let node = self.node.clone();
        match output {
            ServerAction::EncodeAhead(request) => node.encoder.encode_ahead(request),
            ServerAction::List { stream, list } => {
                let peer = Arc::clone(&self.peer);
                self.answer(stream, |stream| send_list(node, peer, stream, list));
            }
            ServerAction::Info { stream, mut get_info } => {
                let path = self.connection.path_kind();
                if get_info.path.kind == PathKind::Unknown {
                    get_info.path.kind = path_kind(path);
                }
                let peer = Arc::clone(&self.peer);
                self.answer(stream, |stream| send_info(node, peer, stream, get_info, path));
            }
            ServerAction::Chunk { stream, request } => {
                // Here and not in the task, so that it is queued before the chunks that follow it.
                let chunk = chunk(&node, &self.peer, &request);
                let span = chunk_span(&request);
                let way = (request.rendition.codec, self.connection.path_kind());
                self.answer(stream, |stream| send_chunk(node, stream, chunk, way).instrument(span));
            }
            ServerAction::Refuse { stream, protocol, error } => {
                self.answer(stream, |stream| send_refusal(node, stream, protocol, error));
            }
        }
    }

    fn answer<F>(&mut self, name: u64, task: impl FnOnce(Stream) -> F)
    where
        F: Future<Output = Sent> + Send + 'static,
    {
        if let Some(stream) = self.streams.remove(&name) {
            let task = self.answers.spawn(task(stream).in_current_span());
            self.names.insert(task.id(), name);
        }
    }

    fn done(&mut self, done: Result<(Id, Sent), JoinError>) {
        let id = match done {
            Ok((id, Ok(()))) => id,
            Ok((id, Err(error))) => {
                tracing::debug!("an answer was cut short: {error}");
                id
            }
            Err(error) => {
                tracing::error!("an answer failed: {error}");
                error.id()
            }
        };
        if let Some(stream) = self.names.remove(&id) {
            self.machine.handle(ServerInput::Served { stream });
        }
    }
}

async fn send_list(node: Arc<Node>, peer: Arc<str>, stream: Stream, list: List) -> Sent {
    let shared = node.clone();
    let page = blocking(&node, &peer, move || Ok(shared.catalog.list(&list))).await;
    send_answer(&node, stream, page).await
}

async fn send_info(
    node: Arc<Node>,
    peer: Arc<str>,
    mut stream: Stream,
    request: GetInfo,
    path: transport::PathKind,
) -> Sent {
    let shared = node.clone();
    let then_chunk_at = request.then_chunk_at;
    let info = blocking(&node, &peer, move || {
        let track = shared.catalog.open(&request.track)?;
        let Node { registry, config, .. } = shared.as_ref();
        negotiate::choose(registry, &config.codec_options, &request, track.track(), track.material())
    });
    let info = info.await;
    let rendition = info.as_ref().ok().map(|info| &info.rendition);
    let first = rendition.and_then(|rendition| {
        let index = rendition.chunk_at(then_chunk_at?)?;
        Some(ChunkRequest { rendition: rendition.id.clone(), index })
    });
    // Queued before the answer leaves, so that it is being encoded while that is on its way.
    let following = first.map(|request| {
        let span = chunk_span(&request);
        (chunk(&node, &peer, &request), (request.rendition.codec, path), span)
    });
    count_refusal(&node, &info);
    send(&node, &mut stream, line(info)).await?;
    match following {
        Some((chunk, way, span)) => send_chunk(node, stream, chunk, way).instrument(span).await,
        None => stream.send.finish(),
    }
}

/// A chunk, and the room that it takes while it is sent.
type Chunk = (ChunkStream, Share);

fn chunk(node: &Node, peer: &Arc<str>, request: &ChunkRequest) -> Result<Chunk, WireError> {
    let share = node.shares.take(peer, negotiate::chunk_bytes(&node.registry, &request.rendition))?;
    Ok((node.encoder.request(peer, request)?, share))
}

async fn send_chunk(
    node: Arc<Node>,
    mut stream: Stream,
    chunk: Result<Chunk, WireError>,
    (codec, path): (String, transport::PathKind),
) -> Sent {
    count_refusal(&node, &chunk);
    match chunk {
        Ok((mut reader, _share)) => {
            // A peer can name any codec; it is given a chunk of those that there are.
            let is_known = node.registry.codec(&codec).is_ok();
            let counter = is_known.then(|| node.counters.chunk_bytes(&codec, path));
            let mut sent = 0;
            while let Some(bytes) = reader.next().await {
                let length = bytes.len() as u64;
                send(&node, &mut stream, bytes).await?;
                sent += length;
                if let Some(counter) = &counter {
                    counter.add(length);
                }
            }
            if let Some(code) = reader.refused() {
                node.counters.refusal(code);
            }
            tracing::debug!(bytes = sent, "sent");
        }
        Err(error) => send(&node, &mut stream, chunk::refusal(&error)).await?,
    }
    stream.send.finish()
}

/// What is logged of a chunk names it.
fn chunk_span(request: &ChunkRequest) -> Span {
    tracing::debug_span!("chunk", rendition = %request.rendition, index = request.index.0)
}

async fn send_refusal(
    node: Arc<Node>,
    mut stream: Stream,
    protocol: Option<Protocol>,
    error: WireError,
) -> Sent {
    if protocol == Some(Protocol::RequestChunk) {
        node.counters.refusal(error.code);
        send(&node, &mut stream, chunk::refusal(&error)).await?;
        return stream.send.finish();
    }
    send_answer::<()>(&node, stream, Err(error)).await
}

async fn send_answer<T: Serialize>(node: &Node, mut stream: Stream, answer: Result<T, WireError>) -> Sent {
    count_refusal(node, &answer);
    send(node, &mut stream, line(answer)).await?;
    stream.send.finish()
}

fn count_refusal<T>(node: &Node, answer: &Result<T, WireError>) {
    if let Err(error) = answer {
        node.counters.refusal(error.code);
    }
}

/// An answer as a line of JSON.
fn line<T: Serialize>(answer: Result<T, WireError>) -> Bytes {
    // Nothing that is answered can fail to become JSON; an empty answer would say so to the peer.
    let mut json = serde_json::to_vec(&Answer::from(answer)).unwrap_or_default();
    json.push(b'\n');
    json.into()
}

async fn send(node: &Node, stream: &mut Stream, bytes: Bytes) -> Sent {
    let length = bytes.len() as u64;
    let patience = PATIENCE.max(Duration::from_secs(length / SLOWEST));
    let sent = timeout(patience, stream.send.send(bytes)).await;
    sent.unwrap_or_else(|_| Err(TransportError::Closed("the peer took nothing for too long".into())))?;
    node.counters.bytes_sent.add(length);
    Ok(())
}

/// Work that waits for the disk, away from the tasks that wait for the network.
async fn blocking<T: Send + 'static>(
    node: &Node,
    peer: &Arc<str>,
    work: impl FnOnce() -> Result<T, WireError> + Send + 'static,
) -> Result<T, WireError> {
    let internal = |_| WireError::new(ErrorCode::Internal, "the node failed at this; its log says more");
    node.lookups.run(peer, work).await.map_err(internal)?
}
