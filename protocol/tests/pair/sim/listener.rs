use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::{Buf, Bytes};
use media_protocol::{
    ChunkIndex, ErrorCode, FrameIndex, Info, Position, Rendition, RenditionId, TrackId,
    session::client::{ClientAction, DecoderFailed, Failure, NextPlay, PlayId},
};

use super::node::renditions;

/// Checks the audio at the client's end: the right tracks, each frame once and in order.
#[derive(Default)]
pub(crate) struct Listener {
    /// Track that must start next, and its first instant.
    pub(crate) next: Option<(TrackId, Position)>,
    /// Track that must start after that.
    pub(crate) follow: Option<NextPlay>,
    /// Play that was taken up last, or that failed last.
    pub(crate) last: PlayId,
    /// Length of the received audio that is not played yet.
    pub(crate) held: Duration,
    /// Number of tracks that ended.
    pub(crate) ended: u32,
    /// Number of tracks that the session gave up because all of their codecs failed.
    pub(crate) given_up: u32,
    /// Number of changes of rendition.
    pub(crate) switches: u32,
    /// Number of returns to the frame where a decoder failed.
    pub(crate) rewinds: u32,
    /// Number of underruns.
    pub(crate) dips: u64,
    /// Number of damaged copies since the last whole chunk.
    pub(crate) damaged: u32,
    /// Renditions of the track that the session no longer uses, because of damaged copies.
    spoiled: Vec<RenditionId>,
    /// Tells if the node may be out of reach.
    pub(crate) is_hostile: bool,
    /// Failures by damaged or missing answers.
    pub(crate) failures: Vec<Failure>,
    track: Option<ExpectedTrack>,
    /// Tracks that must start before `follow`, each with `refetch` of its [`ClientAction::TrackStart`].
    refetch: VecDeque<(TrackId, bool)>,
    /// The same flag for `next`.
    next_is_refetch: bool,
    /// Tells if the node did not know the rendition of the present chunk. The session must negotiate the track again.
    pub(crate) is_unknown: bool,
    /// Track that ended early. The reason must follow.
    cut: Option<Arc<Info>>,
    /// Received entries that are not decoded yet.
    queue: VecDeque<Arrived>,
    decoding: Option<(PlayId, Arc<Info>)>,
    played: Duration,
    /// Tells if there is sound.
    sounds: bool,
    /// Place where the decoder failed. Until a rewind nothing is played.
    stopped: Option<(Arc<Info>, Arc<Rendition>, FrameIndex)>,
}

struct ExpectedTrack {
    info: Arc<Info>,
    from: Position,
    /// Rendition of the present chunk.
    rendition: Arc<Rendition>,
    /// The chunk that must come next, or that arrives now.
    chunk: Option<ChunkIndex>,
    /// Tells if the chunk arrives now.
    is_arriving: bool,
    /// The next frame to come.
    at: u64,
    /// Instant up to which the audio came before, in other renditions.
    resume_at: Position,
}

enum Arrived {
    Begin(PlayId, Arc<Info>),
    /// A packet, to be heard from frame `at` on.
    Packet {
        rendition: Arc<Rendition>,
        at: FrameIndex,
        lasts: Duration,
    },
    End,
}

impl Listener {
    pub(crate) fn is_idle(&self) -> bool {
        self.next.is_none() && self.follow.is_none() && self.track.is_none() && self.queue.is_empty()
    }

    /// Decodes and plays for this time. Sound starts at the level `start`, or earlier at the end of a track.
    pub(crate) fn play(&mut self, time: Duration, start: impl Fn() -> Duration) {
        if self.stopped.is_some() {
            return;
        }
        self.played += time;
        while let Some(arrived) = self.queue.front() {
            match arrived {
                Arrived::Begin(play, info) => self.decoding = Some((*play, Arc::clone(info))),
                Arrived::Packet { .. } if !self.sounds && !self.is_ready(start()) => {
                    self.played = Duration::ZERO;
                    return;
                }
                Arrived::Packet { lasts, .. } if *lasts > self.played => return,
                Arrived::Packet { lasts, .. } => {
                    self.sounds = true;
                    self.played -= *lasts;
                    self.held -= *lasts;
                }
                Arrived::End => self.decoding = None,
            }
            self.queue.pop_front();
        }
        self.dips += u64::from(self.sounds && self.track.is_some());
        self.played = Duration::ZERO;
        self.sounds = false;
    }

    fn is_ready(&self, start: Duration) -> bool {
        self.held >= start || self.queue.iter().any(|it| matches!(it, Arrived::End))
    }

    /// Makes the decoder fail at the next packet, if there is one.
    pub(crate) fn fail(&mut self) -> Option<DecoderFailed> {
        let (play, info) = self.decoding.clone().filter(|_| self.stopped.is_none())?;
        let Some(Arrived::Packet { rendition, at, .. }) = self.queue.front() else { return None };
        let (rendition, at) = (Arc::clone(rendition), *at);
        self.stopped = Some((info, Arc::clone(&rendition), at));
        Some(DecoderFailed { play, rendition, at, reason: "it panicked".into() })
    }

    /// Checks the track of a `get_info`. If no person chose it, it must be a track to refetch, or the one
    /// that follows.
    pub(crate) fn expects(&mut self, track: &TrackId) {
        if self.is_unknown && self.track.is_some() {
            assert_eq!(self.track.as_ref().map(|it| &it.info.track.id), Some(track));
            return;
        }
        if self.next.is_none() {
            let follow = || {
                let NextPlay { play, track } = self.follow.take()?;
                self.last = play;
                Some((track, false))
            };
            let next = self.refetch.pop_front().or_else(follow);
            (self.next, self.next_is_refetch) =
                next.map_or((None, false), |(it, again)| (Some((it, Position::START)), again));
        }
        assert_eq!(self.next.as_ref().map(|(it, _)| it), Some(track));
    }

    pub(crate) fn take(&mut self, output: ClientAction) {
        assert!(self.cut.is_none(), "{output:?} after a track that ended early");
        match output {
            ClientAction::Clear { .. } => {
                let before = std::mem::take(self);
                let Self { next, follow, last, ended, given_up, switches, rewinds, dips, .. } = before;
                let Self { damaged, is_hostile, failures, .. } = before;
                *self = Self {
                    next,
                    follow,
                    last,
                    ended,
                    given_up,
                    switches,
                    rewinds,
                    dips,
                    damaged,
                    is_hostile,
                    failures,
                    ..Self::default()
                };
            }
            ClientAction::Rewind => self.rewind(),
            ClientAction::TrackStart { play, info, from, refetch } => self.begin(play, info, from, refetch),
            ClientAction::ChunkStart { index, from, rendition, .. } => {
                self.start_chunk(index, from, rendition);
            }
            ClientAction::Switched { from, to, reason } => {
                if reason.ends_with("this rendition is no longer used") {
                    self.spoiled.push(from.id.clone());
                }
                assert!(self.track.is_some(), "a switch without a track");
                assert!(from.id != to.id && from.chunks == to.chunks);
                self.switches += 1;
            }
            ClientAction::Packet(packet) => self.packet(packet),
            ClientAction::ChunkEnd { .. } => {
                let playing = self.track.as_mut().expect("a chunk of a track");
                let ExpectedTrack { rendition, chunk: Some(index), is_arriving: true, .. } = playing else {
                    panic!("no chunk to end")
                };
                assert_eq!(playing.at, index.first_frame(rendition.id.rate).0 + rendition.frames_in(*index));
                playing.chunk = index.next();
                playing.is_arriving = false;
                self.damaged = 0;
            }
            ClientAction::TrackEnd => {
                let playing = self.track.take().expect("a track to end");
                self.is_unknown = false;
                if playing.is_arriving || playing.at != playing.rendition.frames {
                    self.cut = Some(playing.info);
                } else {
                    self.ended += 1;
                }
                self.queue.push_back(Arrived::End);
            }
            _ => {}
        }
    }

    /// Checks that the session gave a track up because each of its codecs has `failed`.
    pub(crate) fn give_up(&mut self, play: PlayId, track: &TrackId, error: &Failure, failed: &[String]) {
        let has_failed = |it: &Rendition| failed.contains(&it.id.codec) || self.spoiled.contains(&it.id);
        match (self.cut.take(), error) {
            (Some(info), Failure::NoCodec(_)) => {
                let chunks = info.rendition.chunks;
                assert_eq!(info.track.id, *track);
                assert!(renditions(&info).iter().all(|it| it.chunks != chunks || has_failed(it)));
            }
            (None, Failure::Refused(error)) if error.code == ErrorCode::NoCommonCodec => {
                assert_eq!(failed.len(), 3);
                self.expects(track);
                self.next = None;
            }
            (Some(info), Failure::Damaged(_)) if self.damaged >= 3 => {
                assert_eq!(info.track.id, *track);
                self.failures.push(error.clone());
            }
            (_, Failure::Unreachable(_)) if self.is_hostile => {
                self.next = None;
                self.failures.push(error.clone());
            }
            (_, error) => panic!("{track} failed: {error}"),
        }
        self.follow = None;
        self.last = play;
        self.given_up += 1;
        self.refetch.clear();
    }

    fn begin(&mut self, play: PlayId, info: Arc<Info>, from: FrameIndex, again: bool) {
        assert!(self.track.is_none(), "a track begins before the last has ended");
        self.spoiled.clear();
        self.expects(&info.track.id);
        assert_eq!(again, std::mem::take(&mut self.next_is_refetch), "{play:?} began before, or did not");
        let rate = info.rendition.id.rate;
        let at = self.next.take().unwrap().1.frame(rate).0.min(info.rendition.frames);
        assert_eq!(from.0, at, "begins elsewhere");
        self.queue.push_back(Arrived::Begin(play, Arc::clone(&info)));
        let rendition = Arc::new(info.rendition.clone());
        let (chunk, from) = (from.chunk(rate), Position::of_frame(from, rate));
        self.track =
            Some(ExpectedTrack { info, from, rendition, chunk, is_arriving: false, at, resume_at: from });
    }

    /// Drops the entries that are not decoded. They must come again, the rest of this track first.
    fn rewind(&mut self) {
        let (info, rendition, at) = self.stopped.take().expect("a decoder that failed");
        let begun = |it: &Arrived| match it {
            Arrived::Begin(_, info) => Some((info.track.id.clone(), true)),
            _ => None,
        };
        let begun = self.queue.iter().filter_map(begun);
        let begun = begun.chain(self.next.take().map(|(track, _)| (track, self.next_is_refetch)));
        self.refetch = begun.chain(self.refetch.iter().cloned()).collect();
        self.next_is_refetch = false;
        self.is_unknown = false;
        self.queue.clear();
        self.held = Duration::ZERO;
        self.played = Duration::ZERO;
        self.sounds = false;
        self.rewinds += 1;
        let rate = rendition.id.rate;
        // If the decoder failed past the last frame, no frame is left to come.
        let is_arriving = at.0 < rendition.frames;
        let (from, chunk, at) = (Position::of_frame(at, rate), at.chunk(rate), at.0);
        self.track = Some(ExpectedTrack { info, from, rendition, chunk, is_arriving, at, resume_at: from });
    }

    fn start_chunk(&mut self, index: ChunkIndex, from: FrameIndex, rendition: Arc<Rendition>) {
        let playing = self.track.as_mut().expect("a chunk of a track");
        assert_eq!(playing.chunk, Some(index));
        let rate = rendition.id.rate;
        let first = index.first_frame(rate).0;
        if playing.is_arriving {
            let before = playing.rendition.id.rate;
            // Each instant is rounded once, regardless of the number of changes.
            if playing.at > playing.resume_at.frame(before).0 {
                playing.resume_at = Position::of_frame(FrameIndex(playing.at), before);
            }
            let resume_frame = playing.resume_at.frame(rate).0.min(rendition.frames);
            assert_eq!(from.0, resume_frame, "frames are missing, or come twice");
        } else {
            assert_eq!(from.0, first);
            playing.resume_at = Position::of_frame(from, rate);
        }
        playing.at = first;
        playing.rendition = rendition;
        playing.is_arriving = true;
        self.is_unknown = false;
    }

    fn packet(&mut self, mut packet: Bytes) {
        let playing = self.track.as_mut().expect("a packet of a track");
        assert!(playing.is_arriving, "a packet outside of a chunk");
        assert_eq!(packet.get_u8(), playing.info.track.id.as_str().as_bytes()[0]);
        let (first, count) = (packet.get_u64_le(), packet.get_u64_le());
        assert_eq!(first, playing.at, "frames are missing, or come twice");
        playing.at += count;
        let rate = playing.rendition.id.rate;
        let at = first.max(playing.from.frame(rate).0).max(playing.resume_at.frame(rate).0);
        let heard = playing.at.saturating_sub(at);
        let lasts = Duration::from_nanos(heard * 1_000_000_000 / u64::from(rate));
        self.held += lasts;
        let rendition = Arc::clone(&playing.rendition);
        self.queue.push_back(Arrived::Packet { rendition, at: FrameIndex(at), lasts });
    }
}
