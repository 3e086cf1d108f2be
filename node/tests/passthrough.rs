//! An Ogg Opus file within the listener's limits goes out as it is: what is heard is, sample for sample, what a decoder
//! gives that runs over the whole file.

#![cfg(feature = "opus")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

#[path = "common/fixtures.rs"]
mod fixtures;
#[path = "server/rig.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod rig;
#[path = "lab/stage.rs"]
mod stage;

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use fixtures::{Kind, ffmpeg_decode, music, snr};
use media_node::{
    client::{CodecChoice, Counts, Dial, Event, OnLost, OutputChoice, PauseMode, Player, Setup},
    plugins,
    server::ServerConfig,
    source::Source,
};
use media_plugin_sdk::transport::refuse_all;
use media_protocol::{
    ChunkIndex, ChunkRequest, CodecOffer, ErrorCode, GetInfo, Info, Position, Rendition, RenditionId,
};
use rig::{Listener, Music, Rig, code, offering};
use stage::{Recorder, Recording};

/// Over several borders, and no whole number of packets or chunks.
const SECONDS: f64 = 10.123;

/// A file by opusenc, with these options.
fn opus_file(music: &Music, channels: u16, seconds: f64, options: &[&str]) -> PathBuf {
    let workshop = tempfile::tempdir().unwrap();
    let samples = fixtures::music(48_000, channels, seconds);
    let wav = fixtures::encode(workshop.path(), Kind::WavS16, 48_000, channels, &samples);
    let path = music.path().join("track.opus");
    let done = Command::new("opusenc").arg("--quiet").args(options).arg(wav).arg(&path).status();
    assert!(done.expect("these tests need opusenc").success());
    path
}

/// What a decoder gives that begins at the beginning.
fn decoded(path: &Path) -> Vec<f32> {
    let source = Source::open(path).unwrap();
    let info = source.info();
    let mut samples = vec![0.0; info.format.samples(usize::try_from(info.frames).unwrap())];
    let read = source.reader().unwrap().read(&mut samples).unwrap();
    assert_eq!(read as u64, info.frames);
    samples
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

/// Plays the track from `at` on, over the transport `memory`. Returns what the output got.
async fn played(rig: &Rig, codec: CodecChoice, bitrate: u32, at: Position) -> (Vec<f32>, Counts) {
    let recording = Arc::<Mutex<Recording>>::default();
    let output = OutputChoice {
        plugin: Arc::new(Recorder { recording: Arc::clone(&recording), realtime: false }),
        target: String::new(),
        options: String::new(),
        on_lost: OnLost::Wait,
    };
    let registry = plugins::registry();
    let setup = Setup {
        output,
        codec,
        bitrate,
        target: Duration::from_secs(3),
        max_bytes: 64 << 20,
        start: Duration::from_millis(200),
        pause: PauseMode::Hold,
        volume: 1.0,
        registry: Arc::clone(&registry),
        began: Instant::now(),
    };
    let endpoint = registry.transport("memory").unwrap().bind(&rig::bind(refuse_all())).await.unwrap();
    let dial = Arc::new(Dial::new(endpoint, rig.address.clone(), None));
    let track = rig.listener().await.track().await.id;
    let (player, mut events) = Player::start(setup, Arc::clone(&dial)).unwrap();
    player.play(track, at).await;
    loop {
        match events.recv().await.expect("the player goes on") {
            Event::Ended(_) => break,
            bad @ (Event::Fatal(_) | Event::TrackFailed { .. } | Event::OutputFailed(_)) => panic!("{bad:?}"),
            _ => {}
        }
    }
    let counts = player.counts();
    player.close(events).await;
    dial.close().await;
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
        // The last chunk is shorter than what the one before holds beyond its end.
        (2, 6.004, &["--bitrate", "96"]),
        (1, 0.004, &["--bitrate", "48"]),
    ];
    for (channels, seconds, options) in kinds {
        let music = Music::new();
        let file = opus_file(&music, channels, seconds, options);
        let rig = Rig::new(&music).await;
        let (samples, counts) = played(&rig, opus(), 510_000, Position::START).await;
        let expected = decoded(&file);
        assert_eq!(samples.len(), expected.len(), "{options:?}");
        let differs = samples.iter().zip(&expected).position(|(a, b)| a != b);
        assert_eq!(differs, None, "{options:?}");
        let ffmpeg = ffmpeg_decode(&file);
        eprintln!(
            "{options:?}: {} dB from ffmpeg's ({} {}), {} bytes of {}: {:.4}",
            snr(&ffmpeg, &samples), ffmpeg.len(), samples.len(),
            counts.bytes_received,
            file.metadata().unwrap().len(),
            counts.bytes_received as f64 / file.metadata().unwrap().len() as f64
        );
    }
}
