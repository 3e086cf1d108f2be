use std::sync::Mutex;

use bytes::Bytes;

use super::*;
use crate::{Track, TrackSource};

/// A track of a little more than one chunk, with a rendition in each of `codecs`, all at 48 kHz.
fn info(track: &str, codecs: &[&str]) -> Info {
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
        joinable: false,
    };
    let mut renditions = codecs.iter().map(rendition);
    Info {
        track: Track {
            id: track.parse().unwrap(),
            number: 1,
            title: track.into(),
            artist: String::new(),
            album: String::new(),
            duration_ms: 3125,
            away: false,
            source: TrackSource { codec: "wav".into(), rate: 48_000, channels: 2, bits: Some(16) },
            detail: None,
        },
        rendition: renditions.next().unwrap(),
        alternatives: renditions.collect(),
        reason: String::new(),
    }
}

/// The same track with its two renditions at these bitrates.
fn info_at(track: &str, bitrates: [u32; 2]) -> Info {
    let mut info = info(track, &["c", "d"]);
    info.rendition.bitrate = bitrates[0];
    info.alternatives[0].bitrate = bitrates[1];
    info
}

fn id(track: &str) -> TrackId {
    track.parse().unwrap()
}

/// A session and the time.
struct Rig {
    client: ClientSession,
    now: Duration,
    plays: u64,
}

impl Rig {
    fn new(choice: impl RateChoice + 'static) -> Self {
        Self {
            client: ClientSession::new(ClientConfig::default(), Box::new(choice)),
            now: Duration::ZERO,
            plays: 0,
        }
    }

    /// Plays track `t` in these codecs; its first chunk is in flight.
    fn playing(codecs: &[&str]) -> Self {
        let mut rig = Self::new(FixedRendition);
        rig.play("t");
        rig.answer(info("t", codecs), true);
        rig
    }

    fn feed(&mut self, input: ClientInput) -> Vec<ClientAction> {
        self.client.handle(self.now, input);
        std::iter::from_fn(|| self.client.poll()).collect()
    }

    /// Lets time pass until the session's timeout, and feeds it.
    fn time_out(&mut self) -> Vec<ClientAction> {
        self.now = self.client.timeout().unwrap();
        self.feed(ClientInput::Timeout)
    }

    fn play(&mut self, track: &str) -> Vec<ClientAction> {
        let play = self.next_play();
        self.feed(ClientInput::Play { play, track: id(track), at: Position::START })
    }

    /// Plays a track after the last one.
    fn follow(&mut self, track: &str) -> Vec<ClientAction> {
        let next = Some(NextPlay { play: self.next_play(), track: id(track) });
        self.feed(ClientInput::Follow { after: self.client.last_play, next })
    }

    fn next_play(&mut self) -> PlayId {
        self.plays += 1;
        PlayId(self.plays - 1)
    }

    fn request(&self) -> RequestId {
        self.client.request.unwrap().id
    }

    fn answer(&mut self, info: Info, chunk_follows: bool) -> Vec<ClientAction> {
        let request = self.request();
        self.feed(ClientInput::Info { request, info: Box::new(info), chunk_follows })
    }

    fn chunk(&mut self, event: ChunkEvent) -> Vec<ClientAction> {
        let request = self.request();
        self.feed(ClientInput::Chunk { request, event })
    }

    fn header(&mut self) -> Vec<ClientAction> {
        self.chunk(ChunkEvent::Header { index: ChunkIndex(0), frames: 144_000, last: false })
    }

    /// Delivers the header and the first packets of the chunk in flight.
    fn packets(&mut self, packets: usize) {
        self.header();
        for _ in 0..packets {
            self.chunk(ChunkEvent::Packet(Bytes::from_static(b"x")));
        }
    }

    fn partial_packet(&mut self, bytes: u64) -> Vec<ClientAction> {
        let request = self.request();
        self.feed(ClientInput::PartialPacket { request, bytes })
    }

    fn refuse(&mut self, code: ErrorCode) -> Vec<ClientAction> {
        let request = self.request();
        self.feed(ClientInput::Refused { request, error: WireError::new(code, "it broke") })
    }

    fn break_stream(&mut self) -> Vec<ClientAction> {
        let request = self.request();
        self.feed(ClientInput::Broken { request, reason: "gone".into() })
    }

    fn decoder_fails(&mut self, play: u64, codec: &str, at: u64) -> Vec<ClientAction> {
        let rendition = Arc::new(info("t", &[codec]).rendition);
        let reason = "it broke".into();
        self.feed(ClientInput::DecoderFailed(DecoderFailed {
            play: PlayId(play),
            rendition,
            at: FrameIndex(at),
            reason,
        }))
    }
}

/// The codec and index of the requested chunk, and the reason for that codec.
fn requested(actions: &[ClientAction]) -> Option<(&str, u32, &str)> {
    let reason = actions.iter().find_map(|action| match action {
        ClientAction::Switched { reason, .. } => Some(reason.as_str()),
        _ => None,
    });
    actions.iter().find_map(|action| match action {
        ClientAction::GetChunk { message: ChunkRequest { rendition, index }, .. } => {
            Some((rendition.codec.as_str(), index.0, reason.unwrap_or_default()))
        }
        _ => None,
    })
}

/// The track that `get_info` asks for, and whether it asks for the first chunk with it.
fn requested_info(actions: &[ClientAction]) -> Option<(&str, bool)> {
    actions.iter().find_map(|action| match action {
        ClientAction::GetInfo { track, then_chunk, .. } => Some((track.as_str(), *then_chunk)),
        _ => None,
    })
}

/// Records the bytes that the session reports.
#[derive(Debug, Default, Clone)]
struct RecordedBytes(Arc<Mutex<Vec<u64>>>);

impl RateChoice for RecordedBytes {
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

/// Chooses the rendition of this bitrate at every border, once it has received a chunk.
#[derive(Debug)]
struct WantedBitrate {
    bitrate: u32,
    has_chunk: bool,
}

impl RateChoice for WantedBitrate {
    fn choose(&mut self, situation: &Situation<'_>) -> Option<Switch> {
        let is_wanted = |rendition: &Arc<Rendition>| rendition.bitrate == self.bitrate;
        let to = situation.all.iter().position(is_wanted).filter(|_| self.has_chunk)?;
        let reason = "it is wanted".into();
        (situation.current.bitrate != self.bitrate).then_some(Switch { to, reason })
    }

    fn reconsider(&mut self, _: &Situation<'_>, _: Delivery) -> Option<Switch> {
        None
    }

    fn delivered(&mut self, _: Delivery) {
        self.has_chunk = true;
    }

    fn abandoned(&mut self, _: u64) {}
}

/// A session that wants this bitrate, after the first chunk of a track with 96 and 48 kbit/s.
fn after_a_chunk(bitrate: u32) -> Rig {
    let mut rig = Rig::new(WantedBitrate { bitrate, has_chunk: false });
    assert_eq!(requested_info(&rig.play("a")), Some(("a", true)), "a session begins in one round trip");
    rig.answer(info_at("a", [96_000, 48_000]), true);
    rig.packets(1);
    rig.chunk(ChunkEvent::End);
    rig
}

#[test]
fn the_loss_of_a_chunk_is_that_of_its_complete_answer() {
    let mut rig = Rig::new(WantedBitrate { bitrate: 96_000, has_chunk: false });
    rig.play("a");
    rig.answer(info_at("a", [96_000, 48_000]), true);
    rig.packets(1);
    rig.chunk(ChunkEvent::Loss(500));
    let request = rig.request();
    rig.feed(ClientInput::Broken { request, reason: "damaged".into() });
    rig.time_out();
    rig.header();
    let silenced = |actions: Vec<ClientAction>| {
        actions.iter().find_map(|action| match action {
            ClientAction::ChunkEnd { silenced } => Some(*silenced),
            _ => None,
        })
    };
    assert_eq!(silenced(rig.chunk(ChunkEvent::End)), Some(0), "the retry has none");
    rig.chunk(ChunkEvent::Header { index: ChunkIndex(1), frames: 144_000, last: false });
    rig.chunk(ChunkEvent::Loss(7));
    assert_eq!(silenced(rig.chunk(ChunkEvent::End)), Some(7));
}

#[test]
fn a_partial_packet_counts_as_received() {
    let recorded = RecordedBytes::default();
    let mut rig = Rig::new(recorded.clone());
    rig.play("t");
    rig.answer(info("t", &["a"]), true);
    rig.packets(1);
    rig.partial_packet(1000);
    rig.partial_packet(2000);
    rig.chunk(ChunkEvent::Packet(Bytes::from_static(&[0; 3000])));
    rig.partial_packet(500);
    rig.break_stream();
    assert_eq!(*recorded.0.lock().unwrap(), [1, 1001, 2001, 3001, 3501, 3501]);
}

#[test]
fn a_request_blocked_by_other_bytes_does_not_time_out() {
    let mut rig = Rig::playing(&["a"]);
    rig.packets(1);
    let request = rig.request();
    for second in 1..60 {
        rig.now = Duration::from_secs(second);
        assert!(rig.feed(ClientInput::HeadOfLineBlocked { request }).is_empty());
        assert!(rig.feed(ClientInput::Timeout).is_empty());
    }
    rig.now = Duration::from_secs(67);
    let actions = rig.feed(ClientInput::Timeout);
    assert!(matches!(actions[..], [ClientAction::Abandon { silent: true, .. }, ..]), "{actions:?}");
}

#[test]
fn a_large_packet_may_come_slowly_and_must_not_come_by_drops() {
    // Bytes of each part, seconds between two of them, and the part at which the session abandons the request.
    for (bytes, seconds, abandoned) in [(1000, 7, None), (250, 1, None), (1, 1, Some(8)), (100, 1, Some(8))] {
        let mut rig = Rig::playing(&["a"]);
        rig.packets(1);
        // Less than 3 minutes.
        let silent = (1..170 / seconds).find(|part| {
            rig.now = Duration::from_secs(part * seconds);
            rig.partial_packet(part * bytes);
            let actions = rig.feed(ClientInput::Timeout);
            matches!(actions[..], [ClientAction::Abandon { silent: true, .. }, ..])
        });
        assert_eq!(silent, abandoned, "{bytes} bytes each {seconds} s");
    }
}

#[test]
fn the_next_chunk_is_requested_below_a_level_of_3_s() {
    for (level, is_requested) in [(2999, true), (3000, false)] {
        let mut rig = Rig::playing(&["a"]);
        rig.feed(ClientInput::BufferLevel(Duration::from_millis(level)));
        let actions = rig.chunk(ChunkEvent::End);
        assert_eq!(requested(&actions).is_some(), is_requested, "{level} ms: {actions:?}");
    }
}

#[test]
fn a_thousand_bytes_of_a_packet_are_progress() {
    for (bytes, is_progress) in [(999, false), (1000, true)] {
        let mut rig = Rig::playing(&["a"]);
        rig.packets(1);
        rig.now = Duration::from_secs(7);
        rig.partial_packet(bytes);
        rig.now = Duration::from_secs(8);
        assert_eq!(rig.feed(ClientInput::Timeout).is_empty(), is_progress, "{bytes} bytes");
    }
}

#[test]
fn a_request_without_progress_is_abandoned_after_8_s() {
    let mut rig = Rig::playing(&["a"]);
    rig.now = Duration::from_millis(7999);
    assert!(rig.feed(ClientInput::Timeout).is_empty());
    rig.now = Duration::from_secs(8);
    let actions = rig.feed(ClientInput::Timeout);
    let [ClientAction::Abandon { silent: true, .. }, ClientAction::Retrying { reason, .. }] = &actions[..]
    else {
        panic!("{actions:?}")
    };
    assert_eq!(reason, "no answer for 8 s");
}

#[test]
fn a_chunk_in_flight_is_reconsidered_every_200_ms() {
    let recorded = RecordedBytes::default();
    let mut rig = Rig::new(recorded.clone());
    rig.play("t");
    rig.answer(info("t", &["a"]), true);
    for times in 1..=10 {
        assert!(rig.time_out().is_empty());
        assert_eq!(rig.now, times * Duration::from_millis(200));
        assert_eq!(recorded.0.lock().unwrap().len(), times as usize);
    }
    rig.feed(ClientInput::Pause);
    assert_eq!(rig.client.timeout(), Some(Duration::from_secs(8)), "nobody waits for a chunk during a pause");
}

#[test]
fn waits_between_retries_double_from_100_to_500_ms() {
    let mut rig = Rig::playing(&["a"]);
    let waits = |rig: &mut Rig, count| {
        let wait = |_| {
            let actions = rig.break_stream();
            let [ClientAction::Retrying { after, .. }] = actions[..] else { panic!("{actions:?}") };
            let failed_at = rig.now;
            rig.time_out();
            assert_eq!(rig.now - failed_at, after);
            after.as_millis()
        };
        (0..count).map(wait).collect::<Vec<_>>()
    };
    assert_eq!(waits(&mut rig, 6), [100, 200, 400, 500, 500, 500]);
    rig.header();
    assert_eq!(waits(&mut rig, 1), [500], "a header alone is no progress");
    rig.packets(1);
    assert_eq!(waits(&mut rig, 2), [100, 200], "a new packet resets the wait");
}

/// Neither a retry nor a long run of them overflows: 2^attempts is bounded.
#[test]
fn retries_go_on_until_the_node_is_given_up_after_3_minutes() {
    let mut rig = Rig::playing(&["a"]);
    let give_up = (0..1000).find_map(|_| {
        let actions = rig.break_stream();
        if matches!(actions[..], [ClientAction::TrackEnd, ClientAction::Failed { .. }]) {
            return Some(rig.now);
        }
        rig.time_out();
        None
    });
    let expected = Duration::from_secs(180)..Duration::from_millis(180_500);
    assert!(give_up.is_some_and(|at| expected.contains(&at)), "{give_up:?}");
}

#[test]
fn the_infos_of_the_last_four_tracks_are_remembered() {
    let mut rig = Rig::new(FixedRendition);
    for track in ["a", "b", "c", "d"] {
        rig.play(track);
        rig.answer(info(track, &["x"]), true);
    }
    for track in ["a", "b", "c", "d"] {
        assert_eq!(requested_info(&rig.play(track)), None, "{track} is known");
    }
    rig.play("e");
    rig.answer(info("e", &["x"]), true);
    for track in ["b", "c", "d", "e"] {
        assert_eq!(requested_info(&rig.play(track)), None, "{track} is known");
    }
    assert_eq!(requested_info(&rig.play("a")), Some(("a", true)), "the oldest was forgotten");
}

#[test]
fn an_info_that_comes_again_replaces_the_remembered_one() {
    let mut rig = Rig::playing(&["a", "b"]);
    rig.packets(1);
    rig.decoder_fails(0, "a", 100);
    assert_eq!(requested_info(&rig.play("t")), Some(("t", true)), "its codec failed");
    rig.answer(info("t", &["b"]), true);
    assert_eq!(rig.client.infos.len(), 1);
}

#[test]
fn the_last_32_failed_codecs_are_remembered() {
    let mut rig = Rig::new(FixedRendition);
    for failed in 0..33 {
        rig.play("t");
        rig.answer(info("t", &[&format!("c{failed}")]), true);
        rig.refuse(ErrorCode::CodecFailed);
        assert_eq!(rig.client.failed_codecs().len(), (failed + 1).min(32));
    }
    let expected: Vec<_> = (1..33).rev().map(|failed| format!("c{failed}")).collect();
    assert_eq!(rig.client.failed_codecs(), expected);
}

#[test]
fn the_last_64_started_tracks_are_remembered() {
    for (tracks, is_known) in [(64, true), (65, false)] {
        let mut rig = Rig::playing(&["a", "b"]);
        for _ in 1..tracks {
            rig.follow("t");
            for _ in 0..2 {
                rig.chunk(ChunkEvent::End);
            }
        }
        assert_eq!(rig.client.last_play, PlayId(tracks - 1));
        let actions = rig.decoder_fails(0, "a", 0);
        let resumed = requested(&actions).map(|(codec, index, _)| (codec, index));
        assert_eq!(resumed, is_known.then_some(("b", 0)), "{actions:?}");
    }
}

#[test]
fn the_node_s_codec_fails_and_the_next_one_goes_on_in_mid_chunk() {
    for code in [ErrorCode::CodecFailed, ErrorCode::UnknownRendition] {
        let mut rig = Rig::playing(&["a", "b", "c"]);
        rig.packets(7);
        if code == ErrorCode::UnknownRendition {
            rig.refuse(code);
            rig.answer(info("t", &["a", "b", "c"]), false);
        }
        let actions = rig.refuse(code);
        let reason = "a failed on the node (it broke); it is no longer used";
        assert_eq!(requested(&actions), Some(("b", 0, reason)));
        let started = rig.header();
        assert!(
            matches!(&started[..], [ClientAction::ChunkStart { from: FrameIndex(6720), .. }]),
            "{started:?}"
        );
        // So it continues until no codec is left.
        assert_eq!(requested(&rig.refuse(code)).map(|(codec, ..)| codec), Some("c"));
        let actions = rig.refuse(code);
        let [ClientAction::TrackEnd, ClientAction::Failed { error: error @ Failure::NoCodec(_), .. }] =
            &actions[..]
        else {
            panic!("{actions:?}")
        };
        assert_eq!(error.to_string(), "c failed on the node (it broke), and there is no other codec for it");
        assert_eq!(rig.client.failed_codecs(), ["c", "b", "a"]);
    }
}

/// Info of a track in one codec with other parameters, as from an updated node.
fn updated_info(track: &str, codec: &str) -> Info {
    let mut info = info(track, &[codec]);
    info.rendition.id = format!("{track}.{codec}.48000.2.y").parse().unwrap();
    info
}

#[test]
fn an_unknown_rendition_is_negotiated_again_before_its_codec_is_dropped() {
    let mut rig = Rig::playing(&["a", "b"]);
    rig.packets(7);
    let actions = rig.refuse(ErrorCode::UnknownRendition);
    assert_eq!(requested_info(&actions), Some(("t", false)), "{actions:?}");
    let [ClientAction::GetInfo { at, .. }] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(at, Position::of_frame(FrameIndex(6720), 48_000));
    let actions = rig.answer(updated_info("t", "a"), false);
    let reason = "the node no longer makes t.a.48000.2.x (it broke)";
    assert_eq!(requested(&actions), Some(("a", 0, reason)));
    let started = rig.header();
    let [ClientAction::ChunkStart { from: FrameIndex(6720), rendition, .. }] = &started[..] else {
        panic!("{started:?}")
    };
    assert_eq!(rendition.id.params, "y");
    assert!(rig.client.failed_codecs().is_empty());
    // The track is negotiated once a chunk, so a node that refuses what it has just offered cannot hold the client.
    rig.chunk(ChunkEvent::End);
    assert_eq!(requested_info(&rig.refuse(ErrorCode::UnknownRendition)), Some(("t", false)));
    rig.answer(updated_info("t", "a"), false);
    assert!(failure(&rig.refuse(ErrorCode::UnknownRendition)).is_some());
    assert_eq!(rig.client.failed_codecs(), ["a"]);
}

#[test]
fn a_renegotiated_track_keeps_its_codec_and_bitrate_if_the_node_still_has_them() {
    let mut rig = Rig::playing(&["a", "b"]);
    rig.refuse(ErrorCode::CodecFailed);
    assert_eq!(rig.client.failed_codecs(), ["a"]);
    rig.refuse(ErrorCode::UnknownRendition);
    let actions = rig.answer(info("t", &["c", "b"]), false);
    assert_eq!(requested(&actions).map(|(codec, ..)| codec), Some("b"), "{actions:?}");
    // A decoder that fails later falls back to a rendition of the new info.
    let actions = rig.decoder_fails(0, "b", 100);
    assert_eq!(requested(&actions).map(|(codec, ..)| codec), Some("c"), "{actions:?}");
}

#[test]
fn a_new_negotiation_can_end_the_track() {
    let mut rig = Rig::playing(&["a", "b"]);
    rig.refuse(ErrorCode::UnknownRendition);
    let actions = rig.refuse(ErrorCode::UnknownTrack);
    assert!(matches!(actions[..], [ClientAction::TrackEnd, ClientAction::Failed { .. }]), "{actions:?}");
    assert!(!rig.client.has_demand() && rig.client.started.is_empty());
    // The file has become shorter.
    let mut rig = Rig::playing(&["a"]);
    rig.packets(150);
    rig.chunk(ChunkEvent::End);
    rig.refuse(ErrorCode::UnknownRendition);
    let mut shorter = updated_info("t", "a");
    (shorter.rendition.frames, shorter.rendition.chunks) = (100_000, 1);
    let actions = rig.answer(shorter, false);
    assert!(matches!(actions[..], [ClientAction::Switched { .. }, ClientAction::TrackEnd]), "{actions:?}");
    assert!(!rig.client.has_demand());
}

#[test]
fn the_decoder_fails_and_all_from_there_on_is_fetched_again() {
    let mut rig = Rig::playing(&["a", "b"]);
    rig.packets(150);
    rig.chunk(ChunkEvent::End);
    let actions = rig.decoder_fails(0, "a", 4711);
    assert!(matches!(actions[..2], [ClientAction::Abandon { .. }, ClientAction::Rewind]), "{actions:?}");
    let reason = "a failed here (it broke); it is no longer used";
    assert_eq!(requested(&actions), Some(("b", 0, reason)));
    let started = rig.header();
    assert!(matches!(&started[..], [ClientAction::ChunkStart { from: FrameIndex(4711), .. }]), "{started:?}");
    // The same at a frame of the second chunk, and past the last frame.
    let mut rig = Rig::playing(&["a", "b"]);
    assert_eq!(requested(&rig.decoder_fails(0, "a", 144_000)).map(|(_, index, _)| index), Some(1));
    let actions = Rig::playing(&["a", "b"]).decoder_fails(0, "a", 150_000);
    assert!(
        matches!(actions[..], [ClientAction::Abandon { .. }, ClientAction::Rewind, ClientAction::TrackEnd]),
        "{actions:?}"
    );
}

#[test]
fn a_failure_of_an_earlier_play_changes_nothing() {
    let mut rig = Rig::playing(&["a", "b"]);
    rig.play("t");
    assert!(rig.decoder_fails(0, "a", 4711).is_empty());
    assert!(rig.client.failed_codecs().is_empty());
    // The session no longer remembers this play, although it is still heard. It ends the track and reports the
    // failure.
    rig.client.started.clear();
    let actions = rig.decoder_fails(1, "a", 4711);
    let [.., ClientAction::Rewind, ClientAction::TrackEnd, ClientAction::Failed { track, .. }] = &actions[..]
    else {
        panic!("{actions:?}")
    };
    assert_eq!(track.as_str(), "t");
}

#[test]
fn a_track_that_was_given_up_is_not_fetched_again_behind_another() {
    let mut rig = Rig::playing(&["a", "b"]);
    rig.follow("u");
    rig.packets(150);
    for _ in 0..2 {
        rig.chunk(ChunkEvent::End);
    }
    rig.answer(info("u", &["a"]), true);
    let actions = rig.refuse(ErrorCode::Unreadable);
    assert!(matches!(actions[..], [ClientAction::TrackEnd, ClientAction::Failed { .. }]), "{actions:?}");
    assert_eq!(requested(&rig.decoder_fails(0, "a", 4711)).map(|(codec, ..)| codec), Some("b"));
    for _ in 0..2 {
        rig.chunk(ChunkEvent::End);
    }
    assert!(!rig.client.has_demand());
}

#[test]
fn a_follow_counts_only_after_the_last_play() {
    let mut rig = Rig::playing(&["a"]);
    let follow = |rig: &mut Rig, after: u64, play: u64| {
        let next = Some(NextPlay { play: PlayId(play), track: id(&format!("t{play}")) });
        rig.feed(ClientInput::Follow { after: PlayId(after), next });
        rig.client.next_track.as_ref().map(|next| next.play.0)
    };
    assert_eq!(follow(&mut rig, 0, 1), Some(1));
    assert_eq!(follow(&mut rig, 0, 2), Some(2), "the last one counts");
    assert_eq!(follow(&mut rig, 7, 3), Some(2));
    // The session takes it up.
    rig.packets(1);
    rig.chunk(ChunkEvent::End);
    rig.packets(1);
    rig.chunk(ChunkEvent::End);
    assert_eq!(follow(&mut rig, 0, 2), None, "it is named again");
    assert_eq!(follow(&mut rig, 2, 4), Some(4));
    let failed = rig.refuse(ErrorCode::Unreadable);
    assert!(matches!(failed[..], [ClientAction::Failed { play: PlayId(2), .. }]), "{failed:?}");
    assert_eq!(rig.client.next_track, None);
    assert_eq!(follow(&mut rig, 4, 5), None, "it was never taken up");
    assert_eq!(follow(&mut rig, 2, 6), None, "it is taken up at once");
    assert_eq!(rig.client.last_play, PlayId(6));
    assert_eq!(follow(&mut rig, 6, 7), Some(7));
    let jump = ClientInput::Play { play: PlayId(8), track: id("u"), at: Position::START };
    rig.feed(jump);
    assert_eq!(rig.client.next_track, None, "nothing follows a jump by itself");
}

#[test]
fn the_first_chunk_is_requested_with_the_info_only_if_the_node_chooses_the_wanted_rendition() {
    assert_eq!(requested_info(&after_a_chunk(96_000).play("b")), Some(("b", true)));
    let mut rig = after_a_chunk(48_000);
    assert_eq!(requested_info(&rig.play("b")), Some(("b", false)));
    let actions = rig.answer(info_at("b", [96_000, 48_000]), false);
    assert_eq!(requested(&actions), Some(("d", 0, "it is wanted")));
    let started = rig.header();
    assert!(
        matches!(&started[..], [ClientAction::ChunkStart { reason, .. }] if &**reason == "it is wanted"),
        "{started:?}"
    );
}

#[test]
fn the_first_chunk_is_abandoned_if_the_track_is_not_like_the_one_before() {
    let mut rig = after_a_chunk(96_000);
    assert_eq!(requested_info(&rig.play("b")), Some(("b", true)));
    let actions = rig.answer(info_at("b", [128_000, 96_000]), true);
    let abandoned = actions.iter().position(|action| matches!(action, ClientAction::Abandon { .. }));
    let requested = actions.iter().position(|action| matches!(action, ClientAction::GetChunk { .. }));
    assert!(abandoned.is_some() && abandoned < requested, "{actions:?}");
}

impl Rig {
    fn damage(&mut self) -> Vec<ClientAction> {
        let request = self.request();
        self.feed(ClientInput::Damaged { request, reason: "wrong hash".into() })
    }
}

fn failure(actions: &[ClientAction]) -> Option<String> {
    actions.iter().find_map(|action| match action {
        ClientAction::Failed { error, .. } => Some(error.to_string()),
        _ => None,
    })
}

#[test]
fn the_third_damaged_copy_of_a_chunk_ends_its_rendition_and_then_the_track() {
    let mut rig = Rig::playing(&["a", "b"]);
    let mut waits = Vec::new();
    for _ in 0..2 {
        rig.packets(150);
        let failed_at = rig.now;
        assert!(matches!(rig.damage()[..], [ClientAction::Retrying { .. }]));
        rig.time_out();
        waits.push((rig.now - failed_at).as_millis());
    }
    assert_eq!(waits, [100, 200], "packets that came before are no progress");
    rig.packets(150);
    let actions = rig.damage();
    let reason = "the node sent chunk 0 damaged 3 times (wrong hash); this rendition is no longer used";
    assert_eq!(requested(&actions), Some(("b", 0, reason)));
    assert!(rig.client.failed_codecs().is_empty(), "the codec is not at fault");
    for _ in 0..2 {
        rig.header();
        rig.damage();
        rig.time_out();
    }
    let actions = rig.damage();
    let expected = "the node sent chunk 0 damaged 3 times (wrong hash)";
    assert_eq!(failure(&actions).as_deref(), Some(expected));
    assert!(!rig.client.has_demand());
}

#[test]
fn a_good_chunk_ends_the_count_of_damaged_copies() {
    let mut rig = Rig::playing(&["a"]);
    for _ in 0..2 {
        for _ in 0..2 {
            rig.damage();
            rig.time_out();
        }
        rig.packets(1);
        rig.chunk(ChunkEvent::End);
    }
    assert_eq!(rig.client.started.len(), 1);
    assert!(!rig.client.has_demand(), "both chunks came");
}

#[test]
fn the_third_damaged_info_ends_the_track() {
    let mut rig = Rig::new(FixedRendition);
    rig.play("t");
    for _ in 0..2 {
        rig.damage();
        rig.time_out();
    }
    let failed = failure(&rig.damage());
    assert_eq!(failed.as_deref(), Some("the node sent the track's info damaged 3 times (wrong hash)"));
}

#[test]
fn copies_that_break_off_cost_at_most_8_chunks_bytes() {
    let mut rig = Rig::playing(&["a"]);
    let most = rig.client.started[0].1.rendition.max_chunk_bytes();
    let failed = (1..100).find(|_| {
        rig.header();
        rig.chunk(ChunkEvent::Packet(vec![0; most / 2].into()));
        let failed = failure(&rig.break_stream());
        if failed.is_none() {
            rig.time_out();
        }
        failed.is_some_and(|reason| reason.contains("but never all of it (gone)"))
    });
    assert_eq!(failed, Some(17));
}

#[test]
fn an_answer_that_drips_is_abandoned_after_3_minutes() {
    for give_up in [Duration::from_secs(180), Duration::from_millis(1)] {
        let mut rig = Rig::playing(&["a"]);
        rig.client.config.give_up = give_up;
        rig.header();
        let given_up = (1..1000).find_map(|packet| {
            rig.now = Duration::from_secs(packet);
            let actions = rig.feed(ClientInput::Timeout);
            if let Some(reason) = failure(&actions) {
                assert!(matches!(actions[0], ClientAction::Abandon { silent: false, .. }));
                return Some((rig.now, reason));
            }
            rig.chunk(ChunkEvent::Packet(Bytes::from_static(b"x")));
            None
        });
        let time = give_up.max(Duration::from_secs(60));
        let reason = format!("the node is out of reach: chunk 0 is incomplete after {} s", time.as_secs());
        assert_eq!(given_up, Some((time, reason)));
    }
}

#[test]
fn only_a_whole_chunk_ends_the_count_of_3_minutes() {
    let mut rig = Rig::playing(&["a"]);
    let given_up = (0..1000).find_map(|_| {
        rig.packets(1);
        rig.now += Duration::from_secs(1);
        let failed = failure(&rig.break_stream());
        match failed {
            Some(_) => Some(rig.now),
            None => {
                rig.time_out();
                None
            }
        }
    });
    let expected = Duration::from_secs(180)..Duration::from_secs(183);
    assert!(given_up.is_some_and(|at| expected.contains(&at)), "{given_up:?}");
}

#[test]
fn a_pause_does_not_count_against_the_node() {
    let mut rig = Rig::playing(&["a"]);
    rig.packets(1);
    rig.feed(ClientInput::Pause);
    rig.now = Duration::from_secs(1000);
    assert!(rig.feed(ClientInput::Resume).is_empty());
    rig.packets(2);
    assert!(failure(&rig.feed(ClientInput::Timeout)).is_none());
}

#[test]
fn a_busy_node_cannot_demand_a_retry_at_once() {
    let mut rig = Rig::playing(&["a"]);
    for expected in [100, 200] {
        let request = rig.request();
        let error = WireError::busy("no room", Duration::ZERO);
        let failed_at = rig.now;
        rig.feed(ClientInput::Refused { request, error });
        rig.time_out();
        assert_eq!((rig.now - failed_at).as_millis(), expected);
    }
}
