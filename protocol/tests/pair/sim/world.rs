use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use media_protocol::{
    CodecOffer, ErrorCode, GetInfo, OutputOffer, PathKind, PathReport, Position, Protocol, TrackId,
    WireError,
    chunk::{ChunkEvent, ChunkReader},
    session::client::{
        ClientAction, ClientConfig, ClientInput, ClientSession, DecoderFailed, NextPlay, PlayId, RequestId,
    },
};

use self::fetch::Fetch;
use super::{
    driver::{Driver, Fill, Watched},
    listener::Listener,
    node::{Node, Spoils},
    random::Random,
};

mod fetch;
mod network;

const TICK: Duration = Duration::from_millis(50);
const CHUNK: Duration = Duration::from_secs(3);

/// Act of a person, or of the network.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Play(TrackId, Position),
    Follow(Option<TrackId>),
    Pause,
    Resume,
    /// Sets the target level.
    Target(Duration),
    /// The connection breaks, and for this time there is none.
    Outage(Duration),
}

enum Event {
    Act(Act),
    Tick,
    Request { connection: u64, id: RequestId, protocol: Protocol, data: String },
    Served { connection: u64, id: RequestId },
    Piece { id: RequestId, bytes: Bytes },
    Finished { id: RequestId },
    Reset { id: RequestId },
    DecoderFailed(DecoderFailed),
}

/// A client, a node, the network between them, and the time.
pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) node: Node,
    pub(crate) listener: Listener,
    /// Number of plays that the client was told of.
    plays: u64,
    /// Number of requests sent.
    pub(crate) requests: u64,
    /// Number of requests that failed on the network or at the node.
    pub(crate) failures: u64,
    /// Number of times that the buffer policy raised the target.
    pub(crate) raised: u64,
    /// Number of reports of a partial packet.
    pub(crate) parts: u64,
    /// Number of partial packets that never became whole.
    pub(crate) abandoned: u64,
    now: Duration,
    events: BTreeMap<(Duration, u64), Event>,
    scheduled: u64,
    acts: usize,
    client: ClientSession,
    fill: Box<dyn Fill>,
    /// Number of requests that timed out.
    silences: u64,
    config: ClientConfig,
    /// Highest target so far.
    most: Duration,
    paused: bool,
    reported: Duration,
    under_way: Option<RequestId>,
    /// Bytes of packets that arrived for a request in flight.
    came: u64,
    /// Bytes of the partial packet.
    part: u64,
    /// Bytes that the rate choice was told of.
    counted: Arc<AtomicU64>,
    fetches: HashMap<RequestId, Fetch>,
    connection: u64,
    down_until: Duration,
    latency: Duration,
    jitter: u64,
    /// Percentage of requests that fail on the network or at the node.
    pub(crate) failing_percent: u64,
    /// Percentage of chunks that a hostile node spoils, and its ways to do it.
    pub(crate) spoils: (u64, &'static [Spoils]),
    /// Percentage of chunks at which the encoder fails.
    pub(crate) encoder_fails: u64,
    /// Permille of ticks at which the decoder fails.
    pub(crate) decoder_fails: u64,
    /// Number of tracks that still follow by themselves, as in an album.
    pub(crate) album: u32,
}

impl World {
    pub(crate) fn new(seed: u64, Driver { choice, mut fill }: Driver) -> Self {
        let mut random = Random(seed);
        let mut config = ClientConfig::default();
        let counted = Arc::<AtomicU64>::default();
        config.target = fill.asked(config.target);
        let choice = Watched { choice, counted: Arc::clone(&counted), last_bytes: 0 };
        let mut world = Self {
            node: Node::new(&mut random),
            listener: Listener::default(),
            plays: 0,
            requests: 0,
            failures: 0,
            now: Duration::ZERO,
            events: BTreeMap::new(),
            scheduled: 0,
            acts: 0,
            client: ClientSession::new(config, Box::new(choice)),
            fill,
            silences: 0,
            raised: 0,
            parts: 0,
            abandoned: 0,
            config,
            most: config.target,
            paused: false,
            reported: Duration::ZERO,
            under_way: None,
            came: 0,
            part: 0,
            counted,
            fetches: HashMap::new(),
            connection: 0,
            down_until: Duration::ZERO,
            latency: random.millis(300),
            jitter: random.below(200),
            failing_percent: random.pick(&[0, 5, 40]),
            spoils: (0, &[]),
            encoder_fails: random.pick(&[0, 0, 2, 10]),
            decoder_fails: random.pick(&[0, 0, 2, 10]),
            album: random.pick(&[0, 0, 8]),
            random,
        };
        world.after(TICK, Event::Tick);
        world.change_path();
        world
    }

    /// Schedules an act.
    pub(crate) fn act(&mut self, at: Duration, act: Act) {
        self.acts += 1;
        self.after(at, Event::Act(act));
    }

    /// Runs until all acts are done and all requested audio has arrived.
    pub(crate) fn run(&mut self) {
        for _ in 0..500_000 * (1 + self.album) {
            if self.acts == 0 && self.listener.is_idle() {
                assert_eq!(
                    self.counted.load(Ordering::Relaxed),
                    self.came,
                    "the rate choice was told of all bytes"
                );
                return;
            }
            self.step();
        }
        panic!("the session has come to a halt: {:?}", self.client);
    }

    /// Returns the time.
    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    /// Returns the number of received bytes of packets.
    pub(crate) fn bytes(&self) -> u64 {
        self.came
    }

    fn step(&mut self) {
        let (at, _) = *self.events.first_key_value().expect("there is always a tick").0;
        if let Some(timeout) = self.client.timeout().filter(|timeout| *timeout <= at) {
            self.now = self.now.max(timeout);
            return self.feed(ClientInput::Timeout);
        }
        self.now = at;
        let (_, event) = self.events.pop_first().expect("there is always a tick");
        match event {
            Event::Act(act) => self.on_act(act),
            Event::Tick => self.on_tick(),
            Event::Request { connection, id, protocol, data } if connection == self.connection => {
                self.on_request(id, protocol, data);
            }
            Event::Served { connection, id } if connection == self.connection => self.node.served(id.0),
            Event::Request { .. } | Event::Served { .. } => {}
            Event::Piece { id, bytes } => self.on_piece(id, bytes),
            Event::Finished { id } => self.on_finished(id),
            Event::Reset { id } if self.fetches.remove(&id).is_some() => self.broken(id, "reset"),
            Event::Reset { .. } => {}
            Event::DecoderFailed(failed) => self.feed(ClientInput::DecoderFailed(failed)),
        }
    }

    fn after(&mut self, delay: Duration, event: Event) {
        self.scheduled += 1;
        self.events.insert((self.now + delay, self.scheduled), event);
    }

    fn on_tick(&mut self) {
        self.after(TICK, Event::Tick);
        if self.paused {
            return;
        }
        self.listener.play(TICK, || self.fill.start());
        if self.listener.held != self.reported {
            self.report();
        }
        if self.random.below(1000) < self.decoder_fails
            && let Some(failed) = self.listener.fail()
        {
            // In the meantime a person may choose another track.
            let delay = self.random.millis(100);
            self.after(delay, Event::DecoderFailed(failed));
        }
    }

    fn on_act(&mut self, act: Act) {
        self.acts -= 1;
        match act {
            Act::Play(track, at) => {
                self.plays += 1;
                let play = PlayId(self.plays);
                self.listener.next = Some((track.clone(), at));
                self.listener.follow = None;
                self.listener.last = play;
                self.feed(ClientInput::Play { play, track, at });
            }
            Act::Follow(track) => self.follow(track),
            Act::Pause => {
                self.paused = true;
                self.feed(ClientInput::Pause);
            }
            Act::Resume => {
                self.paused = false;
                self.feed(ClientInput::Resume);
            }
            Act::Target(target) => {
                let target = self.fill.asked(target);
                self.hold(target);
            }
            Act::Outage(time) => {
                self.down_until = self.now + time;
                self.connection += 1;
                self.node.reconnected();
                let open: Vec<_> = self.fetches.keys().copied().collect();
                open.into_iter().for_each(|id| self.after(Duration::ZERO, Event::Reset { id }));
                self.change_path();
            }
        }
    }

    fn hold(&mut self, target: Duration) {
        self.config.target = target;
        self.most = self.most.max(target);
        self.feed(ClientInput::TargetLevel(target));
    }

    /// Reports a path, which can change with each connection.
    fn change_path(&mut self) {
        let kind = self.random.pick(&[PathKind::Loopback, PathKind::Direct, PathKind::Relayed]);
        let rtt = 2 * self.latency;
        let rtt_ms = Some(rtt.as_secs_f64() * 1000.0);
        self.fill.path(rtt);
        self.feed(ClientInput::Path(PathReport { kind, rtt_ms, ..PathReport::default() }));
    }

    fn follow(&mut self, track: Option<TrackId>) {
        self.plays += 1;
        let next = track.map(|track| NextPlay { play: PlayId(self.plays), track });
        self.listener.follow.clone_from(&next);
        self.feed(ClientInput::Follow { after: self.listener.last, next });
    }

    /// Feeds an input to the client and carries out its actions.
    fn feed(&mut self, input: ClientInput) {
        let ends = match &input {
            ClientInput::Info { request, chunk_follows: false, .. }
            | ClientInput::Chunk { request, event: ChunkEvent::End }
            | ClientInput::Refused { request, .. }
            | ClientInput::Damaged { request, .. }
            | ClientInput::Broken { request, .. } => Some(*request),
            _ => None,
        };
        if ends.is_some() && ends == self.under_way {
            self.under_way = None;
            self.count_partial();
        }
        match &input {
            ClientInput::Refused { error, .. } if error.code == ErrorCode::UnknownRendition => {
                self.listener.is_unknown = true;
            }
            ClientInput::Chunk { request, event: ChunkEvent::Packet(packet) }
                if self.under_way == Some(*request) =>
            {
                self.came += packet.len() as u64;
                self.part = 0;
            }
            ClientInput::PartialPacket { request, bytes } if self.under_way == Some(*request) => {
                self.parts += 1;
                self.part = *bytes;
            }
            _ => {}
        }
        self.client.handle(self.now, input);
        while let Some(output) = self.client.poll() {
            match output {
                ClientAction::GetInfo { request, track, at, then_chunk } => {
                    self.get_info(request, track, at, then_chunk);
                }
                ClientAction::GetChunk { request, message, rendition } => {
                    assert!(
                        !self.client.failed_codecs().contains(&rendition.id.codec),
                        "a codec that failed"
                    );
                    let (frames, most) = (rendition.frames_in(message.index), rendition.max_chunk_bytes());
                    let reader = ChunkReader::new(message.index, frames, most);
                    let data = serde_json::to_string(&message).unwrap();
                    self.send(request, Protocol::RequestChunk, data, Fetch::Chunk(Box::new(reader)));
                }
                ClientAction::Abandon { request, silent } => {
                    self.silences += u64::from(silent);
                    self.abandon(request);
                }
                ClientAction::Failed { play, track, error } => {
                    self.listener.give_up(play, &track, &error, self.client.failed_codecs());
                }
                other => {
                    match &other {
                        ClientAction::Clear { .. } | ClientAction::Rewind => {
                            self.reported = Duration::ZERO;
                            self.fill.jump();
                        }
                        ClientAction::ChunkStart { rendition, .. } => self.fill.carries(rendition.bitrate),
                        _ => {}
                    }
                    let begins = matches!(other, ClientAction::TrackStart { refetch: false, .. });
                    let before = self.listener.held;
                    self.listener.take(other);
                    let lasts = self.listener.held.saturating_sub(before);
                    if !lasts.is_zero() {
                        self.fill.arrived(self.now, lasts);
                    }
                    if begins && self.album > 0 && self.listener.follow.is_none() {
                        self.album -= 1;
                        let track = self.random.pick(&["a", "b", "c"]).parse().unwrap();
                        self.follow(Some(track));
                    }
                }
            }
        }
        assert!(self.listener.held < self.most + CHUNK, "{:?} are held", self.listener.held);
        if self.listener.held != self.reported {
            self.report();
        }
        self.fit();
    }

    /// Counts a partial packet whose rest will not arrive.
    fn count_partial(&mut self) {
        let part = std::mem::take(&mut self.part);
        self.abandoned += u64::from(part > 0);
        self.came += part;
    }

    /// Applies the buffer policy.
    fn fit(&mut self) {
        self.fill.owed(self.now, self.client.has_demand() && self.client.is_request_pending());
        let troubles = self.listener.dips + self.silences + self.connection;
        let Some(target) = self.fill.fit(self.now, troubles, self.paused) else { return };
        self.raised += u64::from(target > self.config.target);
        self.hold(target);
    }

    /// Measures the memory of both ends, as the length of their debug text.
    pub(crate) fn memory(&self) -> usize {
        format!("{:?} {:?}", self.client, self.node).len()
    }

    fn report(&mut self) {
        self.reported = self.listener.held;
        self.feed(ClientInput::BufferLevel(self.reported));
    }

    fn get_info(&mut self, request: RequestId, track: TrackId, at: Position, then_chunk: bool) {
        self.listener.expects(&track);
        let codecs = ["c8000", "c44100", "c48000"].map(String::from).into_iter();
        let codecs = codecs.filter(|id| !self.client.failed_codecs().contains(id));
        let codecs: Vec<_> = codecs.map(|id| CodecOffer { id, bitrate: None }).collect();
        if codecs.is_empty() {
            let error = WireError::new(ErrorCode::NoCommonCodec, "none is left");
            return self.feed(ClientInput::Refused { request, error });
        }
        let (output, path) = (OutputOffer::default(), PathReport::default());
        // An older node does not know `then_chunk_at` and answers without a chunk.
        let then_chunk_at = (then_chunk && self.random.chance(70)).then_some(at);
        let message = GetInfo { track, codecs, output, path, then_chunk_at, report_loss: false };
        let data = serde_json::to_string(&message).unwrap();
        self.send(request, Protocol::GetInfo, data, Fetch::Info(Vec::new(), at));
    }
}
