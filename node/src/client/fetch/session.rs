//! Driver of the protocol's client session: carries out its actions and feeds it with events.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use media_plugin_sdk::transport::TransportError;
use media_protocol::{
    ChunkRequest, ErrorCode, GetInfo, Position, Rendition, TrackId, WireError,
    chunk::ChunkEvent,
    session::client::{ClientAction, ClientInput, ClientSession, DecoderFailed, Failure, RequestId},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant as TokioInstant, sleep_until},
};
use tracing::Instrument as _;

use super::{
    backoff::not_before,
    node_link::NodeLink,
    path_watch::{self, Demand},
    report::{FetchError, Report},
    request_task::{RequestTask, TaskContext},
    retry_jitter::RetryJitter,
    session_events::SessionEvents,
};
use crate::client::{
    buffer::{BufferInput, Entry, JitterBuffer, LevelChange},
    event::Event,
    orders::{FetchOrders, Jump},
    rate_choice::OfferBuilder,
    stats::{Counts, RenditionChange, TargetChange},
};

/// Inputs of the session from the player.
pub(crate) struct Inbox {
    pub(crate) orders: watch::Receiver<FetchOrders>,
    /// Failed decoders. After each, the playback thread waits for an [`Entry::Rewind`] or an [`Entry::Clear`].
    pub(crate) decoder_failures: mpsc::Receiver<DecoderFailed>,
}

/// Capacity of the queue of reports. A full queue stops the request's task, and so the node's stream.
const REPORTS: usize = 64;

/// The session of one player with one node. An async task.
pub(crate) struct FetchSession {
    machine: ClientSession,
    /// Start of the machine's clock.
    began: Instant,
    link: Arc<NodeLink>,
    offer: OfferBuilder,
    buffer: Arc<JitterBuffer>,
    input: BufferInput,
    counts: Arc<Mutex<Counts>>,
    events: SessionEvents,
    /// The orders that the session follows.
    orders: FetchOrders,
    /// True if the last request failed because its connection was replaced. The path watch has reported that outage already.
    replaced: bool,
    jitter: RetryJitter,
    task: Option<RequestTask>,
    /// Demand for the node's answers, read by the path watch.
    demand: watch::Sender<Demand>,
    reports: mpsc::Sender<(RequestId, Report)>,
}

impl FetchSession {
    /// Starts the session and its path watch. Both end when the sender of the orders is dropped.
    pub(crate) fn spawn(
        machine: ClientSession,
        link: Arc<NodeLink>,
        offer: OfferBuilder,
        input: BufferInput,
        counts: Arc<Mutex<Counts>>,
        events: mpsc::Sender<Event>,
        inbox: Inbox,
    ) {
        let (reports, reports_out) = mpsc::channel(REPORTS);
        let (demand, demand_out) = watch::channel(Demand::Idle);
        let (silence, silence_out) = watch::channel(false);
        // A span of the highest level, so that log lines of every level within it name the peer. Eight characters tell nodes
        // apart.
        let span = tracing::error_span!("session", peer = %format_args!("{:.8}", link.peer()));
        let watch = path_watch::run(Arc::clone(&link), demand_out, silence, Arc::clone(&input.supply));
        tokio::spawn(watch.instrument(span.clone()));
        let session = Self {
            machine,
            began: Instant::now(),
            link,
            offer,
            buffer: Arc::clone(&input.buffer),
            input,
            counts,
            events: SessionEvents::new(events),
            orders: FetchOrders::default(),
            replaced: false,
            jitter: RetryJitter::default(),
            task: None,
            demand,
            reports,
        };
        tokio::spawn(session.run(inbox, reports_out, silence_out).instrument(span));
    }

    async fn run(
        mut self,
        mut inbox: Inbox,
        mut reports: mpsc::Receiver<(RequestId, Report)>,
        mut silence: watch::Receiver<bool>,
    ) {
        let buffer = Arc::clone(&self.buffer);
        let link = Arc::clone(&self.link);
        let mut access_ended = pin!(link.access_ended());
        let mut has_access = true;
        loop {
            let wake_at = self.machine.timeout().map(|at| self.began + self.jitter.wake_at(at));
            let wake_at = wake_at.map(TokioInstant::from_std);
            tokio::select! {
                changed = inbox.orders.changed() => match changed {
                    Ok(()) => {
                        let orders = inbox.orders.borrow_and_update().clone();
                        self.on_orders(orders);
                    }
                    Err(_) => break,
                },
                Some((request, report)) = reports.recv() => {
                    if matches!(report, Report::Info { .. } | Report::Chunk(_)) {
                        self.events.recovered().await;
                    }
                    self.on_report(request, report);
                }
                Some(failed) = inbox.decoder_failures.recv() => self.handle(ClientInput::DecoderFailed(failed)),
                refusal = &mut access_ended, if has_access => {
                    has_access = false;
                    self.events.send(Event::Refused(refusal.message)).await;
                }
                Ok(()) = silence.changed() => {
                    let silent = *silence.borrow_and_update();
                    self.events.path_silent(silent).await;
                }
                () = buffer.has_room.notified() => self.handle(ClientInput::BufferLevel(buffer.fullness())),
                () = sleep_until(wake_at.unwrap_or_else(TokioInstant::now)), if wake_at.is_some() => {
                    self.handle(ClientInput::BufferLevel(buffer.fullness()));
                    self.handle(ClientInput::Timeout);
                }
            }
            self.adapt_target().await;
            while let Some(action) = self.machine.poll() {
                self.act(action).await;
            }
            self.publish_demand();
        }
        if let Some(task) = self.task {
            task.abort();
        }
    }

    fn handle(&mut self, input: ClientInput) {
        self.machine.handle(self.began.elapsed(), input);
    }

    /// Raises the buffer's target level after trouble, and lowers it after minutes without.
    async fn adapt_target(&mut self) {
        let stalls = self.counts.lock().unwrap_or_else(PoisonError::into_inner).stalls;
        let change = self.input.adapt_target(
            self.began.elapsed(),
            stalls + self.link.reconnects(),
            self.orders.paused,
        );
        let Some(LevelChange { target, reason }) = change else { return };
        self.handle(ClientInput::BufferLevel(self.buffer.fullness()));
        self.handle(ClientInput::TargetLevel(target));
        self.count(|counts| counts.targets.push(TargetChange { at: Instant::now(), target, reason }));
        self.events.send(Event::TargetChanged { target, reason }).await;
    }

    /// Tells the path watch, the start level and the supply record whether an answer is due.
    fn publish_demand(&mut self) {
        let demand = match (self.machine.has_demand(), self.machine.is_request_pending()) {
            (false, _) => Demand::Idle,
            (true, false) => Demand::Resting,
            (true, true) => Demand::Pending,
        };
        if demand != Demand::Pending {
            self.input.supply.idle();
        }
        self.input.start.set_rtt(self.link.min_rtt().unwrap_or_default());
        self.input.start.set_request_pending(self.began.elapsed(), demand == Demand::Pending);
        self.demand.send_if_modified(|before| std::mem::replace(before, demand) != demand);
    }

    /// Passes each changed order to the protocol machine. A pause comes first and its end last, so that no request leaves in
    /// between.
    fn on_orders(&mut self, orders: FetchOrders) {
        let before = std::mem::replace(&mut self.orders, orders.clone());
        if orders.paused && !before.paused {
            self.handle(ClientInput::Pause);
        }
        if let Some(Jump { play, track, at }) = orders.jump.filter(|jump| before.jump.as_ref() != Some(jump))
        {
            self.handle(ClientInput::Play { play, track, at });
        }
        if let Some((after, next)) = orders.follow.filter(|_| orders.follows != before.follows) {
            self.handle(ClientInput::Follow { after, next });
        }
        if before.paused && !orders.paused {
            self.handle(ClientInput::Resume);
        }
    }

    fn on_report(&mut self, request: RequestId, report: Report) {
        self.replaced = matches!(report, Report::Failed(FetchError::Replaced));
        self.handle(ClientInput::BufferLevel(self.buffer.fullness()));
        if !matches!(report, Report::Chunk(ChunkEvent::Packet(_)) | Report::PartialPacket(_)) {
            self.handle(ClientInput::Path(self.offer.path_report(&self.link.path())));
        }
        match &report {
            Report::Info { .. } | Report::Chunk(_) | Report::PartialPacket(_) => {
                self.input.supply.progress(Instant::now());
            }
            Report::HeadOfLineBlocked => self.input.supply.head_of_line_blocked(),
            Report::Failed(_) => {}
        }
        let input = match report {
            Report::Info { info, chunk_follows } => ClientInput::Info { request, info, chunk_follows },
            Report::Chunk(event) => {
                if matches!(event, ChunkEvent::End) {
                    self.count(|counts| counts.chunks += 1);
                }
                ClientInput::Chunk { request, event }
            }
            Report::PartialPacket(bytes) => ClientInput::PartialPacket { request, bytes },
            Report::HeadOfLineBlocked => ClientInput::HeadOfLineBlocked { request },
            Report::Failed(error) => self.failure(request, error),
        };
        self.handle(input);
    }

    fn failure(&mut self, request: RequestId, error: FetchError) -> ClientInput {
        let refusal = match error {
            FetchError::Refused(error) => error,
            FetchError::Transport(TransportError::Full { retry_after }) => {
                WireError::busy("the node is full", not_before(retry_after))
            }
            invalid @ FetchError::Invalid(..) => {
                return ClientInput::Damaged { request, reason: invalid.to_string() };
            }
            // Any other refusal may pass, as that of a node that restarts.
            FetchError::Transport(TransportError::Refused(refusal))
                if ErrorCode::from(refusal.code.as_str()).ends_access() =>
            {
                WireError::new(ErrorCode::from(refusal.code.as_str()), refusal.to_string())
            }
            other => {
                let stalled = matches!(other, FetchError::Silent(_));
                self.count(|counts| counts.stalls += u64::from(stalled));
                return ClientInput::Broken { request, reason: other.to_string() };
            }
        };
        if refusal.code == ErrorCode::Busy {
            self.input.supply.refused();
        }
        ClientInput::Refused { request, error: refusal }
    }

    async fn act(&mut self, action: ClientAction) {
        match action {
            ClientAction::GetInfo { request, track, at, then_chunk } => {
                self.get_info(request, track, then_chunk.then_some(at));
            }
            ClientAction::GetChunk { request, message, rendition } => {
                self.get_chunk(request, message, rendition);
            }
            ClientAction::Abandon { silent, .. } => self.abandon(silent),
            ClientAction::Clear { play } => self.input.restart(Entry::Clear { play }),
            ClientAction::Rewind => self.input.restart(Entry::Rewind),
            ClientAction::TrackStart { play, info, from, refetch } => {
                self.push(Entry::Begin { play, info, from }).await;
                if !refetch {
                    self.events.send(Event::Fetching(play)).await;
                }
            }
            ClientAction::ChunkStart { index, from, rendition, reason } => {
                self.push(Entry::ChunkStart { index, from, rendition, reason }).await;
            }
            ClientAction::Switched { from, to, reason } => {
                let change = RenditionChange { at: Instant::now(), from, to, reason };
                self.count(|counts| counts.switches.push(change));
            }
            ClientAction::Packet(packet) => self.push(Entry::Packet(packet)).await,
            ClientAction::ChunkEnd { silenced } => self.push(Entry::ChunkEnd { silenced }).await,
            ClientAction::TrackEnd => self.push(Entry::TrackEnd).await,
            ClientAction::Retrying { reason, after } => {
                self.jitter.on_retry(self.machine.timeout(), after);
                self.count(|counts| counts.retries += 1);
                if !std::mem::take(&mut self.replaced) {
                    self.events.retrying(reason).await;
                }
            }
            ClientAction::Failed { play, error: Failure::Unreachable(reason), .. } => {
                self.events.send(Event::Unreachable { play, reason }).await;
            }
            ClientAction::Failed { error: Failure::Refused(refusal), .. } if refusal.code.ends_access() => {
                self.events.send(Event::Refused(refusal.message)).await;
            }
            ClientAction::Failed { play, error, .. } => {
                self.events.send(Event::TrackFailed { play, reason: error.to_string() }).await;
            }
        }
    }

    fn get_info(&mut self, request: RequestId, track: TrackId, then_chunk_at: Option<Position>) {
        let path = self.link.path();
        let codecs = match self.offer.codecs(&path, self.machine.failed_codecs()) {
            Ok(codecs) => codecs,
            Err(error) => return self.handle(ClientInput::Refused { request, error }),
        };
        let path = self.offer.path_report(&path);
        let output = self.offer.output();
        let message = GetInfo { track, codecs, output, path, then_chunk_at, report_loss: true };
        let context = self.task_context(request);
        self.task = Some(RequestTask::get_info(context, message));
    }

    fn get_chunk(&mut self, request: RequestId, message: ChunkRequest, rendition: Arc<Rendition>) {
        let context = self.task_context(request);
        self.task = Some(RequestTask::get_chunk(context, message, rendition));
    }

    /// Counts a request, and returns the context of its task.
    fn task_context(&self, request: RequestId) -> TaskContext {
        self.count(|counts| {
            counts.requests += 1;
            counts.requests_while_paused += u64::from(self.orders.paused);
        });
        self.input.supply.request_sent(Instant::now(), self.link.min_rtt().unwrap_or_default());
        TaskContext {
            link: Arc::clone(&self.link),
            request,
            session: self.reports.clone(),
            counts: Arc::clone(&self.counts),
        }
    }

    /// Cancels the running request. After a timeout its connection is suspect and is dropped too.
    fn abandon(&mut self, timed_out: bool) {
        let connection = self.task.take().and_then(RequestTask::abort);
        if timed_out {
            self.count(|counts| counts.stalls += 1);
            if let Some(connection) = connection {
                self.link.forget_soon(&connection);
            }
        }
    }

    async fn push(&mut self, entry: Entry) {
        if let Err(overfull) = self.input.push(self.began.elapsed(), entry) {
            self.abandon(false);
            self.events.send(Event::Fatal(overfull.to_string())).await;
        }
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
