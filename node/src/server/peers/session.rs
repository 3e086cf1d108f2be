//! The session of one connection: gives the peer's requests to the protocol's state machine, and sends the
//! service's answers.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use media_plugin_sdk::transport::{Connection, Incoming, Stream, TransportError};
use media_protocol::{
    Answer, ChunkRequest, GetInfo, List, PathKind, Protocol, WireError, chunk,
    session::server::{RequestLimits, ServerAction, ServerInput, ServerSession},
};
use serde::Serialize;
use tokio::{
    task::{Id, JoinError, JoinSet},
    time::{sleep, timeout},
};
use tracing::{Instrument as _, Span};

use super::{activity::Activity, connection_table::ConnectionGuard};
use crate::{
    path_kind::path_kind,
    server::{
        caller::Caller,
        counter::Counter,
        service::{ChunkAnswer, Service, refused},
    },
};

/// Number of refusals that may be on their way at once, for each request that the limits allow. If there are more,
/// the session accepts no further request. Tested by `refusals_that_nobody_reads_stop_further_requests`.
const REFUSALS_PER_REQUEST: usize = 4;
/// Time for which a session with that many answers waits for the peer to read one, then it closes the
/// connection: the default time of a handshake. Tested by `refusals_that_nobody_reads_stop_further_requests`.
const FULL_TIMEOUT: Duration = Duration::from_secs(10);
/// Least time limit of a send. A large send has the time that it takes at [`MIN_SEND_RATE`], if that is longer. 90 s
/// outlast a tunnel or a short sleep of the listener's machine. Tested by
/// `a_send_may_take_90_s_or_as_long_as_at_64_kbit_s`.
const SEND_TIMEOUT: Duration = Duration::from_secs(90);
/// Least rate of a large send, in bytes per second (64 kbit/s). Only lossless chunks are so large, and a path below
/// this rate cannot play them. Tested by `a_send_may_take_90_s_or_as_long_as_at_64_kbit_s`.
const MIN_SEND_RATE: u64 = 8_000;

/// Outcome of a stream. An error comes from the transport, and ends only this stream.
type Sent = media_plugin_sdk::transport::Result<()>;

/// Time limit for a send of `bytes` bytes.
fn send_timeout(bytes: u64) -> Duration {
    SEND_TIMEOUT.max(Duration::from_secs(bytes / MIN_SEND_RATE))
}

/// Answers a peer's requests until the connection ends. Each answer is a task of its own, so answers do not wait for
/// each other. Dropping the future aborts all answers. Notes each request in `guard`.
pub(super) async fn run(
    service: Arc<Service>,
    limits: RequestLimits,
    caller: Caller,
    connection: Arc<dyn Connection>,
    guard: Arc<ConnectionGuard>,
    activity: Arc<Activity>,
) {
    let max_answers = limits.requests.saturating_mul(1 + REFUSALS_PER_REQUEST);
    let mut session = Session {
        caller,
        service,
        connection: Arc::clone(&connection),
        guard,
        activity,
        machine: ServerSession::new(limits),
        undecided: HashMap::new(),
        answers: JoinSet::new(),
        stream_of: HashMap::new(),
    };
    let mut next = connection.accept();
    for number in 0.. {
        let incoming = loop {
            tokio::select! {
                // Finished answers come first, since they make room for requests.
                biased;
                Some(ended) = session.answers.join_next_with_id() => session.end_answer(ended),
                incoming = &mut next, if session.answers.len() < max_answers => break incoming,
                () = sleep(FULL_TIMEOUT), if session.answers.len() >= max_answers => {
                    connection.close("too many requests whose answers were not read");
                    return;
                }
            }
        };
        let Some(incoming) = incoming else { break };
        next = connection.accept();
        session.request(number, incoming);
    }
}

struct Session {
    caller: Caller,
    service: Arc<Service>,
    connection: Arc<dyn Connection>,
    guard: Arc<ConnectionGuard>,
    activity: Arc<Activity>,
    machine: ServerSession,
    /// Streams, by number, on whose request the state machine has not decided yet.
    undecided: HashMap<u64, Stream>,
    answers: JoinSet<Sent>,
    /// The stream number of each answer's task.
    stream_of: HashMap<Id, u64>,
}

impl Session {
    fn request(&mut self, number: u64, incoming: Incoming) {
        let Incoming { protocol, data, stream } = incoming;
        self.service.counters().request(&protocol);
        self.undecided.insert(number, stream);
        self.machine.handle(ServerInput::Request { stream: number, protocol, data });
        while let Some(action) = self.machine.poll() {
            self.carry_out(action);
        }
    }

    fn carry_out(&mut self, action: ServerAction) {
        let service = Arc::clone(&self.service);
        let caller = self.caller.clone();
        match action {
            ServerAction::EncodeAhead(request) => service.encode_ahead(&caller, request),
            ServerAction::List { stream, list } => {
                self.guard.note_request(false);
                self.answer(stream, |stream| send_list(service, caller, stream, list));
            }
            ServerAction::Info { stream, mut get_info } => {
                self.guard.note_request(get_info.then_chunk_at.is_some());
                if get_info.path.kind == PathKind::Unknown {
                    get_info.path.kind = path_kind(self.connection.path_kind());
                }
                if get_info.then_chunk_at.is_some() {
                    self.activity.note_chunk(&get_info.track);
                }
                let connection = Arc::clone(&self.connection);
                self.answer(stream, |stream| send_info(service, caller, connection, stream, get_info));
            }
            ServerAction::Chunk { stream, request, report_loss } => {
                self.guard.note_request(true);
                self.activity.note_chunk(&request.rendition.track);
                // The request must come before the chunks that are encoded ahead, so it is made here and not in the task.
                let connection = self.connection.as_ref();
                let chunk = OutgoingChunk::request(&service, &caller, connection, &request, report_loss);
                self.answer(stream, |stream| chunk.send(service, stream));
            }
            ServerAction::Refuse { stream, protocol, error } => {
                service.counters().refusal(error.code);
                self.answer(stream, |stream| send_refusal(service, stream, protocol, error));
            }
        }
    }

    /// Spawns the answer on a stream.
    fn answer<F>(&mut self, number: u64, task: impl FnOnce(AnswerStream) -> F)
    where
        F: Future<Output = Sent> + Send + 'static,
    {
        if let Some(stream) = self.undecided.remove(&number) {
            let stream = AnswerStream { stream, activity: Arc::clone(&self.activity) };
            let task = self.answers.spawn(task(stream).in_current_span());
            self.stream_of.insert(task.id(), number);
        }
    }

    fn end_answer(&mut self, ended: Result<(Id, Sent), JoinError>) {
        let id = match ended {
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
        if let Some(stream) = self.stream_of.remove(&id) {
            self.machine.handle(ServerInput::Served { stream });
        }
    }
}

async fn send_list(service: Arc<Service>, caller: Caller, stream: AnswerStream, list: List) -> Sent {
    let page = service.list(&caller, list).await;
    let line = charged(&service, &caller, page);
    send_line(&service, stream, line.unwrap_or_else(|refusal| refusal)).await
}

/// Sends a track's info and, if the request asks for it, the chunk that follows on the same stream.
async fn send_info(
    service: Arc<Service>,
    caller: Caller,
    connection: Arc<dyn Connection>,
    mut stream: AnswerStream,
    request: GetInfo,
) -> Sent {
    let then_chunk_at = request.then_chunk_at;
    let report_loss = request.report_loss;
    let info = service.info(&caller, request).await;
    let following = info.as_ref().ok().and_then(|info| {
        let index = info.rendition.chunk_at(then_chunk_at?)?;
        let request = ChunkRequest { rendition: info.rendition.id.clone(), index };
        // The request is made before the answer is sent, so that an encoder thread begins at once.
        Some(OutgoingChunk::request(&service, &caller, connection.as_ref(), &request, report_loss))
    });
    let line = match charged(&service, &caller, info) {
        Ok(line) => line,
        Err(refusal) => return send_line(&service, stream, refusal).await,
    };
    stream.send(&service, line).await?;
    match following {
        Some(chunk) => chunk.send(service, stream).await,
        None => stream.finish(),
    }
}

/// A requested chunk on its way to a peer.
struct OutgoingChunk {
    answer: Result<ChunkAnswer, WireError>,
    /// Counter of the bytes sent in this codec over this kind of path. `None` if this node lacks the codec: a peer
    /// can name any text as a codec, and must not create counters.
    counter: Option<Arc<Counter>>,
    span: Span,
}

impl OutgoingChunk {
    fn request(
        service: &Arc<Service>,
        caller: &Caller,
        connection: &dyn Connection,
        request: &ChunkRequest,
        report_loss: bool,
    ) -> Self {
        let codec = &request.rendition.codec;
        let counter = || service.counters().chunk_bytes(codec, connection.path_kind());
        let span = tracing::debug_span!("chunk", rendition = %request.rendition, index = request.index.0);
        let answer = service.chunk(caller, request, report_loss);
        Self { counter: (answer.is_ok() && service.has_codec(codec)).then(counter), answer, span }
    }

    async fn send(self, service: Arc<Service>, mut stream: AnswerStream) -> Sent {
        let Self { answer, counter, span } = self;
        let sending = async {
            match answer {
                Ok(mut chunk) => {
                    let mut sent = 0;
                    while let Some(bytes) = chunk.next().await {
                        let length = bytes.len() as u64;
                        stream.send(&service, bytes).await?;
                        sent += length;
                        if let Some(counter) = &counter {
                            counter.add(length);
                        }
                    }
                    tracing::debug!(bytes = sent, "sent");
                }
                Err(error) => stream.send(&service, chunk::refusal(&error)).await?,
            }
            stream.finish()
        };
        sending.instrument(span).await
    }
}

async fn send_refusal(
    service: Arc<Service>,
    mut stream: AnswerStream,
    protocol: Option<Protocol>,
    error: WireError,
) -> Sent {
    if protocol == Some(Protocol::RequestChunk) {
        stream.send(&service, chunk::refusal(&error)).await?;
        return stream.finish();
    }
    send_line(&service, stream, json_line::<()>(Err(error))).await
}

async fn send_line(service: &Service, mut stream: AnswerStream, line: Bytes) -> Sent {
    stream.send(service, line).await?;
    stream.finish()
}

/// The line of an answer, whose bytes count for the caller's quota. The error is the line of a refusal.
fn charged<T: Serialize>(
    service: &Service,
    caller: &Caller,
    answer: Result<T, WireError>,
) -> Result<Bytes, Bytes> {
    let is_refusal = answer.is_err();
    let line = json_line(answer);
    if is_refusal {
        return Err(line);
    }
    caller.grant().charge(line.len()).map(|()| line).map_err(|refusal| {
        let error = refused(&refusal);
        service.counters().refusal(error.code);
        json_line::<()>(Err(error))
    })
}

/// An answer as a line of JSON.
fn json_line<T: Serialize>(answer: Result<T, WireError>) -> Bytes {
    // Serialising never fails. If it did, the peer would report the empty line as an invalid answer.
    let mut json = serde_json::to_vec(&Answer::from(answer)).unwrap_or_default();
    json.push(b'\n');
    json.into()
}

/// A stream that takes an answer. Its bytes count for the connection and for the node.
struct AnswerStream {
    stream: Stream,
    activity: Arc<Activity>,
}

impl AnswerStream {
    async fn send(&mut self, service: &Service, bytes: Bytes) -> Sent {
        let length = bytes.len() as u64;
        let sent = timeout(send_timeout(length), self.stream.send.send(bytes)).await;
        sent.unwrap_or_else(|_| Err(TransportError::Closed("the peer did not read for too long".into())))?;
        service.counters().bytes_sent.add(length);
        self.activity.note_sent(length);
        Ok(())
    }

    fn finish(&mut self) -> Sent {
        self.stream.send.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, sync::Mutex};

    use media_plugin_sdk::transport::{BoxFuture, Path, PathKind, RecvStream, Result, SendStream};
    use tokio::task::yield_now;

    use super::{super::activity::ActivityTable, *};
    use crate::{
        library::Catalog,
        plugins,
        server::{config::ServerConfig, peers::connection_table::ConnectionTable},
    };

    #[test]
    fn a_send_may_take_90_s_or_as_long_as_at_64_kbit_s() {
        assert_eq!(send_timeout(0), Duration::from_secs(90));
        assert_eq!(send_timeout(720_000), Duration::from_secs(90));
        assert_eq!(send_timeout(1_728_000), Duration::from_secs(216));
    }

    /// A peer that sends unknown requests without end and reads no answer.
    #[derive(Default)]
    struct Flood {
        closed: Mutex<Option<String>>,
    }

    impl Connection for Flood {
        fn peer(&self) -> String {
            "flood".into()
        }

        fn path(&self) -> Path {
            Path { kind: PathKind::Memory, remote: String::new(), rtt: None, min_rtt: None, loss: None }
        }

        fn open<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Stream>> {
            Box::pin(pending())
        }

        fn accept(&self) -> BoxFuture<'_, Option<Incoming>> {
            let stream = Stream { send: Box::new(Unread), recv: Box::new(Unread) };
            let incoming = Incoming { protocol: "audio.sing".into(), data: "{}".into(), stream };
            Box::pin(async { Some(incoming) })
        }

        fn ping(&self) -> BoxFuture<'_, Result<()>> {
            Box::pin(pending())
        }

        fn closed(&self) -> BoxFuture<'_, String> {
            Box::pin(pending())
        }

        fn close(&self, reason: &str) {
            *self.closed.lock().unwrap() = Some(reason.into());
        }
    }

    struct Unread;

    impl SendStream for Unread {
        fn send(&mut self, _: Bytes) -> BoxFuture<'_, Result<()>> {
            Box::pin(pending())
        }

        fn finish(&mut self) -> Result<()> {
            Ok(())
        }
    }

    impl RecvStream for Unread {
        fn recv(&mut self, _: usize) -> BoxFuture<'_, Result<Option<Bytes>>> {
            Box::pin(pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_that_nobody_reads_stop_further_requests() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::recall(&[folder.path().to_owned()], false, None).unwrap();
        let config = ServerConfig { encoders: 1, ..ServerConfig::default() };
        let service = Arc::new(Service::start(config, plugins::registry(), Arc::new(catalog)).unwrap());
        let limits = RequestLimits { requests: 2, encode_ahead: 0 };
        let flood = Arc::new(Flood::default());
        let connection: Arc<dyn Connection> = flood.clone();
        let guard = Arc::new(ConnectionTable::new(1)).insert(&connection, "a ticket").unwrap();
        let active = Arc::new(ActivityTable::default()).insert(&connection, "");
        let activity = Arc::clone(&active.activity);
        let caller = Caller::peer("flood");
        let session = run(Arc::clone(&service), limits, caller, connection, Arc::new(guard), activity);
        let session = tokio::spawn(session);
        for _ in 0..1000 {
            yield_now().await;
        }
        // 4 refusals beside each of the 2 requests.
        assert_eq!(service.counters().snapshot().requests.unknown, 10);
        assert_eq!(*flood.closed.lock().unwrap(), None);
        sleep(Duration::from_secs(10)).await;
        session.await.unwrap();
        let reason = "too many requests whose answers were not read";
        assert_eq!(flood.closed.lock().unwrap().as_deref(), Some(reason));
    }
}
