use std::{sync::Arc, time::Duration};

use bytes::{Buf, Bytes};
use media_protocol::{ChunkIndex, FrameIndex, Info, Position, Rendition, TrackId, session::client::Output};

/// What comes out at the client's end: checks that it is what was asked for, each frame once and in order.
#[derive(Default)]
pub(crate) struct Listener {
    /// What must begin next.
    pub(crate) next: Option<(TrackId, Position)>,
    /// What must begin after that.
    pub(crate) follow: Option<TrackId>,
    /// Audio that came and is not yet played.
    pub(crate) held: Duration,
    /// Tracks that came to their end.
    pub(crate) ended: u32,
    /// Changes of rendition.
    pub(crate) switches: u32,
    track: Option<Playing>,
}

struct Playing {
    info: Arc<Info>,
    from: Position,
    /// What the present chunk comes in.
    rendition: Arc<Rendition>,
    /// The chunk that must come next, or is coming.
    chunk: Option<ChunkIndex>,
    coming: bool,
    /// The next frame to come, and up to which it came before in another rendition.
    at: u64,
    had: u64,
}

impl Listener {
    pub(crate) fn is_idle(&self) -> bool {
        self.next.is_none() && self.follow.is_none() && self.track.is_none()
    }

    /// Plays for a while.
    pub(crate) fn play(&mut self, time: Duration) {
        self.held = self.held.saturating_sub(time);
    }

    /// What is asked about, where nobody asked for it, is what follows.
    pub(crate) fn expects(&mut self, track: &TrackId) {
        if self.next.is_none() {
            self.next = self.follow.take().map(|it| (it, Position::START));
        }
        assert_eq!(self.next.as_ref().map(|(it, _)| it), Some(track));
    }

    pub(crate) fn take(&mut self, output: Output) {
        match output {
            Output::Clear => (self.track, self.held) = (None, Duration::ZERO),
            Output::Begin { info, from } => self.begin(info, from),
            Output::ChunkStart { index, from, rendition } => {
                let playing = self.track.as_mut().expect("a chunk of a track");
                assert_eq!(playing.chunk, Some(index));
                let rate = rendition.id.rate;
                let first = index.first_frame(rate).0;
                if playing.coming {
                    let so_far = Position::of_frame(
                        FrameIndex(playing.at.max(playing.had)),
                        playing.rendition.id.rate,
                    );
                    assert!(from.0.abs_diff(so_far.frame(rate).0) <= 1, "frames are missing, or come twice");
                } else {
                    assert_eq!(from.0, first);
                }
                (playing.at, playing.had) = (first, from.0);
                playing.rendition = rendition;
                playing.coming = true;
            }
            Output::Switched { from, to, .. } => {
                assert!(self.track.is_some(), "a switch without a track");
                assert!(from.id != to.id && from.chunks == to.chunks);
                self.switches += 1;
            }
            Output::Packet(packet) => self.packet(packet),
            Output::ChunkEnd => {
                let playing = self.track.as_mut().expect("a chunk of a track");
                let Playing { rendition, chunk: Some(index), coming: true, .. } = playing else {
                    panic!("no chunk to end")
                };
                assert_eq!(playing.at, index.first_frame(rendition.id.rate).0 + rendition.frames_in(*index));
                playing.chunk = index.next();
                playing.coming = false;
            }
            Output::TrackEnd => {
                let playing = self.track.take().expect("a track to end");
                assert!(!playing.coming);
                assert_eq!(playing.at, playing.rendition.frames);
                self.ended += 1;
            }
            Output::Failed { track, error } => panic!("{track} failed: {error}"),
            _ => {}
        }
    }

    fn begin(&mut self, info: Arc<Info>, from: FrameIndex) {
        assert!(self.track.is_none(), "a track begins before the last has ended");
        self.expects(&info.track.id);
        let rate = info.rendition.id.rate;
        let at = self.next.take().unwrap().1.frame(rate).0.min(info.rendition.frames);
        assert_eq!(from.0, at, "begins elsewhere");
        let rendition = Arc::new(info.rendition.clone());
        let (chunk, from) = (from.chunk(rate), Position::of_frame(from, rate));
        self.track = Some(Playing { info, from, rendition, chunk, coming: false, at, had: at });
    }

    fn packet(&mut self, mut packet: Bytes) {
        let playing = self.track.as_mut().expect("a packet of a track");
        assert!(playing.coming, "a packet outside of a chunk");
        assert_eq!(packet.get_u8(), playing.info.track.id.as_str().as_bytes()[0]);
        let (first, count) = (packet.get_u64_le(), packet.get_u64_le());
        assert_eq!(first, playing.at, "frames are missing, or come twice");
        playing.at += count;
        let rate = playing.rendition.id.rate;
        let heard = playing.at.saturating_sub(first.max(playing.from.frame(rate).0).max(playing.had));
        self.held += Duration::from_nanos(heard * 1_000_000_000 / u64::from(rate));
    }
}
