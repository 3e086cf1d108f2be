use std::sync::Mutex;

use bytes::Bytes;

use super::*;
use crate::{
    ChunkRequest, Info, Rendition, Track, TrackSource,
    chunk::ChunkEvent,
    session::client::{
        ClientConfig, ClientInput, Delivery, FixedRendition, PlayId, RateChoice, Situation, Switch,
    },
};

/// A track of one chunk and a bit in each of `codecs`, all at 48 kHz.
pub(in crate::session::client) fn info(track: &str, codecs: &[&str]) -> Info {
    let rendition = |codec: &&str| Rendition {
        id: format!("{track}.{codec}.48000.2.x").parse().unwrap(),
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
    };
    let mut renditions = codecs.iter().map(rendition);
    let source = TrackSource { codec: "wav".into(), rate: 48_000, channels: 2, bits: Some(16) };
    let (id, title) = (track.parse().unwrap(), track.into());
    Info {
        track: Track {
            id,
            number: 1,
            title,
            artist: String::new(),
            album: String::new(),
            duration_ms: 3125,
            source,
        },
        rendition: renditions.next().unwrap(),
        alternatives: renditions.collect(),
        reason: String::new(),
    }
}

struct Rig(ClientSession);

impl Rig {
    /// Plays a track in these codecs, whose first chunk has begun.
    fn playing(codecs: &[&str]) -> Self {
        Self::with(codecs, Box::new(FixedRendition))
    }

    fn with(codecs: &[&str], choice: Box<dyn RateChoice>) -> Self {
        let mut rig = Self(ClientSession::new(ClientConfig::default(), choice));
        rig.tell(ClientInput::Play { track: "t".parse().unwrap(), at: Position::START });
        rig.answer(info("t", codecs));
        rig
    }

    fn tell(&mut self, input: ClientInput) -> Vec<ClientAction> {
        self.0.handle(Duration::ZERO, input);
        std::iter::from_fn(|| self.0.poll()).collect()
    }

    fn request(&self) -> RequestId {
        self.0.request.unwrap().0
    }

    fn answer(&mut self, info: Info) -> Vec<ClientAction> {
        let request = self.request();
        self.tell(ClientInput::Info { request, info: Box::new(info), chunk_follows: true })
    }

    fn chunk(&mut self, event: ChunkEvent) -> Vec<ClientAction> {
        let request = self.request();
        self.tell(ClientInput::Chunk { request, event })
    }

    /// The header and so many packets of the chunk that is under way.
    fn packets(&mut self, packets: usize) {
        self.chunk(ChunkEvent::Header { index: ChunkIndex(0), frames: 144_000, last: false });
        (0..packets).for_each(|_| drop(self.chunk(ChunkEvent::Packet(Bytes::from_static(b"x")))));
    }

    fn refuse(&mut self, code: ErrorCode) -> Vec<ClientAction> {
        let request = self.request();
        self.tell(ClientInput::Refused { request, error: WireError::new(code, "it broke") })
    }

    fn decoder_fails(&mut self, play: u64, codec: &str, at: u64) -> Vec<ClientAction> {
        let rendition = Arc::new(info("t", &[codec]).rendition);
        let failed =
            DecoderFailed { play: PlayId(play), rendition, at: FrameIndex(at), reason: "it broke".into() };
        self.tell(ClientInput::DecoderFailed(failed))
    }
}

/// The codec and index of the chunk that is asked for, and why that codec.
fn asked(outputs: &[ClientAction]) -> Option<(&str, u32, &str)> {
    let reason = outputs.iter().find_map(|it| match it {
        ClientAction::Switched { reason, .. } => Some(reason.as_str()),
        _ => None,
    });
    outputs.iter().find_map(|it| match it {
        ClientAction::GetChunk { message: ChunkRequest { rendition, index }, .. } => {
            Some((rendition.codec.as_str(), index.0, reason.unwrap_or_default()))
        }
        _ => None,
    })
}

/// Takes down what a choice is told.
#[derive(Debug, Default, Clone)]
struct Told(Arc<Mutex<Vec<u64>>>);

impl RateChoice for Told {
    fn choose(&mut self, _: &Situation<'_>) -> Option<Switch> {
        None
    }

    fn reconsider(&mut self, _: &Situation<'_>, so_far: Delivery) -> Option<Switch> {
        self.0.lock().unwrap().push(so_far.bytes);
        None
    }

    fn delivered(&mut self, _: Delivery) {}

    fn abandoned(&mut self, bytes: u64) {
        self.0.lock().unwrap().push(bytes);
    }
}

#[test]
fn what_is_there_of_a_packet_has_come() {
    let told = Told::default();
    let mut rig = Rig::with(&["a"], Box::new(told.clone()));
    rig.packets(1);
    let request = rig.request();
    rig.tell(ClientInput::PartialPacket { request, bytes: 1000 });
    rig.tell(ClientInput::PartialPacket { request, bytes: 2000 });
    rig.chunk(ChunkEvent::Packet(Bytes::from_static(&[0; 3000])));
    rig.tell(ClientInput::PartialPacket { request, bytes: 500 });
    rig.tell(ClientInput::Broken { request, reason: String::new() });
    assert_eq!(*told.0.lock().unwrap(), [1, 1001, 2001, 3001, 3501, 3501]);
}

#[test]
fn what_is_behind_other_bytes_is_waited_for() {
    let mut rig = Rig::playing(&["a"]);
    rig.packets(1);
    let request = rig.request();
    for second in 1..60 {
        rig.0.handle(Duration::from_secs(second), ClientInput::HeadOfLineBlocked { request });
        rig.0.handle(Duration::from_secs(second), ClientInput::Timeout);
    }
    assert!(rig.0.poll().is_none());
    rig.0.handle(Duration::from_secs(67), ClientInput::Timeout);
    let given_up = rig.0.poll();
    assert!(matches!(given_up, Some(ClientAction::Abandon { silent: true, .. })), "{given_up:?}");
}

#[test]
fn a_large_packet_may_come_slowly_and_must_not_come_by_drops() {
    // In parts, each so many bytes and seconds after the one before; and when it is given up.
    for (bytes, seconds, given_up) in [(1000, 7, None), (250, 1, None), (1, 1, Some(8)), (100, 1, Some(8))] {
        let mut rig = Rig::playing(&["a"]);
        rig.packets(1);
        let request = rig.request();
        let silent = (1..60).find(|part| {
            let now = Duration::from_secs(part * seconds);
            rig.0.handle(now, ClientInput::PartialPacket { request, bytes: part * bytes });
            rig.0.handle(now, ClientInput::Timeout);
            rig.0.poll().is_some_and(|it| matches!(it, ClientAction::Abandon { silent: true, .. }))
        });
        assert_eq!(silent, given_up, "{bytes} bytes each {seconds} s");
    }
}

#[test]
fn the_node_s_codec_fails_and_the_next_one_goes_on_in_mid_chunk() {
    for code in [ErrorCode::CodecFailed, ErrorCode::UnknownRendition] {
        let mut rig = Rig::playing(&["a", "b", "c"]);
        rig.packets(7);
        let outputs = rig.refuse(code);
        let reason = "a failed on the node (it broke); it is not asked for again";
        assert_eq!(asked(&outputs), Some(("b", 0, reason)));
        let started = rig.chunk(ChunkEvent::Header { index: ChunkIndex(0), frames: 144_000, last: false });
        assert!(
            matches!(&started[..], [ClientAction::ChunkStart { from: FrameIndex(6720), .. }]),
            "{started:?}"
        );
        // And so until none is left.
        assert_eq!(asked(&rig.refuse(code)).map(|it| it.0), Some("c"));
        let outputs = rig.refuse(code);
        let [ClientAction::TrackEnd, ClientAction::Failed { error: error @ Failure::NoCodec(_), .. }] =
            &outputs[..]
        else {
            panic!("{outputs:?}")
        };
        assert_eq!(error.to_string(), "c failed on the node (it broke), and there is no other codec for it");
        assert_eq!(rig.0.failed_codecs(), ["c", "b", "a"]);
    }
}

#[test]
fn the_decoder_fails_and_all_from_there_on_is_fetched_again() {
    let mut rig = Rig::playing(&["a", "b"]);
    rig.packets(150);
    rig.chunk(ChunkEvent::End);
    let outputs = rig.decoder_fails(0, "a", 4711);
    assert!(matches!(outputs[..2], [ClientAction::Abandon { .. }, ClientAction::Rewind]), "{outputs:?}");
    let reason = "a failed here (it broke); it is not asked for again";
    assert_eq!(asked(&outputs), Some(("b", 0, reason)));
    let started = rig.chunk(ChunkEvent::Header { index: ChunkIndex(0), frames: 144_000, last: false });
    assert!(matches!(&started[..], [ClientAction::ChunkStart { from: FrameIndex(4711), .. }]), "{started:?}");
    // A frame of the second chunk, then none at all.
    let mut rig = Rig::playing(&["a", "b"]);
    assert_eq!(asked(&rig.decoder_fails(0, "a", 144_000)).map(|it| it.1), Some(1));
    let outputs = Rig::playing(&["a", "b"]).decoder_fails(0, "a", 150_000);
    assert!(
        matches!(outputs[..], [ClientAction::Abandon { .. }, ClientAction::Rewind, ClientAction::TrackEnd]),
        "{outputs:?}"
    );
}

#[test]
fn word_of_what_is_not_played_any_more_changes_nothing() {
    let mut rig = Rig::playing(&["a", "b"]);
    rig.tell(ClientInput::Play { track: "t".parse().unwrap(), at: Position::START });
    assert!(rig.decoder_fails(0, "a", 4711).is_empty());
    assert!(rig.0.failed_codecs().is_empty());
    // Of what is played and was forgotten it must be said that it ends.
    rig.0.begun.clear();
    let outputs = rig.decoder_fails(1, "a", 4711);
    let [.., ClientAction::Rewind, ClientAction::TrackEnd, ClientAction::Failed { track, .. }] = &outputs[..]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!(track.as_str(), "t");
}

#[test]
fn a_track_that_was_given_up_is_not_fetched_again_behind_another() {
    let mut rig = Rig::playing(&["a", "b"]);
    rig.tell(ClientInput::Follow(Some("u".parse().unwrap())));
    rig.packets(150);
    for _ in 0..2 {
        rig.chunk(ChunkEvent::End);
    }
    rig.answer(info("u", &["a"]));
    let outputs = rig.refuse(ErrorCode::Unreadable);
    assert!(matches!(outputs[..], [ClientAction::TrackEnd, ClientAction::Failed { .. }]), "{outputs:?}");
    assert_eq!(asked(&rig.decoder_fails(0, "a", 4711)).map(|it| it.0), Some("b"));
    for _ in 0..2 {
        rig.chunk(ChunkEvent::End);
    }
    assert!(!rig.0.has_demand());
}
