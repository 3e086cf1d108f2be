//! The client's side of a session: decides which request to send and when, and puts the answers in order.
//!
//! # Invariants
//!
//! - At most one request is in flight.
//! - No request leaves while playback is paused, or while the buffer holds its target level.
//! - Every packet of a chunk is delivered once and in order, even if the chunk is requested several times. A
//!   chunk has the same bytes each time, so the session skips the packets that it delivered before.
//! - A node cannot hold the session for ever, or make it spend bytes without end. A third damaged copy of a
//!   chunk, or a multiple of a chunk's bytes without the chunk, ends its rendition for the track. Only a
//!   complete answer ends the count of [`ClientConfig::give_up`].
//! - A codec that failed, on the node or in the client, is not requested again. The track resumes in another
//!   codec from the frame where it failed, and all that was fetched beyond that frame is fetched again in the
//!   same order.
//! - A rendition that the node does not know is no failure of its codec: the node may have been updated since it
//!   described the track. The client negotiates the track again first. The codec counts as failed if the node
//!   then refuses a rendition before the next whole chunk.

mod action;
mod in_flight;
mod input;
mod rate_choice;
mod refused_chunk;
mod retries;
#[cfg(test)]
mod tests;

use std::{
    cmp::Ordering::{self, Less},
    collections::VecDeque,
    sync::Arc,
    time::Duration,
};

use self::{
    in_flight::{ChunkInFlight, TrackInFlight},
    refused_chunk::RefusedChunk,
    retries::Retries,
};
use crate::{
    ChunkIndex, ChunkRequest, ErrorCode, FrameIndex, GetInfo, Info, PathReport, Position, Rendition, TrackId,
    WireError, chunk::ChunkEvent,
};

pub use action::{ClientAction, Failure, PlayId, RequestId};
pub use input::{ClientInput, DecoderFailed, NextPlay};
pub use rate_choice::{Delivery, FixedRendition, RateChoice, Situation, Switch};

/// Settings of a client's session.
#[derive(Debug, Clone, Copy)]
pub struct ClientConfig {
    /// Buffer level below which the client requests the next chunk. Default: 3 s, one chunk. Tested by
    /// `the_next_chunk_is_requested_below_a_level_of_3_s`.
    pub target: Duration,
    /// Time without progress after which the client abandons a request and repeats it. Default: 8 s. Tested by
    /// `a_request_without_progress_is_abandoned_after_8_s`.
    pub timeout: Duration,
    /// Time of failed retries after which the client stops, counted from the first failure since the last
    /// complete answer. Default: 3 minutes (tests
    /// `retries_go_on_until_the_node_is_given_up_after_3_minutes`,
    /// `only_a_whole_chunk_ends_the_count_of_3_minutes`). A request whose answer is incomplete stops the client
    /// too, but not within the first minute. Tested by `an_answer_that_drips_is_abandoned_after_3_minutes`.
    pub give_up: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            target: Duration::from_secs(3),
            timeout: Duration::from_secs(8),
            give_up: Duration::from_secs(180),
        }
    }
}

/// The data that the session fetches now or next.
#[derive(Debug, Clone)]
enum Fetch {
    Nothing,
    Info {
        play: PlayId,
        track: TrackId,
        at: Position,
        refetch: bool,
    },
    /// The info of a track that has started, to resume it in a rendition that the node makes.
    NewInfo(RefusedChunk),
    Chunk(ChunkInFlight),
}

/// A request without a complete answer.
#[derive(Debug, Clone, Copy)]
struct RequestInFlight {
    id: RequestId,
    /// Time of its last progress, or else of its sending.
    last_progress: Duration,
}

/// A track to fetch from its start, once the present one is complete.
#[derive(Debug)]
struct QueuedTrack {
    play: PlayId,
    track: TrackId,
    /// True if [`ClientAction::TrackStart`] was sent for it before a decoder failed.
    refetch: bool,
}

/// The track fetched last. Tracks of one node are mostly alike, so the client predicts from it which rendition
/// it would choose for the next one.
#[derive(Debug, Default)]
struct PreviousTrack {
    track: Option<TrackInFlight>,
    /// Buffer level when the client sent the next track's `get_info`.
    buffer_level: Duration,
}

/// State machine of one client. Feed it with [`ClientSession::handle`], then call [`ClientSession::poll`]
/// until it returns `None`.
#[derive(Debug)]
pub struct ClientSession {
    config: ClientConfig,
    now: Duration,
    fetch: Fetch,
    next_track: Option<NextPlay>,
    /// Tracks started since the last [`ClientInput::Play`], oldest first. The listener may not have heard all
    /// of them yet.
    started: VecDeque<(PlayId, TrackInFlight)>,
    previous: PreviousTrack,
    /// Tracks to fetch again before `next_track`.
    refetch: VecDeque<QueuedTrack>,
    /// Id of the last [`ClientInput::Play`]. Failures of decoders in earlier plays are ignored.
    first_play: PlayId,
    /// The play that the session began to fetch last, or the one that failed last. [`ClientInput::Follow`] must
    /// name it.
    last_play: PlayId,
    /// Codecs that failed, on either side; the last failure first.
    failed_codecs: Vec<String>,
    request: Option<RequestInFlight>,
    /// Time when the session last reconsidered the rendition of the chunk in flight.
    reconsidered_at: Duration,
    retries: Retries,
    paused: bool,
    buffer_level: Duration,
    next_request: u64,
    /// Infos of the last few tracks, oldest first. A seek within one of them needs no `get_info`.
    infos: VecDeque<Arc<Info>>,
    path: PathReport,
    rate_choice: Box<dyn RateChoice>,
    actions: VecDeque<ClientAction>,
}

impl ClientSession {
    /// Greatest number of remembered infos. Tested by `the_infos_of_the_last_four_tracks_are_remembered`.
    const MAX_INFOS: usize = 4;
    /// Greatest number of remembered tracks that were started. Tested by `the_last_64_started_tracks_are_remembered`. A buffer
    /// of a few seconds holds fewer.
    const MAX_STARTED: usize = 64;
    /// Interval at which the session reconsiders the rendition of the chunk in flight while nothing arrives. Tested by
    /// `a_chunk_in_flight_is_reconsidered_every_200_ms`.
    const RECONSIDER_INTERVAL: Duration = Duration::from_millis(200);
    /// Bytes of a partial packet that count as progress, about one datagram. Tested by
    /// `a_thousand_bytes_of_a_packet_are_progress`.
    const PROGRESS_BYTES: u64 = 1000;
    /// Least time for a complete answer, for a short [`ClientConfig::give_up`] and a slow path. Tested by
    /// `an_answer_that_drips_is_abandoned_after_3_minutes`.
    const MIN_ANSWER_TIME: Duration = Duration::from_secs(60);
    /// Returns a session that plays nothing yet.
    #[must_use]
    pub fn new(config: ClientConfig, rate_choice: Box<dyn RateChoice>) -> Self {
        Self {
            config,
            now: Duration::ZERO,
            fetch: Fetch::Nothing,
            next_track: None,
            started: VecDeque::new(),
            previous: PreviousTrack::default(),
            refetch: VecDeque::new(),
            first_play: PlayId(0),
            last_play: PlayId(0),
            failed_codecs: Vec::new(),
            request: None,
            reconsidered_at: Duration::ZERO,
            retries: Retries::default(),
            paused: false,
            buffer_level: Duration::ZERO,
            next_request: 0,
            infos: VecDeque::new(),
            path: PathReport::default(),
            rate_choice,
            actions: VecDeque::new(),
        }
    }

    /// Takes an input at `now`, a time since any fixed instant.
    pub fn handle(&mut self, now: Duration, input: ClientInput) {
        self.now = self.now.max(now);
        match input {
            ClientInput::Play { play, track, at } => self.on_play(play, track, at),
            ClientInput::Follow { after, next } => self.on_follow(after, next),
            ClientInput::Pause => self.paused = true,
            ClientInput::Resume => self.on_resume(),
            ClientInput::BufferLevel(level) => self.buffer_level = level,
            ClientInput::TargetLevel(target) => self.config.target = target,
            ClientInput::Path(path) => self.path = path,
            ClientInput::Info { request, info, chunk_follows } => self.on_info(request, *info, chunk_follows),
            ClientInput::Chunk { request, event } => self.on_chunk(request, event),
            ClientInput::PartialPacket { request, bytes } => self.on_partial_packet(request, bytes),
            ClientInput::HeadOfLineBlocked { request } => self.on_head_of_line_blocked(request),
            ClientInput::Refused { request, error } => self.on_refused(request, error),
            ClientInput::Broken { request, reason } => self.on_broken(request, reason),
            ClientInput::Damaged { request, reason } => self.on_damaged(request, reason),
            ClientInput::DecoderFailed(failed) => self.on_decoder_failed(failed),
            ClientInput::Timeout => self.on_timeout(),
        }
        self.send_next_request();
    }

    /// Returns the next action to carry out.
    pub fn poll(&mut self) -> Option<ClientAction> {
        self.actions.pop_front()
    }

    /// Returns the time at which to pass [`ClientInput::Timeout`], if no other input comes before.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        if let Some(at) = self.retries.at {
            return (!self.paused).then_some(at);
        }
        let request = self.request?;
        let silent_at = request.last_progress + self.config.timeout;
        Some(silent_at.min(self.reconsider_at()).min(self.give_up_at()))
    }

    /// Returns the time at which to stop if the answer in flight is not complete by then.
    fn give_up_at(&self) -> Duration {
        match self.retries.requesting_since {
            Some(since) if !self.paused => {
                since.saturating_add(self.config.give_up.max(Self::MIN_ANSWER_TIME))
            }
            _ => Duration::MAX,
        }
    }

    /// Returns the time at which to reconsider the rendition of the chunk in flight, if nothing of it arrives
    /// before.
    fn reconsider_at(&self) -> Duration {
        match &self.fetch {
            Fetch::Chunk(_) if !self.paused => self.reconsidered_at + Self::RECONSIDER_INTERVAL,
            _ => Duration::MAX,
        }
    }

    /// True if the client needs data from the node: requested already, or to be requested once the buffer
    /// has room.
    #[must_use]
    pub fn has_demand(&self) -> bool {
        !self.paused && !matches!(self.fetch, Fetch::Nothing)
    }

    /// True if a request is in flight or due to be retried.
    #[must_use]
    pub fn is_request_pending(&self) -> bool {
        self.request.is_some() || self.retries.at.is_some()
    }

    /// The codecs that failed, on the node or in the client: the last [`GetInfo::MAX_CODECS`] of them. The
    /// client no longer offers these.
    #[must_use]
    pub fn failed_codecs(&self) -> &[String] {
        &self.failed_codecs
    }

    fn on_play(&mut self, play: PlayId, track: TrackId, at: Position) {
        self.abandon_request();
        self.actions.push_back(ClientAction::Clear { play });
        self.buffer_level = Duration::ZERO;
        self.retries = Retries::default();
        self.started.clear();
        self.refetch.clear();
        self.next_track = None;
        self.first_play = play;
        self.last_play = play;
        self.fetch_track(play, track, at, false);
    }

    fn on_resume(&mut self) {
        self.paused = false;
        // A pause does not count against the node.
        self.retries.failing_since = None;
        self.retries.requesting_since = self.request.map(|_| self.now);
    }

    fn on_follow(&mut self, after: PlayId, next: Option<NextPlay>) {
        if after == self.last_play {
            self.next_track = next;
        }
    }

    fn fetch_track(&mut self, play: PlayId, track: TrackId, at: Position, refetch: bool) {
        match self.infos.iter().find(|info| info.track.id == track) {
            Some(info) => self.start_track(play, &Arc::clone(info), at, refetch),
            None => self.fetch = Fetch::Info { play, track, at, refetch },
        }
    }

    fn start_track(&mut self, play: PlayId, info: &Arc<Info>, at: Position, refetch: bool) {
        let rate = info.rendition.id.rate;
        let from = FrameIndex(at.frame(rate).0.min(info.rendition.frames));
        let track = TrackInFlight::new(info, &self.failed_codecs);
        self.previous.track = Some(track.clone());
        self.started.push_back((play, track.clone()));
        if self.started.len() > Self::MAX_STARTED {
            self.started.pop_front();
        }
        self.actions.push_back(ClientAction::TrackStart { play, info: Arc::clone(info), from, refetch });
        match info.rendition.chunk_at(at) {
            Some(index) => self.fetch = Fetch::Chunk(ChunkInFlight::new(track, index)),
            None => self.end_track(),
        }
    }

    fn end_track(&mut self) {
        self.actions.push_back(ClientAction::TrackEnd);
        self.fetch = Fetch::Nothing;
    }

    /// Sends the next request, if one is due.
    fn send_next_request(&mut self) {
        let is_full = self.buffer_level >= self.config.target;
        if self.paused || self.is_request_pending() || is_full {
            return;
        }
        if matches!(self.fetch, Fetch::Nothing)
            && let Some(next) = self.take_next_track()
        {
            self.fetch_track(next.play, next.track, Position::START, next.refetch);
        }
        self.choose_rendition();
        let then_chunk = matches!(self.fetch, Fetch::Info { .. }) && self.wants_first_chunk();
        let request = RequestId(self.next_request);
        let action = match &mut self.fetch {
            Fetch::Nothing => return,
            Fetch::Info { track, at, .. } => {
                ClientAction::GetInfo { request, track: track.clone(), at: *at, then_chunk }
            }
            Fetch::NewInfo(refused) => {
                let (track, at) = (refused.track.id.clone(), refused.position());
                ClientAction::GetInfo { request, track, at, then_chunk: false }
            }
            Fetch::Chunk(chunk) => {
                chunk.restart(self.now);
                let rendition = Arc::clone(&chunk.track.rendition);
                let message = ChunkRequest { rendition: rendition.id.clone(), index: chunk.index };
                ClientAction::GetChunk { request, message, rendition }
            }
        };
        self.next_request += 1;
        self.retries.requesting_since.get_or_insert(self.now);
        self.request = Some(RequestInFlight { id: request, last_progress: self.now });
        self.reconsidered_at = self.now;
        self.actions.push_back(action);
    }

    fn take_next_track(&mut self) -> Option<QueuedTrack> {
        let next = || {
            let NextPlay { play, track } = self.next_track.take()?;
            self.last_play = play;
            Some(QueuedTrack { play, track, refetch: false })
        };
        self.refetch.pop_front().or_else(next)
    }

    /// Chooses the rendition of the next chunk.
    fn choose_rendition(&mut self) {
        let Fetch::Chunk(chunk) = &mut self.fetch else { return };
        // A retry keeps the rendition: the listener has packets of it.
        if chunk.started || chunk.resume_at > Position::START {
            return;
        }
        let situation = chunk.track.situation(self.now, self.buffer_level, self.config.target, &self.path);
        if let Some(switch) = self.rate_choice.choose(&situation) {
            self.actions.extend(chunk.track.switch(switch));
        }
    }

    /// Abandons the chunk in flight for the rest of it in another rendition, if that is better.
    fn reconsider_rendition(&mut self) {
        self.reconsidered_at = self.now;
        if self.paused {
            return;
        }
        let Fetch::Chunk(chunk) = &mut self.fetch else { return };
        let situation = chunk.track.situation(self.now, self.buffer_level, self.config.target, &self.path);
        let Some(switch) = self.rate_choice.reconsider(&situation, chunk.delivery(self.now)) else { return };
        let resume_at = chunk.delivered_to();
        let index = chunk.index;
        let mut track = chunk.track.clone();
        let Some(switched) = track.switch(switch) else { return };
        self.abandon_request();
        self.actions.push_back(switched);
        self.fetch = Fetch::Chunk(ChunkInFlight { resume_at, ..ChunkInFlight::new(track, index) });
    }

    /// True if the client should request a track's first chunk together with its info. That saves a round trip,
    /// but the chunk comes in the rendition that the node prefers; so the client does it only if it would
    /// choose that one.
    fn wants_first_chunk(&mut self) -> bool {
        self.previous.buffer_level = self.buffer_level;
        let Some(track) = self.previous.track.take() else { return true };
        let choice = self.compare_choice(&track);
        self.previous.track = Some(track);
        match choice {
            None => true,
            Some(Less) => false,
            // With an empty buffer the listener waits, and a better rendition is not worth a round trip.
            Some(_) => self.buffer_level.is_zero(),
        }
    }

    /// Abandons the chunk that comes with the info, if its bitrate is above the one that the client would
    /// choose: the track is not like the one before, or the path has changed.
    fn check_first_chunk(&mut self) {
        let Fetch::Chunk(chunk) = &self.fetch else { return };
        let track = chunk.track.clone();
        if self.compare_choice(&track) == Some(Less) {
            self.abandon_request();
        }
    }

    /// Compares the bitrate that the client would choose to the track's own; `None` if it would keep that one.
    ///
    /// Both comparisons of a track use the buffer level at its `get_info`, so they agree unless track or path
    /// differ.
    fn compare_choice(&mut self, track: &TrackInFlight) -> Option<Ordering> {
        let buffer_level = self.previous.buffer_level;
        let situation = track.situation(self.now, buffer_level, self.config.target, &self.path);
        let to = self.rate_choice.choose(&situation)?.to;
        track.renditions.get(to).map(|to| to.bitrate.cmp(&track.rendition.bitrate))
    }

    fn is_current(&self, request: RequestId) -> bool {
        self.request.is_some_and(|current| current.id == request)
    }

    /// Notes progress of the request in flight. Returns false if `request` is another one.
    fn note_progress(&mut self, request: RequestId) -> bool {
        match &mut self.request {
            Some(current) if current.id == request => {
                current.last_progress = self.now;
                true
            }
            _ => false,
        }
    }

    fn on_info(&mut self, request: RequestId, info: Info, chunk_follows: bool) {
        if !self.is_current(request) {
            return;
        }
        self.request = None;
        let fetch = self.fetch.clone();
        let track = match &fetch {
            Fetch::Info { track, .. } => track,
            Fetch::NewInfo(refused) => &refused.track.id,
            Fetch::Nothing | Fetch::Chunk(_) => return,
        };
        if let Err(error) = info.rendition.check() {
            return self.fail(error.into());
        }
        if info.track.id != *track || info.rendition.id.track != *track {
            let error = WireError::new(ErrorCode::Internal, "the node answered for another track");
            return self.fail(error.into());
        }
        self.retries = Retries::default();
        let info = Arc::new(info);
        self.remember(Arc::clone(&info));
        match fetch {
            Fetch::Info { play, at, refetch, .. } => self.start_track(play, &info, at, refetch),
            Fetch::NewInfo(refused) => self.resume_renegotiated(&refused, &info),
            Fetch::Nothing | Fetch::Chunk(_) => return,
        }
        if let Fetch::Chunk(chunk) = &mut self.fetch
            && chunk_follows
        {
            chunk.requested_at = self.now;
            self.retries.requesting_since = Some(self.now);
            self.request = Some(RequestInFlight { id: request, last_progress: self.now });
            self.check_first_chunk();
        }
    }

    fn remember(&mut self, info: Arc<Info>) {
        self.infos.retain(|known| known.track.id != info.track.id);
        self.infos.push_back(info);
        if self.infos.len() > Self::MAX_INFOS {
            self.infos.pop_front();
        }
    }

    fn on_partial_packet(&mut self, request: RequestId, bytes: u64) {
        if let Some(current) = &mut self.request
            && current.id == request
            && let Fetch::Chunk(chunk) = &mut self.fetch
        {
            if bytes / Self::PROGRESS_BYTES > chunk.partial_bytes / Self::PROGRESS_BYTES {
                current.last_progress = self.now;
            }
            chunk.partial_bytes = bytes;
            chunk.head_of_line_blocked = false;
            self.reconsider_rendition();
        }
    }

    fn on_head_of_line_blocked(&mut self, request: RequestId) {
        if self.note_progress(request)
            && let Fetch::Chunk(chunk) = &mut self.fetch
        {
            chunk.head_of_line_blocked = true;
            self.reconsider_rendition();
        }
    }

    fn on_chunk(&mut self, request: RequestId, event: ChunkEvent) {
        if !self.note_progress(request) {
            return;
        }
        let Fetch::Chunk(chunk) = &mut self.fetch else { return };
        chunk.head_of_line_blocked = false;
        match event {
            ChunkEvent::Header { .. } => {
                chunk.header_at = Some(self.now);
                if !chunk.started {
                    chunk.started = true;
                    self.actions.push_back(chunk.start());
                }
            }
            ChunkEvent::Packet(packet) => {
                chunk.packets_received += 1;
                chunk.bytes_received += packet.len() as u64;
                chunk.partial_bytes = 0;
                if chunk.packets_received > chunk.packets_delivered {
                    chunk.packets_delivered = chunk.packets_received;
                    self.retries.attempts = 0;
                    self.actions.push_back(ClientAction::Packet(packet));
                }
                self.reconsider_rendition();
            }
            ChunkEvent::Loss(frames) => chunk.silenced = frames,
            ChunkEvent::End => {
                self.request = None;
                self.retries = Retries::default();
                self.actions.push_back(ClientAction::ChunkEnd { silenced: chunk.silenced });
                self.rate_choice.delivered(chunk.delivery(self.now));
                chunk.track.renegotiated = false;
                let next = chunk.index.next().filter(|_| !chunk.track.rendition.is_last(chunk.index));
                match next {
                    Some(index) => *chunk = ChunkInFlight::new(chunk.track.clone(), index),
                    None => self.end_track(),
                }
            }
        }
    }

    fn on_refused(&mut self, request: RequestId, error: WireError) {
        if !self.is_current(request) {
            return;
        }
        self.end_request();
        if error.code == ErrorCode::Busy {
            let demanded = error.retry_after_ms.map(|ms| Duration::from_millis(ms.into()));
            return self.retry_copy(error.message, demanded);
        }
        let is_unknown = error.code == ErrorCode::UnknownRendition;
        let is_codec = is_unknown || error.code == ErrorCode::CodecFailed;
        match &self.fetch {
            Fetch::Chunk(chunk) if is_unknown && !chunk.track.renegotiated => {
                self.fetch = Fetch::NewInfo(RefusedChunk::new(chunk, &error));
                // The node may have changed since it sent any of them.
                self.infos.clear();
            }
            Fetch::Chunk(chunk) if is_codec => {
                let index = chunk.index;
                let resume_at = chunk.delivered_to();
                let track = chunk.track.clone();
                let failed = Arc::clone(&track.rendition);
                let reason = format!("{} failed on the node ({error})", failed.id.codec);
                self.fall_back(track, &failed, index, resume_at, reason);
            }
            _ => self.fail(error.into()),
        }
    }

    fn on_broken(&mut self, request: RequestId, reason: String) {
        if self.is_current(request) {
            self.end_request();
            self.retry_copy(reason, None);
        }
    }

    fn on_damaged(&mut self, request: RequestId, reason: String) {
        if self.is_current(request) {
            self.end_request();
            self.retries.note_damaged();
            self.retry_copy(reason, None);
        }
    }

    /// Retries after a copy of an answer that failed. After too many of them the session resumes in another rendition, or
    /// gives the track up if there is none.
    fn retry_copy(&mut self, reason: String, demanded: Option<Duration>) {
        let max_bytes = match &self.fetch {
            Fetch::Chunk(chunk) => chunk.track.rendition.max_chunk_bytes() as u64,
            _ => u64::MAX,
        };
        let Some(problem) = self.retries.problem(max_bytes, &self.answer_name(), &reason) else {
            return self.retry(reason, demanded);
        };
        let Fetch::Chunk(chunk) = &self.fetch else { return self.fail(Failure::Damaged(problem)) };
        let index = chunk.index;
        let resume_at = chunk.delivered_to();
        let mut track = chunk.track.clone();
        let failed = Arc::clone(&track.rendition);
        track.renditions = track.renditions.iter().filter(|other| other.id != failed.id).cloned().collect();
        if track.renditions.is_empty() || self.now >= self.give_up_at() {
            return self.fail(Failure::Damaged(problem));
        }
        self.retries.forget_copies();
        let reason = format!("{problem}; this rendition is no longer used");
        self.resume_in_first(track, &failed, index, resume_at, reason);
    }

    /// Forgets the request in flight, whose chunk is incomplete, and tells the rate choice how many bytes of
    /// it came.
    fn end_request(&mut self) -> Option<RequestId> {
        let request = self.request.take()?;
        if let Fetch::Chunk(chunk) = &mut self.fetch {
            let bytes = std::mem::take(&mut chunk.bytes_received) + std::mem::take(&mut chunk.partial_bytes);
            if bytes > 0 {
                self.retries.note_wasted(bytes);
                self.rate_choice.abandoned(bytes);
            }
        }
        Some(request.id)
    }

    fn abandon_request(&mut self) {
        if let Some(request) = self.end_request() {
            self.actions.push_back(ClientAction::Abandon { request, silent: false });
        }
    }

    fn on_timeout(&mut self) {
        if self.retries.at.is_some_and(|at| at <= self.now) {
            self.retries.at = None;
        }
        let Some(request) = self.request else { return };
        if self.now >= self.give_up_at() {
            self.abandon_request();
            self.fail(Failure::Unreachable(self.incomplete_answer()));
        } else if self.now >= request.last_progress + self.config.timeout {
            self.end_request();
            self.actions.push_back(ClientAction::Abandon { request: request.id, silent: true });
            self.retry_copy(format!("no answer for {} s", self.config.timeout.as_secs()), None);
        } else if self.now >= self.reconsider_at() {
            self.reconsider_rendition();
        }
    }

    /// Returns to the frame that the decoder could not give. From there on the client fetches everything in
    /// another codec, also the parts of this and of later tracks that it has received already.
    fn on_decoder_failed(&mut self, DecoderFailed { play, rendition, at, reason }: DecoderFailed) {
        if play < self.first_play {
            return;
        }
        self.abandon_request();
        self.retries = Retries::default();
        self.buffer_level = Duration::ZERO;
        self.actions.push_back(ClientAction::Rewind);
        let reason = format!("{} failed here ({reason})", rendition.id.codec);
        let Some(place) = self.started.iter().position(|(started, _)| *started == play) else {
            self.started.clear();
            self.fetch = Fetch::Nothing;
            self.actions.push_back(ClientAction::TrackEnd);
            return self.give_up(play, rendition.id.track.clone(), Failure::NoCodec(reason));
        };
        if let Fetch::Info { play, track, refetch, .. } = &self.fetch {
            self.refetch.push_front(QueuedTrack { play: *play, track: track.clone(), refetch: *refetch });
        }
        for (play, later) in self.started.drain(place + 1..).rev() {
            self.refetch.push_front(QueuedTrack { play, track: later.id, refetch: true });
        }
        let track = self.started[place].1.clone();
        let rate = rendition.id.rate;
        match at.chunk(rate).filter(|_| at.0 < rendition.frames) {
            Some(index) => {
                let into_chunk = FrameIndex(at.0 - index.first_frame(rate).0);
                let resume_at = Position::of_frame(into_chunk, rate);
                self.fall_back(track, &rendition, index, resume_at, reason);
            }
            None => {
                self.note_failed_codec(&rendition);
                self.end_track();
            }
        }
    }

    /// Resumes chunk `index` at `resume_at` in another codec than that of `failed`.
    fn fall_back(
        &mut self,
        mut track: TrackInFlight,
        failed: &Arc<Rendition>,
        index: ChunkIndex,
        resume_at: Position,
        reason: String,
    ) {
        self.note_failed_codec(failed);
        let is_left = |rendition: &&Arc<Rendition>| !self.failed_codecs.contains(&rendition.id.codec);
        track.renditions = track.renditions.iter().filter(is_left).cloned().collect();
        if track.renditions.is_empty() {
            self.fetch = Fetch::Chunk(ChunkInFlight::new(track, index));
            return self.fail(Failure::NoCodec(reason));
        }
        let reason = format!("{reason}; it is no longer used");
        self.resume_in_first(track, failed, index, resume_at, reason);
    }

    /// Resumes a refused chunk in a rendition of the track's new info.
    fn resume_renegotiated(&mut self, refused: &RefusedChunk, info: &Info) {
        let chunk = refused.renegotiated(info, &self.failed_codecs);
        let (from, to) = (Arc::clone(&refused.track.rendition), Arc::clone(&chunk.track.rendition));
        let track = TrackInFlight { renegotiated: false, ..chunk.track.clone() };
        if let Some((_, started)) = self.started.back_mut() {
            *started = track.clone();
        }
        self.previous.track = Some(track);
        // The file can be shorter now.
        let is_past_end = chunk.index.0 >= to.chunks;
        self.fetch = Fetch::Chunk(chunk);
        if to.id != from.id {
            self.actions.push_back(ClientAction::Switched { from, to, reason: refused.reason.clone() });
        }
        if is_past_end {
            self.end_track();
        }
    }

    /// Resumes chunk `index` at `resume_at` in the first rendition of `track`. They stand in the order of the client's offers.
    fn resume_in_first(
        &mut self,
        mut track: TrackInFlight,
        failed: &Arc<Rendition>,
        index: ChunkIndex,
        resume_at: Position,
        reason: String,
    ) {
        let Some(to) = track.renditions.first().cloned() else { return };
        track.rendition = Arc::clone(&to);
        track.reason = reason.as_str().into();
        self.previous.track = Some(track.clone());
        self.fetch = Fetch::Chunk(ChunkInFlight { resume_at, ..ChunkInFlight::new(track, index) });
        self.actions.push_back(ClientAction::Switched { from: Arc::clone(failed), to, reason });
    }

    /// Excludes the codec from now on, and forgets the infos that use it: the client negotiates these tracks
    /// again.
    fn note_failed_codec(&mut self, rendition: &Rendition) {
        let codec = &rendition.id.codec;
        self.infos.retain(|info| info.rendition.id.codec != *codec);
        if !self.failed_codecs.contains(codec) {
            self.failed_codecs.truncate(GetInfo::MAX_CODECS - 1);
            self.failed_codecs.insert(0, codec.clone());
        }
    }

    /// Schedules a retry after the backoff, or after the wait that the node demanded (at most 30 s) if that is longer. Fails the
    /// track if the retries have lasted too long.
    fn retry(&mut self, reason: String, demanded: Option<Duration>) {
        let since = *self.retries.failing_since.get_or_insert(self.now);
        if self.now - since >= self.config.give_up || self.now >= self.give_up_at() {
            return self.fail(Failure::Unreachable(reason));
        }
        let after = self.retries.schedule(self.now, demanded);
        self.actions.push_back(ClientAction::Retrying { reason, after });
    }

    /// Name of the answer in flight, for messages.
    fn answer_name(&self) -> String {
        match &self.fetch {
            Fetch::Chunk(chunk) => format!("chunk {}", chunk.index),
            _ => "the track's info".into(),
        }
    }

    fn incomplete_answer(&self) -> String {
        let since = self.retries.requesting_since.unwrap_or(self.now);
        format!("{} is incomplete after {} s", self.answer_name(), (self.now - since).as_secs())
    }

    /// Gives up the track that the session fetches.
    fn fail(&mut self, error: Failure) {
        let started = match std::mem::replace(&mut self.fetch, Fetch::Nothing) {
            Fetch::Nothing => return,
            Fetch::Info { play, track, .. } => return self.give_up(play, track, error),
            Fetch::NewInfo(refused) => refused.track.id,
            Fetch::Chunk(chunk) => chunk.track.id,
        };
        self.actions.push_back(ClientAction::TrackEnd);
        if let Some((play, _)) = self.started.pop_back() {
            self.give_up(play, started, error);
        }
    }

    fn give_up(&mut self, play: PlayId, track: TrackId, error: Failure) {
        self.retries = Retries::default();
        self.next_track = None;
        self.refetch.clear();
        self.last_play = play;
        self.actions.push_back(ClientAction::Failed { play, track, error });
    }
}
