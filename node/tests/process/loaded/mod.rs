//! Loaded plugins from end to end: a node serves a file, another node plays it, and both use a codec or an
//! output from a shared library. The result equals the format's own result, and the result of the same source
//! built in.

#![cfg(unix)]

#[cfg(feature = "fastn")]
mod binary;
mod options;
mod rig;

use std::fs;

use crate::fixtures::{Kind, encode, music, snr, stored};
use crate::program::Wav;
use codec_flac as _;
use media_plugin_conformance::chunks;
use media_plugin_sdk::{AudioFormat, Limits, SampleType, SourceFormat};
use output_pipe as _;
use rig::{Node, is_loaded, linked, loaded, only};

/// Longer than a chunk, and no whole number of any codec's packets.
const SECONDS: f64 = 4.123;

#[tokio::test]
async fn flac_is_bit_exact_loaded_and_built_in_on_either_side() {
    let folder = tempfile::tempdir().unwrap();
    let (loaded, linked) = (loaded(&[]), linked());
    assert_eq!([&loaded, &linked].map(|it| is_loaded(it, "flac")), [Some(true), Some(false)]);
    for (kind, rate, params) in [(Kind::WavS16, 44_100, "s16"), (Kind::FlacS24, 96_000, "s24")] {
        let samples = music(rate, 2, SECONDS);
        let file = encode(folder.path(), kind, rate, 2, &samples);
        for (serving, listening, key) in
            [(&loaded, &loaded, 1), (&linked, &linked, 2), (&loaded, &linked, 3), (&linked, &loaded, 4)]
        {
            let node = Node::start(serving, &file, key).await;
            let wav = folder.path().join(format!("{params}-{key}.wav"));
            let to = ("file", wav.to_str().unwrap(), "");
            let info = node.play(listening, only(&["flac"]), to).await.unwrap();
            assert_eq!(info.rendition.id.codec, "flac");
            assert_eq!((info.rendition.id.params.as_str(), info.rendition.lossless), (params, true));
            let wav = Wav::read(&wav);
            assert_eq!(wav.spec.bits_per_sample.to_string(), params[1..]);
            assert!(wav.samples == stored(kind, &samples), "{params}, {key}");
            node.stop().await;
        }
    }
}

/// ADPCM predicts each sample by the last one and writes the difference in 4 bits with an adaptive step. For
/// a tone the prediction is worth −20 log10(2 sin πf/r) dB. The 4 bits are worth 24 dB, less the error of the
/// step: 20.6 to 22.4 dB were measured, for every tone.
#[tokio::test]
async fn adpcm_is_what_the_format_gives() {
    const RATE: u32 = 48_000;
    let folder = tempfile::tempdir().unwrap();
    let loaded = loaded(&[]);
    let adpcm = loaded.codec("adpcm").unwrap();
    let format = AudioFormat { rate: RATE, channels: 2 };
    let source = SourceFormat { format, sample: SampleType::S16 };
    for (hertz, key) in [(200.0, 11), (1_000.0, 12), (4_000.0, 13)] {
        let samples = crate::fixtures::tone(RATE, 2, SECONDS, hertz);
        let file = encode(folder.path(), Kind::WavS16, RATE, 2, &samples);
        let node = Node::start(&loaded, &file, key).await;
        let wav = folder.path().join(format!("{hertz}.wav"));
        let info = node.play(&loaded, only(&["adpcm"]), ("file", wav.to_str().unwrap(), "")).await.unwrap();
        assert_eq!((info.rendition.id.codec.as_str(), info.rendition.lossless), ("adpcm", false));
        assert_eq!(info.rendition.bitrate, 387_000, "a quarter of PCM's, and the heads of the packets");

        let (heard, track) = (Wav::read(&wav).samples, stored(Kind::WavS16, &samples));
        let choice = adpcm.propose(&source, &Limits::default(), "").unwrap();
        let encoding = adpcm.encoding(&choice).unwrap();
        let chunk = chunks::chunk_frames(&encoding);
        let (direct, _) = chunks::round_trip(adpcm.as_ref(), &encoding, &track, chunk).unwrap();
        assert!(heard == direct, "{hertz} Hz: not what the codec gives by itself");

        let predicted = -20.0 * (2.0 * (std::f64::consts::PI * hertz / f64::from(RATE)).sin()).log10();
        let quantised = snr(&track, &heard) - predicted;
        assert!((20.0..23.0).contains(&quantised), "{hertz} Hz: {predicted:.1} and {quantised:.1} dB");
        node.stop().await;
    }
}

#[tokio::test]
async fn a_command_gets_every_sample_loaded_and_built_in() {
    let folder = tempfile::tempdir().unwrap();
    let (loaded, linked) = (loaded(&[]), linked());
    assert_eq!([&loaded, &linked].map(|it| is_loaded(it, "pipe")), [Some(true), Some(false)]);
    let samples = music(48_000, 2, SECONDS);
    let file = encode(folder.path(), Kind::WavS24, 48_000, 2, &samples);
    let mut expected = Vec::new();
    for sample in stored(Kind::WavS24, &samples) {
        expected.extend_from_slice(&((sample * 8_388_608.0) as i32).to_le_bytes()[..3]);
    }
    for (registry, key) in [(&loaded, 21), (&linked, 22)] {
        let node = Node::start(registry, &file, key).await;
        let got = folder.path().join(format!("{key}.raw"));
        let options = format!("{{\"command\": [\"tee\", {got:?}]}}");
        let info = node.play(registry, only(&["flac"]), ("pipe", "", &options)).await.unwrap();
        assert!(info.rendition.lossless);
        assert!(fs::read(got).unwrap() == expected, "{key}");

        // A command that ends early is reported, and the node lives on.
        let left = node.play(registry, only(&["pcm"]), ("pipe", "false", "")).await.unwrap_err();
        assert!(left.contains("\"false\" ended (exit status: 1)"), "{left}");
        node.heard(registry, &["pcm"]).await;
        node.stop().await;
    }
}

#[tokio::test]
async fn who_lacks_a_codec_is_given_another_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = encode(folder.path(), Kind::WavS16, 44_100, 2, &music(44_100, 2, 1.0));
    let (all, less) = (loaded(&[]), loaded(&["flac", "adpcm"]));
    assert_eq!(is_loaded(&less, "flac"), None);

    // The listener lacks a codec of the node, so it cannot offer it.
    let node = Node::start(&all, &file, 31).await;
    let info = node.heard(&less, &["flac", "adpcm", "pcm"]).await;
    assert_eq!(info.rendition.id.codec, "pcm");
    for words in
        ["pcm s16: the one codec that this client offers", "adpcm was not offered", "flac was not offered"]
    {
        assert!(info.reason.contains(words), "no {words:?} in {}", info.reason);
    }
    // Among codecs that both have, the listener's order decides. A loaded codec counts like a built-in one.
    for (codecs, chosen) in [(["adpcm", "flac"], "adpcm"), (["flac", "adpcm"], "flac")] {
        let info = node.heard(&all, &codecs).await;
        assert_eq!(info.rendition.id.codec, chosen);
        assert_eq!(info.alternatives.len(), 1, "{info:?}");
        let why = "lossless for a 16-bit source, at about 67 % of PCM's bitrate";
        assert_eq!(info.reason.contains(why), chosen == "flac", "{}", info.reason);
    }
    node.stop().await;

    // The node lacks a codec of the listener.
    let node = Node::start(&less, &file, 32).await;
    let info = node.heard(&all, &["flac", "pcm"]).await;
    let words = "pcm s16: this client's choice number 2, lossless for a 16-bit source; this node has no flac";
    assert!(info.reason.starts_with(words), "{}", info.reason);
    let none = node.play(&all, only(&["flac", "adpcm"]), ("null", "fast", "")).await.unwrap_err();
    assert!(none.contains("this node has no adpcm"), "{none}");
    node.stop().await;

    // A lossy source, which FLAC would round.
    let mp3 = encode(folder.path(), Kind::Mp3, 44_100, 2, &music(44_100, 2, 1.0));
    let node = Node::start(&all, &mp3, 33).await;
    let info = node.heard(&all, &["flac", "pcm"]).await;
    assert!(info.reason.contains("flac cannot carry it (FLAC would round"), "{}", info.reason);
    node.stop().await;
}
