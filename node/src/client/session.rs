//! Drives the protocol's client session: carries out what it asks for, feeds it what happens.

mod ask;
mod late;
mod tell;

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Instant,
};

use media_plugin_sdk::transport::{Connection, TransportError};
use media_protocol::{
    Info, Position, TrackId, WireError,
    chunk::ChunkEvent,
    session::client::{ClientAction, ClientInput, ClientSession, DecoderFailed, Failure, RequestId},
};
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
    time::{Instant as TokioInstant, sleep_until},
};
use tracing::Instrument as _;

pub(super) use self::ask::Reports;
use self::{ask::SentOn, late::Late};
use super::{
    Counts, Event, Switched, TargetChange,
    dial::{Dial, not_before},
    fetch::FetchError,
    fill::Fill,
    jitter_buffer::{Entry, JitterBuffer},
    offer::Offer,
    path_watch::{self, Wanted},
    rate_choice,
    target::Fit,
};

/// What the session is told.
#[derive(Debug)]
pub(super) enum Command {
    Play { track: TrackId, at: Position },
    Follow(Option<TrackId>),
    Pause(bool),
}

/// From where the session is told things.
pub(super) struct Inbox {
    pub(super) commands: mpsc::Receiver<Command>,
    /// From the playback thread, which waits for an [`Entry::Rewind`] or an [`Entry::Clear`] after each.
    pub(super) decoder_failures: mpsc::Receiver<DecoderFailed>,
}

/// What a request's task reports.
pub(super) enum Fetched {
    Info {
        info: Box<Info>,
        chunk_follows: bool,
    },
    Piece(ChunkEvent),
    /// So many bytes of the packet that is coming are there.
    Part(u64),
    /// Nothing, while the connection carries other bytes.
    Behind,
    Failed(FetchError),
}

/// Reports of the request under way that may wait to be taken in.
const REPORTS: usize = 64;

/// See the module.
pub(super) struct Session {
    machine: ClientSession,
    began: Instant,
    dial: Arc<Dial>,
    offer: Offer,
    buffer: Arc<JitterBuffer>,
    fill: Fill,
    counts: Arc<Mutex<Counts>>,
    events: mpsc::Sender<Event>,
    paused: bool,
    /// Whether that the last request failed, or that the path is silent, was told.
    retrying: bool,
    /// Whether the last request failed because its connection was given up for another, which was told already.
    given_up: bool,
    late: Late,
    under_way: Option<(AbortHandle, SentOn)>,
    /// What is wanted from the node, for the watch over the path.
    wanted: watch::Sender<Wanted>,
    report: mpsc::Sender<(RequestId, Fetched)>,
}

impl Session {
    pub(super) fn spawn(
        machine: ClientSession,
        dial: Arc<Dial>,
        offer: Offer,
        fill: Fill,
        counts: Arc<Mutex<Counts>>,
        events: mpsc::Sender<Event>,
        inbox: Inbox,
    ) {
        let (report, reports) = mpsc::channel(REPORTS);
        let (wanted, watched) = watch::channel(Wanted::Nothing);
        // Of the highest level, so that what is logged below it has it too. The id is cut: its beginning tells nodes apart.
        let span = tracing::error_span!("session", peer = %format_args!("{:.8}", dial.peer()));
        let (tell, silent) = watch::channel(false);
        tokio::spawn(path_watch::run(Arc::clone(&dial), watched, tell).instrument(span.clone()));
        let session = Self {
            machine,
            began: Instant::now(),
            dial,
            offer,
            buffer: Arc::clone(&fill.buffer),
            fill,
            counts,
            events,
            paused: false,
            retrying: false,
            given_up: false,
            late: Late::default(),
            under_way: None,
            wanted,
            report,
        };
        tokio::spawn(session.run(inbox, reports, silent).instrument(span));
    }

    async fn run(
        mut self,
        mut inbox: Inbox,
        mut reports: mpsc::Receiver<(RequestId, Fetched)>,
        mut silent: watch::Receiver<bool>,
    ) {
        let buffer = Arc::clone(&self.buffer);
        loop {
            let due = self.machine.timeout().map(|at| TokioInstant::from_std(self.began + self.late.due(at)));
            tokio::select! {
                command = inbox.commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => break,
                },
                Some((request, fetched)) = reports.recv() => {
                    if matches!(fetched, Fetched::Info { .. } | Fetched::Piece(_)) {
                        self.recovered().await;
                    }
                    self.on_fetched(request, fetched);
                }
                Some(failed) = inbox.decoder_failures.recv() => self.handle(ClientInput::DecoderFailed(failed)),
                Ok(()) = silent.changed() => {
                    let silent = *silent.borrow_and_update();
                    self.on_silence(silent).await;
                }
                () = buffer.wanting.notified() => self.handle(ClientInput::BufferLevel(buffer.fullness())),
                () = sleep_until(due.unwrap_or_else(TokioInstant::now)), if due.is_some() => {
                    self.handle(ClientInput::BufferLevel(buffer.fullness()));
                    self.handle(ClientInput::Timeout);
                }
            }
            self.fit_target().await;
            while let Some(output) = self.machine.poll() {
                self.act(output).await;
            }
            let wanted = match (self.machine.has_demand(), self.machine.is_request_pending()) {
                (false, _) => Wanted::Nothing,
                (true, false) => Wanted::Later,
                (true, true) => Wanted::Now,
            };
            self.fill.start.path(self.dial.least_rtt().unwrap_or_default());
            self.fill.start.owed(self.began.elapsed(), wanted == Wanted::Now);
            self.wanted.send_if_modified(|before| std::mem::replace(before, wanted) != wanted);
        }
        self.abandon();
    }

    fn handle(&mut self, input: ClientInput) {
        self.machine.handle(self.began.elapsed(), input);
    }

    /// Holds more on a path that proved bad, and less again on one that is good.
    async fn fit_target(&mut self) {
        let stalls = self.counts.lock().unwrap_or_else(PoisonError::into_inner).stalls;
        let fit = self.fill.fit(self.began.elapsed(), stalls + self.dial.reconnects(), self.paused);
        let Some(Fit { target, reason }) = fit else { return };
        self.handle(ClientInput::BufferLevel(self.buffer.fullness()));
        self.handle(ClientInput::TargetLevel(target));
        self.count(|counts| counts.targets.push(TargetChange { at: Instant::now(), target, reason }));
        self.tell(Event::Target { target, reason }).await;
    }

    fn on_command(&mut self, command: Command) {
        let input = match command {
            Command::Play { track, at } => ClientInput::Play { track, at },
            Command::Follow(track) => ClientInput::Follow(track),
            Command::Pause(paused) => {
                self.paused = paused;
                if paused { ClientInput::Pause } else { ClientInput::Resume }
            }
        };
        self.handle(input);
    }

    fn on_fetched(&mut self, request: RequestId, fetched: Fetched) {
        self.given_up = matches!(fetched, Fetched::Failed(FetchError::GivenUp));
        self.handle(ClientInput::BufferLevel(self.buffer.fullness()));
        if !matches!(fetched, Fetched::Piece(ChunkEvent::Packet(_)) | Fetched::Part(_)) {
            self.handle(ClientInput::Path(rate_choice::report(&self.dial.path())));
        }
        self.handle(match fetched {
            Fetched::Info { info, chunk_follows } => ClientInput::Info { request, info, chunk_follows },
            Fetched::Piece(event) => {
                if matches!(event, ChunkEvent::End) {
                    self.count(|counts| counts.chunks += 1);
                }
                ClientInput::Chunk { request, event }
            }
            Fetched::Part(bytes) => ClientInput::PartialPacket { request, bytes },
            Fetched::Behind => ClientInput::HeadOfLineBlocked { request },
            Fetched::Failed(FetchError::Refused(error)) => ClientInput::Refused { request, error },
            Fetched::Failed(FetchError::Transport(TransportError::Full { retry_after })) => {
                let error = WireError::busy("the node is full", not_before(retry_after));
                ClientInput::Refused { request, error }
            }
            Fetched::Failed(other) => {
                let stalled = matches!(other, FetchError::Silent(_));
                self.count(|counts| counts.stalls += u64::from(stalled));
                ClientInput::Broken { request, reason: other.to_string() }
            }
        });
    }

    async fn act(&mut self, output: ClientAction) {
        match output {
            ClientAction::GetInfo { request, track, at, then_chunk } => {
                self.ask_info(request, track, then_chunk.then_some(at));
            }
            ClientAction::GetChunk { request, message, rendition } => {
                self.ask_chunk(request, message, rendition);
            }
            ClientAction::Abandon { silent, .. } => {
                let sent_on = self.abandon();
                if silent {
                    self.count(|counts| counts.stalls += 1);
                    if let Some(connection) = sent_on {
                        self.dial.forget_soon(&connection);
                    }
                }
            }
            ClientAction::Clear => self.fill.restart(Entry::Clear),
            ClientAction::Rewind => self.fill.restart(Entry::Rewind),
            ClientAction::TrackStart { play, info, from, refetch } => {
                let track = info.track.id.clone();
                self.put(Entry::Begin { play, info, from }).await;
                if !refetch {
                    self.tell(Event::Fetching(track)).await;
                }
            }
            ClientAction::ChunkStart { index, from, rendition, reason } => {
                self.put(Entry::ChunkStart { index, from, rendition, reason }).await;
            }
            ClientAction::Switched { from, to, reason } => {
                let switched = Switched { at: Instant::now(), from, to, reason };
                self.count(|counts| counts.switches.push(switched));
            }
            ClientAction::Packet(packet) => self.put(Entry::Packet(packet)).await,
            ClientAction::ChunkEnd => self.put(Entry::ChunkEnd).await,
            ClientAction::TrackEnd => self.put(Entry::TrackEnd).await,
            ClientAction::Retrying { reason, after } => {
                self.late.retrying(self.machine.timeout(), after);
                self.count(|counts| counts.retries += 1);
                if !std::mem::take(&mut self.given_up) {
                    self.retrying(reason).await;
                }
            }
            ClientAction::Failed { error: Failure::Unreachable(reason), .. } => {
                self.tell(Event::Unreachable(reason)).await;
            }
            ClientAction::Failed { track, error } => {
                self.tell(Event::TrackFailed { track, reason: error.to_string() }).await;
            }
        }
    }

    async fn put(&mut self, entry: Entry) {
        if let Err(overfull) = self.fill.push(self.began.elapsed(), entry) {
            self.abandon();
            self.tell(Event::Fatal(overfull.to_string())).await;
        }
    }

    fn count(&self, what: impl FnOnce(&mut Counts)) {
        what(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Ends the request under way; the connection that it was sent on.
    fn abandon(&mut self) -> Option<Weak<dyn Connection>> {
        let (task, on) = self.under_way.take()?;
        task.abort();
        on.get().cloned()
    }
}
