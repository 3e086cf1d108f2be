use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::{Buf, Bytes};
use media_protocol::{
    ChunkIndex, ErrorCode, FrameIndex, Info, Position, Rendition, TrackId,
    session::client::{ClientAction, DecoderFailed, Failure, NextPlay, PlayId},
};

use super::node::renditions;

/// What comes out at the client's end: checks that it is what was asked for, each frame once and in order.
#[derive(Default)]
pub(crate) struct Listener {
    /// What must begin next.
    pub(crate) next: Option<(TrackId, Position)>,
    /// What must begin after that.
    pub(crate) follow: Option<NextPlay>,
    /// The play that was taken up last, or that failed last.
    pub(crate) last: PlayId,
    /// Audio that came and is not yet played.
    pub(crate) held: Duration,
    /// Tracks that came to their end.
    pub(crate) ended: u32,
    /// Tracks that were given up, since all of their codecs had failed.
    pub(crate) given_up: u32,
    /// Changes of rendition.
    pub(crate) switches: u32,
    /// How often the session went back to where a decoder had failed.
    pub(crate) rewinds: u32,
    /// How often it ran dry in the middle of a track.
    pub(crate) dips: u64,
    track: Option<Playing>,
    /// What must begin before what follows, and whether it began before; and so for `next`.
    again: VecDeque<(TrackId, bool)>,
    next_again: bool,
    /// A track that came to an early end, of which it must be said why.
    cut: Option<Arc<Info>>,
    /// What came and is not yet decoded.
    queue: VecDeque<Arrived>,
    decoding: Option<(PlayId, Arc<Info>)>,
    played: Duration,
    /// Whether there is sound.
    sounds: bool,
    /// Where the decoder failed; then nothing is played.
    stopped: Option<(Arc<Info>, Arc<Rendition>, FrameIndex)>,
}

struct Playing {
    info: Arc<Info>,
    from: Position,
    /// What the present chunk comes in.
    rendition: Arc<Rendition>,
    /// The chunk that must come next, or is coming.
    chunk: Option<ChunkIndex>,
    coming: bool,
    /// The next frame to come, and up to where it came before in other renditions.
    at: u64,
    had: Position,
}

enum Arrived {
    Begin(PlayId, Arc<Info>),
    /// Heard from frame `at` on.
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

    /// Decodes and plays for a while. Sound begins with `start`, or with the rest of a track.
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
        (self.played, self.sounds) = (Duration::ZERO, false);
    }

    fn is_ready(&self, start: Duration) -> bool {
        self.held >= start || self.queue.iter().any(|it| matches!(it, Arrived::End))
    }

    /// The decoder fails at the next packet, where there is one.
    pub(crate) fn fail(&mut self) -> Option<DecoderFailed> {
        let (play, info) = self.decoding.clone().filter(|_| self.stopped.is_none())?;
        let Some(Arrived::Packet { rendition, at, .. }) = self.queue.front() else { return None };
        let (rendition, at) = (Arc::clone(rendition), *at);
        self.stopped = Some((info, Arc::clone(&rendition), at));
        Some(DecoderFailed { play, rendition, at, reason: "it panicked".into() })
    }

    /// What is asked about, where nobody asked for it, is what was there before, or what follows.
    pub(crate) fn expects(&mut self, track: &TrackId) {
        if self.next.is_none() {
            let follow = || {
                let NextPlay { play, track } = self.follow.take()?;
                self.last = play;
                Some((track, false))
            };
            let next = self.again.pop_front().or_else(follow);
            (self.next, self.next_again) =
                next.map_or((None, false), |(it, again)| (Some((it, Position::START)), again));
        }
        assert_eq!(self.next.as_ref().map(|(it, _)| it), Some(track));
    }

    pub(crate) fn take(&mut self, output: ClientAction) {
        assert!(self.cut.is_none(), "{output:?} after a track that was cut short");
        match output {
            ClientAction::Clear { .. } => {
                let Self { next, follow, last, ended, given_up, switches, rewinds, dips, .. } =
                    std::mem::take(self);
                *self =
                    Self { next, follow, last, ended, given_up, switches, rewinds, dips, ..Self::default() };
            }
            ClientAction::Rewind => self.rewind(),
            ClientAction::TrackStart { play, info, from, refetch } => self.begin(play, info, from, refetch),
            ClientAction::ChunkStart { index, from, rendition, .. } => {
                self.start_chunk(index, from, rendition);
            }
            ClientAction::Switched { from, to, .. } => {
                assert!(self.track.is_some(), "a switch without a track");
                assert!(from.id != to.id && from.chunks == to.chunks);
                self.switches += 1;
            }
            ClientAction::Packet(packet) => self.packet(packet),
            ClientAction::ChunkEnd => {
                let playing = self.track.as_mut().expect("a chunk of a track");
                let Playing { rendition, chunk: Some(index), coming: true, .. } = playing else {
                    panic!("no chunk to end")
                };
                assert_eq!(playing.at, index.first_frame(rendition.id.rate).0 + rendition.frames_in(*index));
                playing.chunk = index.next();
                playing.coming = false;
            }
            ClientAction::TrackEnd => {
                let playing = self.track.take().expect("a track to end");
                if playing.coming || playing.at != playing.rendition.frames {
                    self.cut = Some(playing.info);
                } else {
                    self.ended += 1;
                }
                self.queue.push_back(Arrived::End);
            }
            _ => {}
        }
    }

    /// A track can't go on, which is right only where each of its codecs `failed`.
    pub(crate) fn give_up(&mut self, play: PlayId, track: &TrackId, error: &Failure, failed: &[String]) {
        let has_failed = |it: &Rendition| failed.contains(&it.id.codec);
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
            (_, error) => panic!("{track} failed: {error}"),
        }
        self.follow = None;
        self.last = play;
        self.given_up += 1;
        self.again.clear();
    }

    fn begin(&mut self, play: PlayId, info: Arc<Info>, from: FrameIndex, again: bool) {
        assert!(self.track.is_none(), "a track begins before the last has ended");
        self.expects(&info.track.id);
        assert_eq!(again, std::mem::take(&mut self.next_again), "{play:?} began before, or did not");
        let rate = info.rendition.id.rate;
        let at = self.next.take().unwrap().1.frame(rate).0.min(info.rendition.frames);
        assert_eq!(from.0, at, "begins elsewhere");
        self.queue.push_back(Arrived::Begin(play, Arc::clone(&info)));
        let rendition = Arc::new(info.rendition.clone());
        let (chunk, from) = (from.chunk(rate), Position::of_frame(from, rate));
        self.track = Some(Playing { info, from, rendition, chunk, coming: false, at, had: from });
    }

    /// Drops what is not decoded. It must come again: the rest of this track first.
    fn rewind(&mut self) {
        let (info, rendition, at) = self.stopped.take().expect("a decoder that failed");
        let begun = |it: &Arrived| match it {
            Arrived::Begin(_, info) => Some((info.track.id.clone(), true)),
            _ => None,
        };
        let begun = self.queue.iter().filter_map(begun);
        let begun = begun.chain(self.next.take().map(|(track, _)| (track, self.next_again)));
        self.again = begun.chain(self.again.iter().cloned()).collect();
        self.next_again = false;
        self.queue.clear();
        (self.held, self.played, self.sounds) = (Duration::ZERO, Duration::ZERO, false);
        self.rewinds += 1;
        let rate = rendition.id.rate;
        // Where it failed in what is passed over before the very end, nothing is left to come.
        let coming = at.0 < rendition.frames;
        let (from, chunk, at) = (Position::of_frame(at, rate), at.chunk(rate), at.0);
        self.track = Some(Playing { info, from, rendition, chunk, coming, at, had: from });
    }

    fn start_chunk(&mut self, index: ChunkIndex, from: FrameIndex, rendition: Arc<Rendition>) {
        let playing = self.track.as_mut().expect("a chunk of a track");
        assert_eq!(playing.chunk, Some(index));
        let rate = rendition.id.rate;
        let first = index.first_frame(rate).0;
        if playing.coming {
            let before = playing.rendition.id.rate;
            // However often it changed, nothing is rounded but once.
            if playing.at > playing.had.frame(before).0 {
                playing.had = Position::of_frame(FrameIndex(playing.at), before);
            }
            let had = playing.had.frame(rate).0.min(rendition.frames);
            assert_eq!(from.0, had, "frames are missing, or come twice");
        } else {
            assert_eq!(from.0, first);
            playing.had = Position::of_frame(from, rate);
        }
        playing.at = first;
        playing.rendition = rendition;
        playing.coming = true;
    }

    fn packet(&mut self, mut packet: Bytes) {
        let playing = self.track.as_mut().expect("a packet of a track");
        assert!(playing.coming, "a packet outside of a chunk");
        assert_eq!(packet.get_u8(), playing.info.track.id.as_str().as_bytes()[0]);
        let (first, count) = (packet.get_u64_le(), packet.get_u64_le());
        assert_eq!(first, playing.at, "frames are missing, or come twice");
        playing.at += count;
        let rate = playing.rendition.id.rate;
        let at = first.max(playing.from.frame(rate).0).max(playing.had.frame(rate).0);
        let heard = playing.at.saturating_sub(at);
        let lasts = Duration::from_nanos(heard * 1_000_000_000 / u64::from(rate));
        self.held += lasts;
        let rendition = Arc::clone(&playing.rendition);
        self.queue.push_back(Arrived::Packet { rendition, at: FrameIndex(at), lasts });
    }
}
