//! The client's side of a session: decides what to ask for and when, and puts what comes back in order.
//!
//! # Invariants
//!
//! - At most one request is under way.
//! - No request leaves while paused, or while the client holds its target.
//! - Every packet of a chunk is delivered once and in order, however often the chunk had to be asked for again: a chunk's
//!   bytes are the same each time, so the packets that were delivered before are passed over.

mod event;
mod rate;
mod wanted;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::{
    ChunkRequest, ErrorCode, FrameIndex, Info, PathReport, Position, TrackId, WireError, chunk::ChunkEvent,
};

use self::wanted::{Playing, Wanted};
pub use event::{Config, Failure, Input, Output, RequestId};
pub use rate::{Delivery, RateChoice, Situation, Stay, Switch};

#[derive(Debug, Clone)]
enum Want {
    Nothing,
    Info { track: TrackId, at: Position },
    Chunk(Wanted),
}

/// The state machine. Feed it with [`Client::handle`], then take what it says from [`Client::poll`] until that is empty.
#[derive(Debug)]
pub struct Client {
    config: Config,
    now: Duration,
    want: Want,
    follow: Option<TrackId>,
    /// The request under way, and when it last gave a sign of life.
    request: Option<(RequestId, Duration)>,
    /// When to try again, after a failure.
    retry_at: Option<Duration>,
    attempts: u32,
    /// When the first failure of the present row happened.
    failing_since: Option<Duration>,
    paused: bool,
    held: Duration,
    next_request: u64,
    /// What is known of the last few tracks, so that a seek needs no `get_info`.
    known: VecDeque<Arc<Info>>,
    path: PathReport,
    choice: Box<dyn RateChoice>,
    outputs: VecDeque<Output>,
}

impl Client {
    /// How many tracks' infos are remembered.
    const KNOWN: usize = 4;
    /// The first wait before a retry; it doubles up to [`Client::LONGEST_BACKOFF`].
    const FIRST_BACKOFF: Duration = Duration::from_millis(100);
    const LONGEST_BACKOFF: Duration = Duration::from_millis(500);
    /// The longest wait that a busy node is granted.
    const LONGEST_WAIT: Duration = Duration::from_secs(30);

    /// A client that plays nothing yet.
    #[must_use]
    pub fn new(config: Config, choice: Box<dyn RateChoice>) -> Self {
        Self {
            config,
            now: Duration::ZERO,
            want: Want::Nothing,
            follow: None,
            request: None,
            retry_at: None,
            attempts: 0,
            failing_since: None,
            paused: false,
            held: Duration::ZERO,
            next_request: 0,
            known: VecDeque::new(),
            path: PathReport::default(),
            choice,
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input at `now`, counted from any fixed instant.
    pub fn handle(&mut self, now: Duration, input: Input) {
        self.now = self.now.max(now);
        match input {
            Input::Play { track, at } => self.play(track, at),
            Input::Follow(track) => self.follow = track,
            Input::Pause => self.paused = true,
            // A pause is no time in which the node could have answered.
            Input::Resume => (self.paused, self.failing_since) = (false, None),
            Input::Held(held) => self.held = held,
            Input::Path(path) => self.path = path,
            Input::Info { request, info, chunk_follows } => self.on_info(request, *info, chunk_follows),
            Input::Chunk { request, event } => self.on_chunk(request, event),
            Input::Refused { request, error } => self.on_refused(request, error),
            Input::Broken { request, reason } => self.on_broken(request, reason),
            Input::Timeout => self.on_timeout(),
        }
        self.ask();
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call with [`Input::Timeout`], if nothing happens before.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        match (self.retry_at, self.request) {
            (Some(at), _) => (!self.paused).then_some(at),
            (None, Some((_, alive))) => Some(alive + self.config.timeout),
            (None, None) => None,
        }
    }

    /// Whether something is wanted from the node, be it asked for already or once there is room.
    #[must_use]
    pub fn wants(&self) -> bool {
        !self.paused && !matches!(self.want, Want::Nothing)
    }

    /// Whether the node was asked for something and has not answered in full, or is to be asked again.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.request.is_some() || self.retry_at.is_some()
    }

    /// Forgets what is known of tracks, so that the next play negotiates anew.
    pub fn forget(&mut self) {
        self.known.clear();
    }

    fn play(&mut self, track: TrackId, at: Position) {
        if let Some((request, _)) = self.request.take() {
            self.outputs.push_back(Output::Abandon { request, silent: false });
        }
        self.outputs.push_back(Output::Clear);
        self.held = Duration::ZERO;
        self.recovered();
        match self.known.iter().find(|info| info.track.id == track) {
            Some(info) => self.begin(&Arc::clone(info), at),
            None => self.want = Want::Info { track, at },
        }
    }

    fn begin(&mut self, info: &Arc<Info>, at: Position) {
        let rate = info.rendition.id.rate;
        let from = FrameIndex(at.frame(rate).0.min(info.rendition.frames));
        self.outputs.push_back(Output::Begin { info: Arc::clone(info), from });
        match info.rendition.chunk_at(at) {
            Some(index) => self.want = Want::Chunk(Wanted::new(Playing::new(info), index)),
            None => self.end_track(),
        }
    }

    fn end_track(&mut self) {
        self.outputs.push_back(Output::TrackEnd);
        self.want = Want::Nothing;
    }

    /// Sends the next request, where one is due.
    fn ask(&mut self) {
        if self.paused || self.request.is_some() || self.retry_at.is_some() || self.held >= self.config.target
        {
            return;
        }
        if matches!(self.want, Want::Nothing)
            && let Some(track) = self.follow.take()
        {
            match self.known.iter().find(|info| info.track.id == track) {
                Some(info) => self.begin(&Arc::clone(info), Position::START),
                None => self.want = Want::Info { track, at: Position::START },
            }
        }
        self.choose();
        let request = RequestId(self.next_request);
        let output = match &mut self.want {
            Want::Nothing => return,
            Want::Info { track, at } => Output::GetInfo { request, track: track.clone(), at: *at },
            Want::Chunk(wanted) => {
                (wanted.seen, wanted.bytes, wanted.sent, wanted.header) = (0, 0, self.now, None);
                let rendition = Arc::clone(&wanted.playing.rendition);
                let message = ChunkRequest { rendition: rendition.id.clone(), index: wanted.index };
                Output::GetChunk { request, message, rendition }
            }
        };
        self.next_request += 1;
        self.request = Some((request, self.now));
        self.outputs.push_back(output);
    }

    /// Settles the rendition of the chunk that is asked for next.
    fn choose(&mut self) {
        let Want::Chunk(wanted) = &mut self.want else { return };
        // What was begun is ended as it was begun, unless it is given up.
        if wanted.started || wanted.had > 0 {
            return;
        }
        let situation = wanted.playing.situation(self.held, self.config.target, &self.path);
        if let Some(switch) = self.choice.choose(&situation) {
            self.outputs.extend(wanted.playing.switch(switch));
        }
    }

    /// Gives the chunk that is coming up for the rest of it in another rendition, where that is better.
    fn reconsider(&mut self) {
        let Want::Chunk(wanted) = &mut self.want else { return };
        let situation = wanted.playing.situation(self.held, self.config.target, &self.path);
        let Some(switch) = self.choice.reconsider(&situation, wanted.delivery(self.now)) else { return };
        let (had, rate) = (wanted.audible(), wanted.playing.rendition.id.rate);
        let Some(switched) = wanted.playing.switch(switch) else { return };
        if let Some((request, _)) = self.request.take() {
            self.outputs.push_back(Output::Abandon { request, silent: false });
        }
        self.outputs.push_back(switched);
        let had = Position::of_frame(FrameIndex(had), rate).frame(wanted.playing.rendition.id.rate).0;
        *wanted = Wanted { had, ..Wanted::new(wanted.playing.clone(), wanted.index) };
    }

    /// Whether `request` is the one under way; then it has just given a sign of life.
    fn is_current(&mut self, request: RequestId) -> bool {
        match &mut self.request {
            Some((current, alive)) if *current == request => {
                *alive = self.now;
                true
            }
            _ => false,
        }
    }

    fn recovered(&mut self) {
        self.attempts = 0;
        self.retry_at = None;
        self.failing_since = None;
    }

    fn on_info(&mut self, request: RequestId, info: Info, chunk_follows: bool) {
        if !self.is_current(request) {
            return;
        }
        self.request = None;
        let Want::Info { track, at } = &self.want else { return };
        let (track, at) = (track.clone(), *at);
        if let Err(error) = info.rendition.check() {
            return self.fail(error.into());
        }
        if info.track.id != track || info.rendition.id.track != track {
            let error = WireError::new(ErrorCode::Internal, "the node answered for another track");
            return self.fail(error.into());
        }
        self.recovered();
        let info = Arc::new(info);
        self.known.retain(|it| it.track.id != track);
        self.known.push_back(Arc::clone(&info));
        if self.known.len() > Self::KNOWN {
            self.known.pop_front();
        }
        self.begin(&info, at);
        if let Want::Chunk(wanted) = &mut self.want
            && chunk_follows
        {
            wanted.sent = self.now;
            self.request = Some((request, self.now));
        }
    }

    fn on_chunk(&mut self, request: RequestId, event: ChunkEvent) {
        if !self.is_current(request) {
            return;
        }
        self.recovered();
        let Want::Chunk(wanted) = &mut self.want else { return };
        match event {
            ChunkEvent::Header { .. } => {
                wanted.header = Some(self.now);
                if !wanted.started {
                    wanted.started = true;
                    let (index, rendition) = (wanted.index, Arc::clone(&wanted.playing.rendition));
                    let from = FrameIndex(index.first_frame(rendition.id.rate).0 + wanted.had);
                    self.outputs.push_back(Output::ChunkStart { index, from, rendition });
                }
            }
            ChunkEvent::Packet(packet) => {
                wanted.seen += 1;
                wanted.bytes += packet.len() as u64;
                if wanted.seen > wanted.delivered {
                    wanted.delivered = wanted.seen;
                    self.outputs.push_back(Output::Packet(packet));
                }
                self.reconsider();
            }
            ChunkEvent::End => {
                self.request = None;
                self.outputs.push_back(Output::ChunkEnd);
                self.choice.delivered(wanted.delivery(self.now));
                let next = wanted.index.next().filter(|_| !wanted.playing.rendition.is_last(wanted.index));
                match next {
                    Some(index) => *wanted = Wanted::new(wanted.playing.clone(), index),
                    None => self.end_track(),
                }
            }
        }
    }

    fn on_refused(&mut self, request: RequestId, error: WireError) {
        if !self.is_current(request) {
            return;
        }
        self.request = None;
        match error.retry_after_ms {
            _ if error.code != ErrorCode::Busy => self.fail(error.into()),
            Some(after) => {
                let after = Duration::from_millis(after.into()).min(Self::LONGEST_WAIT);
                self.retry(error.message, Some(after));
            }
            None => self.retry(error.message, None),
        }
    }

    fn on_broken(&mut self, request: RequestId, reason: String) {
        if self.is_current(request) {
            self.request = None;
            self.retry(reason, None);
        }
    }

    fn on_timeout(&mut self) {
        if self.retry_at.is_some_and(|at| at <= self.now) {
            self.retry_at = None;
        }
        if let Some((request, alive)) = self.request
            && self.now >= alive + self.config.timeout
        {
            self.request = None;
            self.outputs.push_back(Output::Abandon { request, silent: true });
            self.retry(format!("no answer for {} s", self.config.timeout.as_secs()), None);
        }
    }

    /// Tries again after the time that the node named, else after a wait that grows.
    fn retry(&mut self, reason: String, named: Option<Duration>) {
        let since = *self.failing_since.get_or_insert(self.now);
        if self.now - since >= self.config.give_up {
            return self.fail(Failure::Unreachable(reason));
        }
        let grown = (Self::FIRST_BACKOFF * 2_u32.pow(self.attempts.min(8))).min(Self::LONGEST_BACKOFF);
        let after = named.unwrap_or(grown);
        self.attempts += 1;
        self.retry_at = Some(self.now + after);
        self.outputs.push_back(Output::Retrying { reason, after });
    }

    fn fail(&mut self, error: Failure) {
        let track = match std::mem::replace(&mut self.want, Want::Nothing) {
            Want::Nothing => return,
            Want::Info { track, .. } => track,
            Want::Chunk(wanted) => {
                self.outputs.push_back(Output::TrackEnd);
                wanted.playing.track
            }
        };
        self.recovered();
        self.follow = None;
        self.outputs.push_back(Output::Failed { track, error });
    }
}
