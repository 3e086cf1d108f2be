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
    node::Node,
    random::Random,
};

mod fetch;
mod network;

const TICK: Duration = Duration::from_millis(50);
const CHUNK: Duration = Duration::from_secs(3);

/// What a person does, or the network by itself.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Play(TrackId, Position),
    Follow(Option<TrackId>),
    Pause,
    Resume,
    /// From now on the client holds so much.
    Target(Duration),
    /// The connection is lost, and there is none for so long.
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

/// A client, a node, what lies between them, and the time.
pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) node: Node,
    pub(crate) listener: Listener,
    /// Plays that the client was told of.
    plays: u64,
    /// Requests that left.
    pub(crate) requests: u64,
    /// Requests that the network or the node failed.
    pub(crate) failures: u64,
    /// How often the target rose by itself.
    pub(crate) raised: u64,
    /// How often a part of a packet was told of, and how often no more of it came.
    pub(crate) parts: u64,
    pub(crate) broken_off: u64,
    now: Duration,
    events: BTreeMap<(Duration, u64), Event>,
    scheduled: u64,
    acts: usize,
    client: ClientSession,
    fill: Box<dyn Fill>,
    /// Requests that were given up for their silence.
    silences: u64,
    config: ClientConfig,
    /// The highest target so far.
    most: Duration,
    paused: bool,
    reported: Duration,
    under_way: Option<RequestId>,
    /// Bytes of packets that came in time, those of one that has not come whole, and those that the choice of a rate was
    /// told of.
    came: u64,
    part: u64,
    told: Arc<AtomicU64>,
    fetches: HashMap<RequestId, Fetch>,
    connection: u64,
    down_until: Duration,
    latency: Duration,
    jitter: u64,
    failing_percent: u64,
    /// How often an encoder fails, in percent of the chunks, and a decoder, in permille of the ticks.
    pub(crate) encoder_fails: u64,
    pub(crate) decoder_fails: u64,
    /// So many tracks follow by themselves, as those of an album do.
    pub(crate) album: u32,
}

impl World {
    pub(crate) fn new(seed: u64, Driver { choice, mut fill }: Driver) -> Self {
        let mut random = Random(seed);
        let (mut config, told) = (ClientConfig::default(), Arc::<AtomicU64>::default());
        config.target = fill.asked(config.target);
        let choice = Watched { choice, told: Arc::clone(&told), so_far: 0 };
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
            broken_off: 0,
            config,
            most: config.target,
            paused: false,
            reported: Duration::ZERO,
            under_way: None,
            came: 0,
            part: 0,
            told,
            fetches: HashMap::new(),
            connection: 0,
            down_until: Duration::ZERO,
            latency: random.millis(300),
            jitter: random.below(200),
            failing_percent: random.pick(&[0, 5, 40]),
            encoder_fails: random.pick(&[0, 0, 2, 10]),
            decoder_fails: random.pick(&[0, 0, 2, 10]),
            album: random.pick(&[0, 0, 8]),
            random,
        };
        world.after(TICK, Event::Tick);
        world.change_path();
        world
    }

    /// Has something done at that time.
    pub(crate) fn act(&mut self, at: Duration, act: Act) {
        self.acts += 1;
        self.after(at, Event::Act(act));
    }

    /// Runs until all acts are done and everything that was asked for has come.
    pub(crate) fn run(&mut self) {
        for _ in 0..500_000 * (1 + self.album) {
            if self.acts == 0 && self.listener.is_idle() {
                assert_eq!(self.told.load(Ordering::Relaxed), self.came, "the choice knows of all bytes");
                return;
            }
            self.step();
        }
        panic!("the session has come to a halt: {:?}", self.client);
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
            // By then a person may have asked for something else.
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

    /// A new connection may go another way.
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

    /// Hands an input to the client and does what it says.
    fn feed(&mut self, input: ClientInput) {
        let ends = match &input {
            ClientInput::Info { request, chunk_follows: false, .. }
            | ClientInput::Chunk { request, event: ChunkEvent::End }
            | ClientInput::Refused { request, .. }
            | ClientInput::Broken { request, .. } => Some(*request),
            _ => None,
        };
        if ends.is_some() && ends == self.under_way {
            self.under_way = None;
            self.break_off();
        }
        match &input {
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

    /// No more comes of the packet of which a part is there.
    fn break_off(&mut self) {
        let part = std::mem::take(&mut self.part);
        self.broken_off += u64::from(part > 0);
        self.came += part;
    }

    /// Holds more, or less, where that is due.
    fn fit(&mut self) {
        self.fill.owed(self.now, self.client.has_demand() && self.client.is_request_pending());
        let troubles = self.listener.dips + self.silences + self.connection;
        let Some(target) = self.fill.fit(self.now, troubles, self.paused) else { return };
        self.raised += u64::from(target > self.config.target);
        self.hold(target);
    }

    /// How much the session's two ends remember: the length of what they are written as.
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
        // A node of before this was thought of answers without a chunk, as if it had not been asked for.
        let then_chunk_at = (then_chunk && self.random.chance(70)).then_some(at);
        let data = serde_json::to_string(&GetInfo { track, codecs, output, path, then_chunk_at }).unwrap();
        self.send(request, Protocol::GetInfo, data, Fetch::Info(Vec::new(), at));
    }
}
