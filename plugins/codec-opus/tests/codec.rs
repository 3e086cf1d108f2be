//! Opus: conformance suite, choices, packet sizes, and damaged packets.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use codec_opus::Opus;
use media_plugin_conformance::{
    chunks,
    codec::{Case, check},
    signal,
};
use media_plugin_sdk::{AudioFormat, Choice, Codec, Limits, PluginError, SampleType, SourceFormat};
use proptest::prelude::*;

fn source(rate: u32, channels: u16) -> SourceFormat {
    SourceFormat { format: AudioFormat { rate, channels }, sample: SampleType::S16 }
}

#[test]
fn keeps_to_the_suite() {
    for (channels, options, min_snr) in [
        (1, "", 20.0),
        (2, "", 15.0),
        (2, r#"{"bitrate": 510000, "complexity": 0}"#, 30.0),
        (2, r#"{"bitrate": 64000, "vbr": false}"#, 12.0),
        (1, r#"{"bitrate": 24000, "application": "voip"}"#, 5.0),
        (6, "", 15.0),
        (8, "", 15.0),
    ] {
        let case = Case { source: source(48_000, channels), limits: Limits::default(), options, min_snr };
        check(|| Box::new(Opus), &case).unwrap_or_else(|e| panic!("{channels} channels, {options}: {e}"));
    }
}

#[test]
fn is_at_48_khz_and_within_the_limits() {
    let limits = Limits { bitrate: Some(40_500), rates: vec![44_100], channels: None };
    let choice = Opus.propose(&source(96_000, 6), &limits, "").unwrap();
    assert_eq!(
        (choice.format, choice.params.as_str()),
        (AudioFormat { rate: 48_000, channels: 6 }, "k40c10-join")
    );
    let stereo = Limits { channels: Some(5), ..Limits::default() };
    assert_eq!(Opus.propose(&source(48_000, 6), &stereo, "").unwrap().format.channels, 2);
    assert_eq!(Opus.propose(&source(48_000, 24), &Limits::default(), "").unwrap().format.channels, 2);
    let none = Limits { channels: Some(0), ..Limits::default() };
    assert!(matches!(Opus.propose(&source(48_000, 2), &none, ""), Err(PluginError::Unsupported(_))));
}

#[test]
fn channels_stay_where_they_are() {
    let choice = Choice { format: AudioFormat { rate: 48_000, channels: 6 }, params: "k400c5-join".into() };
    let encoding = Opus.encoding(&choice).unwrap();
    let heard = SourceFormat { format: choice.format, sample: SampleType::S16 };
    let track = signal::coloured_noise(&heard, 48_000);
    let (copy, _) = chunks::round_trip(&Opus, &encoding, &track, 48_000).unwrap();
    let channel = |pcm: &[f32], c: usize| pcm.iter().skip(c).step_by(6).copied().collect::<Vec<f32>>();
    for c in 0..6 {
        let snr = signal::snr(&channel(&track, c), &channel(&copy, c));
        assert!(snr > 15.0, "channel {c}: {snr:.1} dB");
    }
}

#[test]
fn a_chunk_is_about_as_large_as_its_bitrate_says() {
    for kbit in [24, 96, 256] {
        let choice =
            Choice { format: AudioFormat { rate: 48_000, channels: 2 }, params: format!("k{kbit}c10-join") };
        let encoding = Opus.encoding(&choice).unwrap();
        let heard = SourceFormat { format: choice.format, sample: SampleType::S16 };
        let track = signal::coloured_noise(&heard, 150_000);
        let mut encoder = Opus.encoder(&choice).unwrap();
        let packets = chunks::encode(encoder.as_mut(), &encoding, &track, 0, 144_000).unwrap();
        // 3 s, and one packet for 6.5 ms of lookahead and 13.3 ms of crossfade.
        assert_eq!(packets.len(), 151);
        let bytes: usize = packets.iter().map(Vec::len).sum();
        let nominal = kbit * 3_000 / 8;
        assert!(
            (nominal * 9 / 10..nominal * 23 / 20).contains(&bytes),
            "{kbit} kbit/s: {bytes} of {nominal} bytes"
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_decode_to_finite_samples_or_are_refused(
        packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..8),
        channels in prop_oneof![Just(1_u16), Just(2), Just(6)],
    ) {
        let format = AudioFormat { rate: 48_000, channels };
        let config = Opus.encoding(&Choice { format, params: "k96c10-join".into() }).unwrap().config;
        let mut decoder = Opus.decoder(format, &config).unwrap();
        let mut pcm = vec![0.0; format.samples(5_760)];
        for packet in packets {
            match decoder.decode(&packet, &mut pcm) {
                Ok(frames) => prop_assert!(pcm[..format.samples(frames)].iter().all(|x| x.is_finite())),
                Err(error) => prop_assert!(matches!(error, PluginError::Corrupt(_)), "{}", error),
            }
        }
    }
}
