//! Renditions for outputs with few rates and channels.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use media_node::{
    client::{CodecChoice, Event, NodeLink, OnLost, OutputChoice, OutputFormats, PauseMode, Player, Setup},
    plugins,
};
use media_plugin_sdk::{DeviceInfo, transport::refuse_all};
use media_protocol::{Position, Rendition};

use crate::{
    fixtures::Kind,
    lab::stage::{Recorder, Recording},
    rig::{Music, Rig},
};

/// Plays a second of a 16-bit WAV file of 44.1 kHz on a device. Returns the rendition and the frames that the output got.
async fn played(codec: &str, rates: &[u32], channels: &[u16]) -> (Rendition, Vec<f32>) {
    let music = Music::of(Kind::WavS16, 44_100, 2, 1.0);
    let rig = Rig::new(&music).await;
    let device = DeviceInfo {
        id: "dac".into(),
        name: "DAC".into(),
        default: true,
        rates: rates.into(),
        channels: channels.into(),
    };
    let recording = Arc::<Mutex<Recording>>::default();
    let registry = plugins::registry();
    let setup = Setup {
        output: OutputChoice {
            plugin: Arc::new(Recorder { recording: Arc::clone(&recording), realtime: false }),
            target: String::new(),
            options: String::new(),
            on_lost: OnLost::Wait,
            formats: OutputFormats::of(&[device], "", ""),
        },
        codec: CodecChoice::Only(vec![codec.into()]),
        bitrate: 96_000,
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
    let link = Arc::new(NodeLink::new(endpoint, rig.address.clone(), None));
    let track = rig.listener().await.track().await.id;
    let (player, mut events) = Player::start(setup, Arc::clone(&link)).unwrap();
    player.play(track, Position::START).await;
    let mut heard = None;
    loop {
        match events.recv().await.expect("the player continues") {
            Event::Began { rendition, .. } => heard = Some(rendition),
            Event::Ended(_) => break,
            bad @ (Event::Fatal(_) | Event::TrackFailed { .. } | Event::OutputFailed(_)) => panic!("{bad:?}"),
            _ => {}
        }
    }
    player.close(events).await;
    link.close().await;
    let rendition = Rendition::clone(&heard.unwrap());
    let recording = recording.lock().unwrap();
    let format = recording.format.unwrap();
    assert_eq!((format.rate, format.channels), (rendition.id.rate, rendition.id.channels));
    (rendition, recording.samples.clone())
}

#[tokio::test]
async fn a_dac_of_48_khz_gets_48_khz() {
    let codecs = if cfg!(feature = "opus") { &["pcm", "opus"][..] } else { &["pcm"] };
    for codec in codecs {
        let (rendition, samples) = played(codec, &[48_000], &[2]).await;
        assert_eq!((rendition.id.rate, rendition.lossless), (48_000, false), "{codec}");
        assert_eq!(samples.len(), 48_000 * 2, "{codec}");
    }
}

#[tokio::test]
async fn a_dac_that_takes_the_source_gets_it_bit_for_bit() {
    let (rendition, samples) = played("pcm", &[44_100, 48_000, 96_000], &[2, 8]).await;
    assert_eq!((rendition.id.rate, rendition.lossless), (44_100, true));
    let (_, unlimited) = played("pcm", &[], &[]).await;
    assert!(samples == unlimited && samples.len() == 44_100 * 2);
    let source = crate::fixtures::music(44_100, 2, 1.0);
    assert!(samples.iter().zip(&source).all(|(heard, sample)| (heard - sample).abs() <= 1.0 / 32_768.0));
}

#[tokio::test]
async fn a_mono_speaker_gets_one_channel() {
    let (rendition, samples) = played("pcm", &[], &[1]).await;
    assert_eq!((rendition.id.rate, rendition.id.channels), (44_100, 1));
    assert_eq!(samples.len(), 44_100);
}
