//! A model of everything that the state machine drives: the protocol's session as it is, a node, and a playback thread.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use media_protocol::{
    ChunkIndex, ErrorCode, FrameIndex, Info, Position, Rendition, Track, TrackSource, WireError,
    chunk::ChunkEvent,
    session::client::{
        ClientAction, ClientConfig, ClientInput, ClientSession, DecoderFailed, FixedRendition, NextPlay,
        PlayId, RequestId,
    },
};

use super::super::{Action, Command, Event, Input, Outcome, PlayerState, Repeat};

/// Fate of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Plays,
    /// The node refuses its `get_info`.
    Refused,
    /// The node refuses its second chunk.
    RefusedInTheMiddle,
    /// Its decoder fails at the first packet.
    Undecodable,
}

/// A step of one of the parties.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// The listener gives a command.
    Command(Command),
    /// The session takes a command, or the failure of a decoder.
    Session,
    /// The node answers a part of the request in flight.
    Node,
    /// The playback thread takes an entry of the buffer.
    Playback,
    /// The control loop takes an event.
    Control,
    /// The control loop looks at the progress of the playback thread.
    Progress,
}

/// A track of two chunks at 48 kHz, in a codec of its own.
pub(super) fn info(index: usize) -> Info {
    let rendition = Rendition {
        id: format!("t{index}.c{index}.48000.2.x").parse().unwrap(),
        bitrate: 96_000,
        lossless: false,
        config: Vec::new(),
        frames: 150_000,
        chunks: 2,
        frames_per_chunk: 144_000,
        packet_frames: 960,
        lead_in: 0,
        crossfade: 0,
        continuous: false,
        joinable: false,
    };
    let track = tracks(index + 1).remove(index);
    Info { track, rendition, alternatives: Vec::new(), reason: String::new() }
}

pub(super) fn tracks(count: usize) -> Vec<Track> {
    let track = |index| Track {
        id: format!("t{index}").parse().unwrap(),
        number: index as u32 + 1,
        title: format!("t{index}"),
        artist: String::new(),
        album: String::new(),
        duration_ms: 3125,
        away: false,
        source: TrackSource { codec: "wav".into(), rate: 48_000, channels: 2, bits: Some(16) },
        detail: None,
    };
    (0..count).map(track).collect()
}

/// An entry of the jitter buffer.
#[derive(Debug)]
enum Entry {
    Clear(PlayId),
    Rewind,
    Start(PlayId, Arc<Info>, FrameIndex),
    Packet,
    End,
}

/// The request in flight, and the parts of its answer that are still to come.
#[derive(Debug)]
enum Request {
    Info { request: RequestId, index: usize },
    Chunk { request: RequestId, track: usize, chunk: ChunkIndex, sent: usize, rendition: Arc<Rendition> },
}

#[derive(Debug)]
struct Playing {
    play: PlayId,
    index: usize,
    rendition: Arc<Rendition>,
    from: FrameIndex,
}

#[derive(Debug, Default)]
struct Playback {
    series: PlayId,
    playing: Option<Playing>,
    stalled: bool,
    draining: Option<PlayId>,
    held: bool,
    /// The last play that became audible.
    progress: Option<(PlayId, usize)>,
    /// The tracks of this series that were heard to their end.
    heard: Vec<usize>,
}

#[derive(Debug)]
pub(super) struct Model {
    fates: Vec<Fate>,
    state: PlayerState,
    commands: VecDeque<ClientInput>,
    session: ClientSession,
    request: Option<Request>,
    buffer: VecDeque<Entry>,
    decoder_failures: VecDeque<DecoderFailed>,
    playback: Playback,
    events: VecDeque<Event>,
    /// The track of the last jump.
    start: usize,
    /// True if the order was ever another than that of the list, so that the heard tracks cannot be foretold.
    was_reordered: bool,
    outcome: Option<Outcome>,
    now: Duration,
}

impl Model {
    pub(super) fn new(fates: &[Fate]) -> Self {
        let mut model = Self {
            fates: fates.to_vec(),
            state: PlayerState::new(tracks(fates.len()), 100, Duration::from_secs(3), false, 7),
            commands: VecDeque::new(),
            session: ClientSession::new(ClientConfig::default(), Box::new(FixedRendition)),
            request: None,
            buffer: VecDeque::new(),
            decoder_failures: VecDeque::new(),
            playback: Playback::default(),
            events: VecDeque::new(),
            start: 0,
            was_reordered: false,
            outcome: None,
            now: Duration::ZERO,
        };
        let actions = model.state.start(Position::START, false, Repeat::Off);
        model.act(actions);
        model
    }

    pub(super) fn step(&mut self, step: Step) {
        if self.outcome.is_some() {
            return;
        }
        self.now += Duration::from_millis(1);
        match step {
            Step::Command(command) => {
                self.was_reordered |=
                    matches!(command, Command::SetShuffle { on: true } | Command::CycleRepeat);
                self.progress();
                let actions = self.state.handle(self.now, Input::Command(command));
                self.act(actions);
            }
            Step::Session => _ = self.session_takes_an_input(),
            Step::Node => _ = self.node_answers(),
            Step::Playback => _ = self.playback_takes_an_entry(),
            Step::Control => _ = self.control_takes_an_event(),
            Step::Progress => self.progress(),
        }
    }

    /// Lets all parties run until nothing is left to do. Resumes first and repeats nothing, so that the list can end.
    pub(super) fn run_to_the_end(&mut self) {
        self.step(Step::Command(Command::Play));
        self.step(Step::Command(Command::SetRepeat { repeat: Repeat::Off }));
        for round in 0.. {
            if self.outcome.is_some() {
                break;
            }
            assert!(round < 10_000, "it goes on for ever: {self:?}");
            let is_idle = !self.control_takes_an_event()
                && !self.session_takes_an_input()
                && !self.node_answers()
                && !self.playback_takes_an_entry();
            self.progress();
            if self.events.is_empty() {
                self.check_shown();
            }
            assert!(!is_idle || self.outcome.is_some(), "it hangs at {:?}", self.state.shown());
        }
        let plays_all = self.fates.iter().all(|fate| *fate == Fate::Plays);
        let expected = |outcome: &Outcome| match outcome {
            Outcome::Finished => true,
            Outcome::Incomplete(_) => !plays_all,
            _ => false,
        };
        assert!(self.outcome.as_ref().is_some_and(expected), "{:?}", self.outcome);
        if self.was_reordered {
            return;
        }
        let playable: Vec<_> =
            (self.start..self.fates.len()).filter(|index| self.is_playable(*index)).collect();
        assert_eq!(self.playback.heard, playable, "since the last jump");
    }

    fn is_playable(&self, index: usize) -> bool {
        self.fates[index] == Fate::Plays
    }

    /// If all events are handled and only an audible track is left, that track must be the one that is shown.
    fn check_shown(&self) {
        if let Some((play, index)) = self.playback.progress
            && self.playback.playing.as_ref().is_some_and(|playing| playing.play == play)
            && self.commands.is_empty()
            && !self.buffer.iter().any(|entry| matches!(entry, Entry::Clear(_)))
        {
            let shown = self.state.shown().unwrap();
            assert_eq!((shown.play, shown.index), (play, index), "another track is heard");
        }
    }

    fn progress(&mut self) {
        if let Some((play, _)) = self.playback.progress {
            let position = Position::START.moved(1.0);
            let actions = self.state.handle(self.now, Input::Progress { play, position });
            self.act(actions);
        }
    }

    fn control_takes_an_event(&mut self) -> bool {
        let Some(event) = self.events.pop_front() else { return false };
        self.progress();
        let actions = self.state.handle(self.now, Input::Event(event));
        self.act(actions);
        true
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Play { play, index, start } => {
                    self.start = index;
                    let track = self.state.tracks()[index].id.clone();
                    self.commands.push_back(ClientInput::Play { play, track, at: start });
                }
                Action::Follow { after, play, index } => {
                    let track = self.state.tracks()[index].id.clone();
                    let next = Some(NextPlay { play, track });
                    self.commands.push_back(ClientInput::Follow { after, next });
                }
                Action::EndAfter(after) => {
                    self.commands.push_back(ClientInput::Follow { after, next: None });
                }
                Action::Pause(paused) => {
                    self.commands.push_back(if paused { ClientInput::Pause } else { ClientInput::Resume });
                    self.playback.held = paused;
                }
                // The playback thread has its orders at once, before the session has its commands.
                Action::Drain(series) => self.playback.draining = Some(series),
                Action::Volume(_) | Action::Notify(_) => {}
                Action::Finish(outcome) => self.outcome = Some(outcome),
            }
        }
    }

    fn session_takes_an_input(&mut self) -> bool {
        let input = match self.decoder_failures.pop_front() {
            Some(failed) => ClientInput::DecoderFailed(failed),
            None => match self.commands.pop_front() {
                Some(command) => command,
                None => return false,
            },
        };
        self.feed(input);
        true
    }

    fn feed(&mut self, input: ClientInput) {
        self.session.handle(self.now, input);
        while let Some(action) = self.session.poll() {
            match action {
                ClientAction::GetInfo { request, track, .. } => {
                    self.request = Some(Request::Info { request, index: index_of(track.as_str()) });
                }
                ClientAction::GetChunk { request, message, rendition } => {
                    let track = index_of(rendition.id.track.as_str());
                    let chunk = message.index;
                    self.request = Some(Request::Chunk { request, track, chunk, sent: 0, rendition });
                }
                ClientAction::Abandon { .. } => self.request = None,
                ClientAction::Clear { play } => {
                    self.buffer.clear();
                    self.buffer.push_back(Entry::Clear(play));
                }
                ClientAction::Rewind => {
                    self.buffer.clear();
                    self.buffer.push_back(Entry::Rewind);
                }
                ClientAction::TrackStart { play, info, from, refetch } => {
                    self.buffer.push_back(Entry::Start(play, info, from));
                    if !refetch {
                        self.events.push_back(Event::Fetching(play));
                    }
                }
                ClientAction::Packet(_) => self.buffer.push_back(Entry::Packet),
                ClientAction::TrackEnd => self.buffer.push_back(Entry::End),
                ClientAction::Failed { play, error, .. } => {
                    self.events.push_back(Event::TrackFailed { play, reason: error.to_string() });
                }
                ClientAction::ChunkStart { .. }
                | ClientAction::ChunkEnd { .. }
                | ClientAction::Switched { .. } => {}
                ClientAction::Retrying { reason, .. } => panic!("{reason}"),
            }
        }
    }

    fn node_answers(&mut self) -> bool {
        let Some(request) = &mut self.request else { return false };
        let input = match request {
            Request::Info { request, index } => {
                let (request, index) = (*request, *index);
                self.request = None;
                if self.fates[index] == Fate::Refused {
                    ClientInput::Refused { request, error: WireError::new(ErrorCode::Unreadable, "gone") }
                } else {
                    ClientInput::Info { request, info: Box::new(info(index)), chunk_follows: false }
                }
            }
            Request::Chunk { request, track, chunk, sent, rendition } => {
                let request = *request;
                if self.fates[*track] == Fate::RefusedInTheMiddle && chunk.0 > 0 {
                    self.request = None;
                    ClientInput::Refused { request, error: WireError::new(ErrorCode::Unreadable, "gone") }
                } else {
                    // A few packets stand for all of a chunk.
                    let last = rendition.is_last(*chunk);
                    let frames = rendition.frames_in(*chunk) as u32;
                    let event = match sent {
                        0 => ChunkEvent::Header { index: *chunk, frames, last },
                        1 | 2 => ChunkEvent::Packet(Bytes::from_static(b"x")),
                        _ => ChunkEvent::End,
                    };
                    *sent += 1;
                    if event == ChunkEvent::End {
                        self.request = None;
                    }
                    ClientInput::Chunk { request, event }
                }
            }
        };
        // A buffer of 6 packets is full: the session stops until the playback thread takes some.
        self.feed(input);
        self.report_level();
        true
    }

    fn report_level(&mut self) {
        let packets = self.buffer.iter().filter(|entry| matches!(entry, Entry::Packet)).count();
        let level = Duration::from_millis(500) * packets as u32;
        self.feed(ClientInput::BufferLevel(level));
    }

    /// Keeps the order of the real thread: commands first, then an entry of the buffer, then the case of an empty buffer.
    fn playback_takes_an_entry(&mut self) -> bool {
        if self.playback.held {
            return false;
        }
        let Some(entry) = self.buffer.pop_front() else { return self.playback_is_dry() };
        match entry {
            Entry::Clear(series) => {
                let Playback { draining, held, progress, .. } = std::mem::take(&mut self.playback);
                self.playback = Playback { series, draining, held, progress, ..Playback::default() };
            }
            Entry::Rewind => self.playback.stalled = false,
            _ if self.playback.stalled => {}
            Entry::Start(play, info, from) => {
                let index = index_of(info.track.id.as_str());
                let rendition = Arc::new(info.rendition.clone());
                self.playback.playing =
                    Some(Playing { play, index, rendition: Arc::clone(&rendition), from });
                self.playback.progress = Some((play, index));
                self.events.push_back(Event::Began { play, info, rendition, reason: "".into() });
            }
            Entry::Packet => {
                if let Some(playing) = &self.playback.playing
                    && self.fates[playing.index] == Fate::Undecodable
                {
                    self.playback.stalled = true;
                    self.decoder_failures.push_back(DecoderFailed {
                        play: playing.play,
                        rendition: Arc::clone(&playing.rendition),
                        at: playing.from,
                        reason: "it broke".into(),
                    });
                }
            }
            Entry::End => {
                if let Some(playing) = self.playback.playing.take() {
                    if self.is_playable(playing.index) {
                        self.playback.heard.push(playing.index);
                    }
                    self.events.push_back(Event::Ended(playing.play));
                }
            }
        }
        self.report_level();
        true
    }

    fn playback_is_dry(&mut self) -> bool {
        let Playback { series, playing: None, draining, .. } = self.playback else { return false };
        let is_due = draining == Some(series);
        if is_due {
            self.playback.draining = None;
            self.events.push_back(Event::Drained(series));
        }
        is_due
    }
}

/// The index in the name of a track.
fn index_of(name: &str) -> usize {
    name[1..].parse().unwrap()
}
