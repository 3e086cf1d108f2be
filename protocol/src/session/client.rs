//! The client's side of a session: decides what to ask for and when, and puts what comes back in order.
//!
//! # Invariants
//!
//! - At most one request is under way.
//! - No request leaves while paused, or while the client holds its target.
//! - Every packet of a chunk is delivered once and in order, however often the chunk had to be asked for again: a chunk's
//!   bytes are the same each time, so the packets that were delivered before are passed over.
//! - A codec that failed, on the node or here, is not asked for again. The track goes on in another one from the frame
//!   where it failed, and what was fetched behind that frame is fetched again in the same order.

mod answer;
mod event;
mod failure;
mod first;
mod rate;
mod wanted;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::{ChunkRequest, FrameIndex, Info, PathReport, Position, TrackId};

use self::{
    first::Before,
    wanted::{Playing, Wanted},
};
pub use event::{ClientAction, ClientConfig, ClientInput, DecoderFailed, Failure, PlayId, RequestId};
pub use rate::{Delivery, FixedRendition, RateChoice, Situation, Switch};

#[derive(Debug, Clone)]
enum Want {
    Nothing,
    Info { track: TrackId, at: Position, again: bool },
    Chunk(Wanted),
}

/// The state machine. Feed it with [`ClientSession::handle`], then take what it says from [`ClientSession::poll`] until that is empty.
#[derive(Debug)]
pub struct ClientSession {
    config: ClientConfig,
    now: Duration,
    want: Want,
    follow: Option<TrackId>,
    /// The tracks begun since the last play, of which some may not be heard yet; the oldest first.
    begun: VecDeque<(PlayId, Playing)>,
    before: Before,
    /// What is fetched again before anything follows, and whether its beginning was told before.
    again: VecDeque<(TrackId, bool)>,
    /// The name of the next track that begins, and of the first since the last play.
    next_play: PlayId,
    first_play: PlayId,
    /// The codecs that failed, on either side.
    failed: Vec<String>,
    /// The request under way, and when it last gave a sign of life.
    request: Option<(RequestId, Duration)>,
    /// When the choice of its rendition was last looked at.
    looked: Duration,
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
    outputs: VecDeque<ClientAction>,
}

impl ClientSession {
    /// How many tracks' infos are remembered.
    const KNOWN: usize = 4;
    /// How many tracks that were begun are remembered; more do not lie in a few seconds of audio.
    const BEGUN: usize = 64;
    /// The first wait before a retry; it doubles up to [`ClientSession::LONGEST_BACKOFF`].
    const FIRST_BACKOFF: Duration = Duration::from_millis(100);
    const LONGEST_BACKOFF: Duration = Duration::from_millis(500);
    /// So often the choice of a rendition is looked at while nothing comes.
    const LOOK: Duration = Duration::from_millis(200);
    /// A packet that comes in parts gives a sign of life with so many bytes of it, and with each so many more.
    const PROGRESS: u64 = 1000;
    /// The longest wait that a busy node is granted.
    const LONGEST_WAIT: Duration = Duration::from_secs(30);

    /// A client that plays nothing yet.
    #[must_use]
    pub fn new(config: ClientConfig, choice: Box<dyn RateChoice>) -> Self {
        Self {
            config,
            now: Duration::ZERO,
            want: Want::Nothing,
            follow: None,
            begun: VecDeque::new(),
            before: Before::default(),
            again: VecDeque::new(),
            next_play: PlayId(0),
            first_play: PlayId(0),
            failed: Vec::new(),
            request: None,
            looked: Duration::ZERO,
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
    pub fn handle(&mut self, now: Duration, input: ClientInput) {
        self.now = self.now.max(now);
        match input {
            ClientInput::Play { track, at } => self.play(track, at),
            ClientInput::Follow(track) => self.follow = track,
            ClientInput::Pause => self.paused = true,
            // A pause is no time in which the node could have answered.
            ClientInput::Resume => (self.paused, self.failing_since) = (false, None),
            ClientInput::BufferLevel(held) => self.held = held,
            ClientInput::TargetLevel(target) => self.config.target = target,
            ClientInput::Path(path) => self.path = path,
            ClientInput::Info { request, info, chunk_follows } => self.on_info(request, *info, chunk_follows),
            ClientInput::Chunk { request, event } => self.on_chunk(request, event),
            ClientInput::PartialPacket { request, bytes } => self.on_part(request, bytes),
            ClientInput::HeadOfLineBlocked { request } => self.on_behind(request),
            ClientInput::Refused { request, error } => self.on_refused(request, error),
            ClientInput::Broken { request, reason } => self.on_broken(request, reason),
            ClientInput::DecoderFailed(failed) => self.on_decoder_failed(failed),
            ClientInput::Timeout => self.on_timeout(),
        }
        self.ask();
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<ClientAction> {
        self.outputs.pop_front()
    }

    /// When to call with [`ClientInput::Timeout`], if nothing happens before.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        match (self.retry_at, self.request) {
            (Some(at), _) => (!self.paused).then_some(at),
            (None, Some((_, alive))) => Some((alive + self.config.timeout).min(self.look_at())),
            (None, None) => None,
        }
    }

    /// When to look at the chunk that is under way, should nothing come of it before.
    fn look_at(&self) -> Duration {
        match &self.want {
            Want::Chunk(_) if !self.paused => self.looked + Self::LOOK,
            _ => Duration::MAX,
        }
    }

    /// Whether something is wanted from the node, be it asked for already or once there is room.
    #[must_use]
    pub fn has_demand(&self) -> bool {
        !self.paused && !matches!(self.want, Want::Nothing)
    }

    /// Whether the node was asked for something and has not answered in full, or is to be asked again.
    #[must_use]
    pub fn is_request_pending(&self) -> bool {
        self.request.is_some() || self.retry_at.is_some()
    }

    fn play(&mut self, track: TrackId, at: Position) {
        self.abandon();
        self.outputs.push_back(ClientAction::Clear);
        self.held = Duration::ZERO;
        self.recovered();
        self.begun.clear();
        self.again.clear();
        self.first_play = self.next_play;
        self.want_track(track, at, false);
    }

    fn want_track(&mut self, track: TrackId, at: Position, again: bool) {
        match self.known.iter().find(|info| info.track.id == track) {
            Some(info) => self.begin(&Arc::clone(info), at, again),
            None => self.want = Want::Info { track, at, again },
        }
    }

    fn begin(&mut self, info: &Arc<Info>, at: Position, again: bool) {
        let rate = info.rendition.id.rate;
        let from = FrameIndex(at.frame(rate).0.min(info.rendition.frames));
        let (play, playing) = (self.next_play, Playing::new(info, &self.failed));
        self.next_play.0 += 1;
        self.before.track = Some(playing.clone());
        self.begun.push_back((play, playing.clone()));
        if self.begun.len() > Self::BEGUN {
            self.begun.pop_front();
        }
        self.outputs.push_back(ClientAction::TrackStart {
            play,
            info: Arc::clone(info),
            from,
            refetch: again,
        });
        match info.rendition.chunk_at(at) {
            Some(index) => self.want = Want::Chunk(Wanted::new(playing, index)),
            None => self.end_track(),
        }
    }

    fn end_track(&mut self) {
        self.outputs.push_back(ClientAction::TrackEnd);
        self.want = Want::Nothing;
    }

    /// Sends the next request, where one is due.
    fn ask(&mut self) {
        if self.paused || self.request.is_some() || self.retry_at.is_some() || self.held >= self.config.target
        {
            return;
        }
        if matches!(self.want, Want::Nothing) {
            let next = self.again.pop_front().or_else(|| self.follow.take().map(|track| (track, false)));
            if let Some((track, again)) = next {
                self.want_track(track, Position::START, again);
            }
        }
        self.choose();
        let then_chunk = matches!(self.want, Want::Info { .. }) && self.asks_for_first();
        let request = RequestId(self.next_request);
        let output = match &mut self.want {
            Want::Nothing => return,
            Want::Info { track, at, .. } => {
                ClientAction::GetInfo { request, track: track.clone(), at: *at, then_chunk }
            }
            Want::Chunk(wanted) => {
                (wanted.seen, wanted.bytes, wanted.part, wanted.sent, wanted.header) =
                    (0, 0, 0, self.now, None);
                wanted.is_behind = false;
                let rendition = Arc::clone(&wanted.playing.rendition);
                let message = ChunkRequest { rendition: rendition.id.clone(), index: wanted.index };
                ClientAction::GetChunk { request, message, rendition }
            }
        };
        self.next_request += 1;
        self.request = Some((request, self.now));
        self.looked = self.now;
        self.outputs.push_back(output);
    }

    /// Settles the rendition of the chunk that is asked for next.
    fn choose(&mut self) {
        let Want::Chunk(wanted) = &mut self.want else { return };
        // What was begun is ended as it was begun, unless it is given up.
        if wanted.started || wanted.had > Position::START {
            return;
        }
        let situation = wanted.playing.situation(self.now, self.held, self.config.target, &self.path);
        if let Some(switch) = self.choice.choose(&situation) {
            self.outputs.extend(wanted.playing.switch(switch));
        }
    }

    /// Gives the chunk that is coming up for the rest of it in another rendition, where that is better.
    fn reconsider(&mut self) {
        self.looked = self.now;
        if self.paused {
            return;
        }
        let Want::Chunk(wanted) = &mut self.want else { return };
        let situation = wanted.playing.situation(self.now, self.held, self.config.target, &self.path);
        let Some(switch) = self.choice.reconsider(&situation, wanted.delivery(self.now)) else { return };
        let had = wanted.audible();
        let (mut playing, index) = (wanted.playing.clone(), wanted.index);
        let Some(switched) = playing.switch(switch) else { return };
        self.abandon();
        self.outputs.push_back(switched);
        self.want = Want::Chunk(Wanted { had, ..Wanted::new(playing, index) });
    }

    fn recovered(&mut self) {
        self.attempts = 0;
        self.retry_at = None;
        self.failing_since = None;
    }
}
