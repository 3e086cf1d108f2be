//! A listener on a path, in virtual time: with the real session, but with packets and playback as plain
//! numbers.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use media_protocol::{
    ChunkIndex, Info, PathKind, PathReport, Position, Rendition, Track, TrackId, TrackSource,
    chunk::ChunkEvent,
    chunk_count, frames_per_chunk,
    session::client::{
        ClientAction, ClientConfig, ClientInput, ClientSession, NextPlay, PlayId, RateChoice, RequestId,
    },
};

use super::traces::{LENGTH, Trace};

const RATE: u32 = 48_000;
const PACKET: u32 = 960;
/// Factor for the headers of QUIC, UDP and IP on a packet of about 1,200 bytes.
const HEADERS: f64 = 1.06;
const TICK: f64 = 0.01;
/// Level at which sound starts, in seconds.
const START: f64 = 0.2;
/// Bytes of a stream in one datagram.
const DATAGRAM: usize = 1100;
static ZEROS: [u8; 16384] = [0; 16384];

/// Result of one playback.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) underruns: u32,
    /// Total silence, in seconds.
    pub(crate) underrun_time: f64,
    /// Bits and seconds of the played audio.
    pub(crate) bits: f64,
    pub(crate) played: f64,
    pub(crate) switches: u32,
}

impl Heard {
    pub(crate) fn add(&mut self, other: &Self) {
        self.underruns += other.underruns;
        self.underrun_time += other.underrun_time;
        self.bits += other.bits;
        self.played += other.played;
        self.switches += other.switches;
    }
}

/// An answer of the node.
#[derive(Clone)]
enum Says {
    Info(Box<Info>, bool),
    Chunk(ChunkEvent),
    /// Received bytes of a packet that is still incomplete.
    Part(u64),
}

/// A piece of an answer: its request, its bytes on the path, its content.
type Piece = (RequestId, usize, Says);

/// A request on its way: its arrival, its id, and the node's answer; empty if the request is abandoned.
type Asked = (f64, RequestId, Vec<Piece>);

struct Model<'a> {
    trace: &'a Trace,
    client: ClientSession,
    now: f64,
    /// Pieces that the node has still to send on the open stream.
    backlog: VecDeque<Piece>,
    /// Queue at the bottleneck.
    queue: VecDeque<Piece>,
    queued: usize,
    /// Bytes that the bottleneck may pass now.
    credit: f64,
    /// Pieces on their way to the client, with their arrivals.
    coming: VecDeque<(f64, Piece)>,
    /// Requests on their way to the node.
    asked: VecDeque<Asked>,
    /// Buffered audio: seconds and bitrate of each run.
    held: VecDeque<(f64, f64)>,
    filling: Option<(Arc<Rendition>, u64, u64)>,
    sounding: bool,
    begun: bool,
    heard: Heard,
    /// Length of each track, in seconds.
    length: u64,
    tracks: u32,
    /// Track and bitrate of each chunk.
    chunks: Vec<(u32, u32)>,
}

/// Size of an info message with all renditions, in bytes.
const INFO: usize = 3000;

fn track(number: u32) -> TrackId {
    format!("{number:016x}").parse().unwrap()
}

fn info(trace: &Trace, id: TrackId, length: u64) -> Info {
    let frames = length * u64::from(RATE);
    let rendition = |bitrate: u32, packet_frames: u32, lossless: bool| Rendition {
        id: format!("{id}.test.{RATE}.2.{bitrate}").parse().unwrap(),
        bitrate,
        lossless,
        config: Vec::new(),
        frames,
        chunks: chunk_count(frames, RATE).unwrap(),
        frames_per_chunk: frames_per_chunk(RATE),
        packet_frames,
        lead_in: 0,
        crossfade: 0,
        continuous: false,
        joinable: false,
    };
    let ladder = [96, 160, 128, 64, 48, 32, 24, 16, 12].map(|kbit| rendition(kbit * 1000, PACKET, false));
    let mut all: Vec<_> = ladder.into_iter().collect();
    let place = if trace.kind == PathKind::Lan { 0 } else { all.len() };
    all.insert(place, rendition(trace.lossless.bitrate, trace.lossless.packet_frames, true));
    let source = TrackSource { codec: "flac".into(), rate: RATE, channels: 2, bits: Some(16) };
    let text = String::new;
    let duration_ms = frames * 1000 / u64::from(RATE);
    let track = Track {
        id,
        number: 1,
        title: text(),
        artist: text(),
        album: text(),
        duration_ms,
        away: false,
        source,
        detail: None,
    };
    Info { track, rendition: all.remove(0), alternatives: all, reason: text() }
}

/// Plays one track until the trace ends.
pub(crate) fn play(trace: &Trace, choice: Box<dyn RateChoice>) -> Heard {
    album(trace, choice, LENGTH as u64 + 60).0
}

/// Plays tracks of `length` seconds until the trace ends. Also returns track and bitrate of each chunk.
pub(crate) fn album(trace: &Trace, choice: Box<dyn RateChoice>, length: u64) -> (Heard, Vec<(u32, u32)>) {
    let mut model = Model {
        trace,
        client: ClientSession::new(ClientConfig::default(), choice),
        now: 0.0,
        backlog: VecDeque::new(),
        queue: VecDeque::new(),
        queued: 0,
        credit: 0.0,
        coming: VecDeque::new(),
        asked: VecDeque::new(),
        held: VecDeque::new(),
        filling: None,
        sounding: false,
        begun: false,
        heard: Heard::default(),
        length,
        tracks: 0,
        chunks: Vec::new(),
    };
    let path = PathReport { kind: trace.kind, rtt_ms: Some(trace.rtt * 1000.0), ..PathReport::default() };
    model.feed(ClientInput::Path(path));
    model.feed(ClientInput::Play { play: PlayId(1), track: track(1), at: Position::START });
    while model.now < trace.rates.len() as f64 * trace.step {
        model.tick();
    }
    (model.heard, model.chunks)
}

impl Model<'_> {
    fn feed(&mut self, input: ClientInput) {
        self.client.handle(Duration::from_secs_f64(self.now), input);
        while let Some(output) = self.client.poll() {
            self.act(output);
        }
    }

    fn act(&mut self, output: ClientAction) {
        let there = self.now + self.trace.rtt / 2.0;
        match output {
            ClientAction::GetInfo { request, track, then_chunk, .. } => {
                let info = Box::new(info(self.trace, track, self.length));
                // The first info costs nothing, so that each algorithm starts with its own choice.
                if self.tracks == 0 {
                    return self.feed(ClientInput::Info { request, info, chunk_follows: false });
                }
                let chunk = then_chunk.then(|| pieces(request, ChunkIndex(0), &info.rendition));
                let mut answer = vec![(request, on_path(INFO), Says::Info(info, then_chunk))];
                answer.extend(chunk.into_iter().flatten());
                self.asked.push_back((there, request, answer));
            }
            ClientAction::GetChunk { request, message, rendition } => {
                self.asked.push_back((there, request, pieces(request, message.index, &rendition)));
            }
            ClientAction::Abandon { request, .. } => self.asked.push_back((there, request, Vec::new())),
            ClientAction::TrackStart { play: after, .. } => {
                self.tracks += 1;
                let next = NextPlay { play: PlayId(after.0 + 1), track: track(self.tracks + 1) };
                self.feed(ClientInput::Follow { after, next: Some(next) });
            }
            ClientAction::Switched { .. } => self.heard.switches += 1,
            ClientAction::ChunkStart { index, from, rendition, .. } => {
                self.chunks.push((self.tracks, rendition.bitrate));
                let unheard = from.0.saturating_sub(index.first_frame(RATE).0);
                self.filling = Some((rendition, unheard, 0));
            }
            ClientAction::Packet(_) => {
                let Some((rendition, unheard, frames)) = &mut self.filling else { return };
                let before = frames.saturating_sub(*unheard);
                *frames = (*frames + u64::from(rendition.packet_frames)).min(frames_per_chunk(RATE));
                let seconds = (frames.saturating_sub(*unheard) - before) as f64 / f64::from(RATE);
                self.held.push_back((seconds, f64::from(rendition.bitrate)));
            }
            ClientAction::Failed { error, .. } => panic!("{error}"),
            _ => {}
        }
    }

    fn level(&self) -> f64 {
        self.held.iter().map(|(seconds, _)| seconds).sum()
    }

    fn tick(&mut self) {
        self.now += TICK;
        while let Some((_, request, answer)) = next_if(&mut self.asked, |(at, ..)| *at <= self.now) {
            self.backlog.retain(|(of, ..)| *of != request);
            self.backlog.extend(answer);
        }
        self.carry();
        while let Some((_, (request, _, says))) = next_if(&mut self.coming, |(at, _)| *at <= self.now) {
            let held = Duration::from_secs_f64(self.level());
            self.feed(ClientInput::BufferLevel(held));
            self.feed(match says {
                Says::Info(info, chunk_follows) => ClientInput::Info { request, info, chunk_follows },
                Says::Chunk(event) => ClientInput::Chunk { request, event },
                Says::Part(bytes) => ClientInput::PartialPacket { request, bytes },
            });
        }
        self.listen();
        let held = Duration::from_secs_f64(self.level());
        self.feed(ClientInput::BufferLevel(held));
        if self.client.timeout().is_some_and(|at| at.as_secs_f64() <= self.now) {
            self.feed(ClientInput::Timeout);
        }
    }

    /// Moves pieces through the bottleneck: into the queue if they fit, out of it at the rate of the trace.
    fn carry(&mut self) {
        let step = (self.now / self.trace.step) as usize;
        let rate = self.trace.rates.get(step).copied().unwrap_or_default();
        self.credit += rate / 8.0 * TICK;
        let arrives = self.now + self.trace.rtt / 2.0;
        loop {
            while let Some(piece) = next_if(&mut self.backlog, |it| self.queued + it.1 <= self.trace.queue) {
                self.queued += piece.1;
                self.queue.push_back(piece);
            }
            let Some(piece) = next_if(&mut self.queue, |it| it.1 as f64 <= self.credit) else { break };
            self.credit -= piece.1 as f64;
            self.queued -= piece.1;
            self.coming.push_back((arrives, piece));
        }
        // An idle link accumulates no credit.
        if self.queue.is_empty() {
            self.credit = 0.0;
        }
    }

    fn listen(&mut self) {
        if !self.sounding && self.level() >= START {
            (self.sounding, self.begun) = (true, true);
        }
        if !self.sounding {
            self.heard.underrun_time += if self.begun { TICK } else { 0.0 };
            return;
        }
        let mut left = TICK;
        while left > 0.0 {
            let Some((seconds, bitrate)) = self.held.front_mut() else { break };
            let played = seconds.min(left);
            (*seconds, left) = (*seconds - played, left - played);
            self.heard.played += played;
            self.heard.bits += played * *bitrate;
            if *seconds <= 1e-9 {
                self.held.pop_front();
            }
        }
        if left > 1e-9 {
            self.sounding = false;
            self.heard.underruns += 1;
        }
    }
}

fn pieces(request: RequestId, index: ChunkIndex, rendition: &Rendition) -> Vec<Piece> {
    let whole = frames_per_chunk(RATE);
    let frames = u32::try_from(whole).unwrap();
    let mut pieces =
        vec![(request, on_path(20), Says::Chunk(ChunkEvent::Header { index, frames, last: false }))];
    let mut first = 0;
    while first < whole {
        let frames = (whole - first).min(u64::from(rendition.packet_frames));
        first += frames;
        let length = (f64::from(rendition.bitrate) / 8.0 * frames as f64 / f64::from(RATE)) as usize;
        // All but the last datagram of a packet carry a part of it.
        let mut came = 0;
        while length - came > DATAGRAM {
            came += DATAGRAM;
            pieces.push((request, on_path(DATAGRAM), Says::Part(came as u64)));
        }
        let packet = Says::Chunk(ChunkEvent::Packet(Bytes::from_static(&ZEROS[..length])));
        pieces.push((request, on_path(length - came), packet));
    }
    pieces.push((request, on_path(32), Says::Chunk(ChunkEvent::End)));
    pieces
}

/// Bytes on the path for an answer of `length` bytes.
fn on_path(bytes: usize) -> usize {
    (bytes as f64 * HEADERS).ceil() as usize + 2
}

/// Removes the first element if it is ready.
fn next_if<T>(queue: &mut VecDeque<T>, is_ready: impl Fn(&T) -> bool) -> Option<T> {
    if queue.front().is_some_and(is_ready) { queue.pop_front() } else { None }
}
