//! An Ogg Opus file within the listener's limits is sent as it is. The listener hears, sample for sample, the
//! output of one decoder that runs over the whole file.

#![cfg(feature = "opus")]

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::fixtures::{Kind, snr};
use crate::lab::stage::{Recorder, Recording};
use crate::rig::{Listener, Music, Rig, offering};
use media_node::{
    client::{
        CodecChoice, Counts, Event, NodeLink, OnLost, OutputChoice, OutputFormats, PauseMode, PlayId, Player,
        Setup,
    },
    plugins,
    server::ServerConfig,
    source::Source,
};
use media_plugin_sdk::transport::refuse_all;
use media_protocol::{CodecOffer, ErrorCode, GetInfo, Info, Position, Rendition, RenditionId};

/// Over several borders, and no whole number of packets or chunks.
const SECONDS: f64 = 10.123;

/// Encodes a file with opusenc and these options.
fn opus_file(music: &Music, channels: u16, seconds: f64, options: &[&str]) -> PathBuf {
    let workshop = tempfile::tempdir().unwrap();
    let samples = crate::fixtures::music(48_000, channels, seconds);
    let wav = crate::fixtures::encode(workshop.path(), Kind::WavS16, 48_000, channels, &samples);
    let path = music.path().join("track.opus");
    let done = Command::new("opusenc").arg("--quiet").args(options).arg(wav).arg(&path).status();
    assert!(done.expect("these tests need opusenc").success());
    path
}

/// Decodes a file from its beginning.
fn decoded(path: &Path) -> Vec<f32> {
    let source = Source::open(path).unwrap();
    let info = source.info();
    let mut samples = vec![0.0; info.format.samples(usize::try_from(info.frames).unwrap())];
    let read = source.reader().unwrap().read(&mut samples).unwrap();
    assert_eq!(read as u64, info.frames);
    samples
}

/// Decodes a file with ffmpeg's libopus, unrounded.
fn by_ffmpeg(path: &Path) -> Vec<f32> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-request_sample_fmt", "flt", "-c:a", "libopus", "-i"]).arg(path);
    let bytes = command.args(["-f", "f32le", "-"]).output().expect("these tests need ffmpeg").stdout;
    bytes.chunks_exact(4).map(|it| f32::from_le_bytes(it.try_into().unwrap())).collect()
}

fn offer(bitrate: Option<u32>) -> CodecOffer {
    CodecOffer { id: "opus".into(), bitrate }
}

fn pcm() -> CodecOffer {
    CodecOffer { id: "pcm".into(), bitrate: None }
}

async fn info(listener: &Listener, codecs: Vec<CodecOffer>) -> Info {
    let request = GetInfo { codecs, ..offering(&listener.track().await, &[]) };
    listener.get_info(&request).await.unwrap()
}

fn passes(rendition: &Rendition) -> bool {
    rendition.id.params == "copy"
}

/// Plays the track from `at` over the transport `memory`. Returns the frames that the output got, and the
/// client's counters.
async fn played(rig: &Rig, codec: CodecChoice, bitrate: u32, at: Position) -> (Vec<f32>, Counts) {
    let recording = Arc::<Mutex<Recording>>::default();
    let output = OutputChoice {
        plugin: Arc::new(Recorder { recording: Arc::clone(&recording), realtime: false }),
        target: String::new(),
        options: String::new(),
        on_lost: OnLost::Wait,
        formats: OutputFormats::default(),
    };
    let registry = plugins::registry();
    let setup = Setup {
        output,
        codec,
        bitrate,
        target: Duration::from_secs(3),
        max: Duration::from_secs(3),
        max_bytes: 64 << 20,
        start: Duration::from_millis(120),
        give_up: Duration::from_secs(180),
        pause: PauseMode::Hold,
        volume: 1.0,
        registry: Arc::clone(&registry),
        began: Instant::now(),
    };
    let endpoint = registry.transport("memory").unwrap().bind(&crate::rig::bind(refuse_all())).await.unwrap();
    let node_link = Arc::new(NodeLink::new(endpoint, rig.address.clone(), None));
    let track = rig.listener().await.track().await.id;
    let (player, mut events) = Player::start(setup, Arc::clone(&node_link)).unwrap();
    player.play(PlayId(0), track, at);
    loop {
        match events.recv().await.expect("the player goes on") {
            Event::Ended(_) => break,
            bad @ (Event::Fatal(_) | Event::TrackFailed { .. } | Event::OutputFailed(_)) => panic!("{bad:?}"),
            _ => {}
        }
    }
    let counts = player.counts();
    player.close(events).await;
    node_link.close().await;
    let samples = std::mem::take(&mut recording.lock().unwrap().samples);
    (samples, counts)
}

fn opus() -> CodecChoice {
    CodecChoice::Only(vec!["opus".into()])
}

#[tokio::test]
async fn what_is_heard_is_what_the_file_decodes_to() {
    let kinds: [(u16, f64, &[&str]); 8] = [
        (2, SECONDS, &["--bitrate", "96", "--music"]),
        (2, SECONDS, &["--bitrate", "128", "--music"]),
        (1, SECONDS, &["--bitrate", "24", "--speech"]),
        (2, SECONDS, &["--bitrate", "32", "--speech", "--framesize", "60"]),
        (1, SECONDS, &["--bitrate", "64", "--framesize", "10"]),
        (2, SECONDS, &["--bitrate", "96", "--hard-cbr", "--framesize", "2.5"]),
        // The last chunk is shorter than the tail of the chunk before.
        (2, 6.004, &["--bitrate", "96"]),
        (1, 0.004, &["--bitrate", "48"]),
    ];
    for (channels, seconds, options) in kinds {
        let music = Music::new();
        let file = opus_file(&music, channels, seconds, options);
        let rig = Rig::new(&music).await;
        let (samples, _) = played(&rig, opus(), 510_000, Position::START).await;
        let expected = decoded(&file);
        assert_eq!(samples.len(), expected.len(), "{options:?}");
        let differs = samples.iter().zip(&expected).position(|(a, b)| a != b);
        assert_eq!(differs, None, "{options:?}");
        // ffmpeg has another build of libopus and another demuxer.
        let others = by_ffmpeg(&file);
        assert_eq!(samples.len(), others.len(), "{options:?}");
        let snr = snr(&others, &samples);
        assert!(snr > 120.0, "{options:?}: {snr:.1} dB from ffmpeg's");
    }
}

/// The client receives the bytes of the file, and for each chunk at least 80 ms of lead-in and 20 ms of tail.
#[tokio::test]
async fn little_more_is_sent_than_the_file_holds() {
    for (options, most) in [
        (&["--bitrate", "96"][..], 1.06),
        (&["--bitrate", "128"], 1.06),
        (&["--bitrate", "24", "--speech"], 1.1),
        (&["--bitrate", "32", "--speech", "--framesize", "60"], 1.1),
    ] {
        let music = Music::new();
        // Whole chunks, so that each has a lead-in and a tail.
        let file = opus_file(&music, 2, 30.0, &[options, &["--padding", "0"]].concat());
        let rig = Rig::new(&music).await;
        let (_, counts) = played(&rig, opus(), 510_000, Position::START).await;
        let ratio = counts.bytes_received as f64 / file.metadata().unwrap().len() as f64;
        assert!((1.0..most).contains(&ratio), "{options:?}: {ratio:.3} times the file");
    }
}

/// SNR of the first 50 ms after a seek against the continuous decode. At 128 kbit/s, in CELT mode, the
/// decoder converges within 500 ms. The hybrid mode at 24 kbit/s keeps long tones for longer.
#[tokio::test]
async fn after_a_seek_it_is_near_what_playing_through_gives() {
    let at = [3000, 3500, 4500, 5900, 9500];
    for (options, least) in [
        (&["--bitrate", "128", "--music"][..], [20.0, 120.0, 120.0, 120.0, 120.0]),
        (&["--bitrate", "24", "--speech"], [30.0; 5]),
    ] {
        let music = Music::new();
        let file = opus_file(&music, 2, SECONDS, options);
        let whole = decoded(&file);
        let rig = Rig::new(&music).await;
        for (millis, least) in at.into_iter().zip(least) {
            let (samples, _) = played(&rig, opus(), 510_000, Position(millis * 1000)).await;
            let expected = &whole[usize::try_from(millis).unwrap() * 48 * 2..];
            assert_eq!(samples.len(), expected.len(), "{options:?} from {millis} ms");
            let snr = snr(&expected[..4800], &samples[..4800]);
            assert!(snr > least, "{options:?} from {millis} ms: {snr:.1} dB");
        }
    }
}

#[tokio::test]
async fn it_comes_first_where_a_listener_allows_for_it() {
    let music = Music::new();
    opus_file(&music, 2, 4.0, &["--bitrate", "96", "--hard-cbr"]);
    let listener = Rig::new(&music).await.listener().await;
    let allowed = [
        vec![offer(None)],
        vec![offer(Some(96_000))],
        vec![offer(Some(64_000)), pcm(), offer(Some(96_000)), offer(Some(160_000))],
        vec![pcm(), offer(Some(64_000)), offer(Some(510_000))],
    ];
    for codecs in allowed {
        let info = info(&listener, codecs.clone()).await;
        assert!(passes(&info.rendition), "{codecs:?}: {}", info.rendition.id);
        assert!(info.rendition.lossless && info.rendition.continuous);
        assert!((94_000..=98_000).contains(&info.rendition.bitrate), "{}", info.rendition.bitrate);
        assert!(info.reason.contains("pass through"), "{}", info.reason);
        let others = info.alternatives.iter().map(|it| it.id.params.as_str()).collect::<Vec<_>>();
        let lower = codecs.contains(&offer(Some(64_000)));
        assert_eq!(others, if lower { vec!["k64c10-join"] } else { vec![] }, "no PCM, and itself only once");
    }
    for codecs in [vec![offer(Some(64_000))], vec![pcm()]] {
        let info = info(&listener, codecs).await;
        assert!(!passes(&info.rendition) && !info.rendition.continuous);
    }
    let track = listener.track().await;
    let mono = GetInfo {
        codecs: vec![offer(None)],
        output: media_protocol::OutputOffer { channels: Some(1), ..Default::default() },
        ..offering(&track, &[])
    };
    assert!(!passes(&listener.get_info(&mono).await.unwrap().rendition), "two channels are not one");
}

#[tokio::test]
async fn a_nodes_own_limit_holds() {
    let music = Music::new();
    opus_file(&music, 2, 4.0, &["--bitrate", "96", "--hard-cbr"]);
    let limit = |bitrate: u32| ("opus".to_owned(), format!(r#"{{"bitrate": {bitrate}}}"#));
    for (bitrate, expected) in [(64_000, false), (128_000, true)] {
        let config = ServerConfig { codec_options: [limit(bitrate)].into(), ..ServerConfig::default() };
        let listener = Rig::with(&music, config, plugins::registry()).await.listener().await;
        let info = info(&listener, vec![offer(Some(160_000))]).await;
        assert_eq!(passes(&info.rendition), expected, "{}", info.reason);
    }
}

/// Asserts that a file that cannot be passed through is decoded and encoded.
async fn is_encoded(music: &Music, why: &str) {
    let listener = Rig::new(music).await.listener().await;
    let info = info(&listener, vec![offer(Some(510_000))]).await;
    assert!(!passes(&info.rendition), "{why}");
    listener.chunk(&info.rendition, 0).await.unwrap();
    let named = format!("{}.opus.48000.2.copy", info.track.id).parse::<RenditionId>().unwrap();
    let rendition = Rendition { id: named, ..info.rendition };
    let refused = listener.chunk(&rendition, 0).await.unwrap_err();
    assert!(refused.message.contains("no Opus"), "{}", refused.message);
    assert_eq!(refused.code, ErrorCode::UnknownRendition);
}

#[tokio::test]
async fn what_cannot_be_handed_on_is_encoded() {
    let music = Music::of(Kind::FlacS16, 48_000, 2, 4.0);
    is_encoded(&music, "FLAC").await;

    let music = Music::new();
    let file = opus_file(&music, 2, 7.0, &["--bitrate", "96"]);
    let good = std::fs::read(&file).unwrap();

    let mut gain = good.clone();
    let head = gain.windows(8).position(|it| it == b"OpusHead").unwrap();
    gain[head + 16] = 1;
    crate::ogg::set_checksum(&mut gain[..head + 19]);
    std::fs::write(&file, &gain).unwrap();
    is_encoded(&music, "gain").await;

    let mut hole = good.clone();
    let middle = hole.len() / 2;
    hole[middle] ^= 1;
    std::fs::write(&file, &hole).unwrap();
    is_encoded(&music, "a page that is damaged").await;

    let lengths = Music::new();
    let other = opus_file(&lengths, 2, 7.0, &["--bitrate", "96", "--framesize", "10"]);
    let other = std::fs::read(other).unwrap();
    // Replaces a page with one of another file; serial number and checksum are correct.
    std::fs::write(&file, crate::ogg::with_page_of(&good, &other)).unwrap();
    is_encoded(&music, "packets of two lengths").await;
}

#[tokio::test]
async fn a_file_that_was_cut_off_passes_through_as_far_as_it_goes() {
    let music = Music::new();
    let file = opus_file(&music, 2, SECONDS, &["--bitrate", "96"]);
    let good = std::fs::read(&file).unwrap();
    std::fs::write(&file, &good[..good.len() * 2 / 3]).unwrap();
    let rig = Rig::new(&music).await;
    let info = info(&rig.listener().await, vec![offer(None)]).await;
    assert!(passes(&info.rendition), "{}", info.reason);
    let (samples, _) = played(&rig, opus(), 510_000, Position::START).await;
    assert!(samples == decoded(&file));
}
