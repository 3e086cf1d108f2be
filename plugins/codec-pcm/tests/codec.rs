//! PCM: conformance suite, choices, and damaged packets.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use codec_pcm::Pcm;
use media_plugin_conformance::codec::{Case, check};
use media_plugin_sdk::{AudioFormat, Codec, Limits, PluginError, SampleType, SourceFormat};
use proptest::prelude::*;

fn source(sample: SampleType, rate: u32, channels: u16) -> SourceFormat {
    SourceFormat { format: AudioFormat { rate, channels }, sample }
}

#[test]
fn keeps_to_the_suite() {
    for (sample, rate, channels) in [
        (SampleType::S16, 44_100, 2),
        (SampleType::S16, 11_025, 1),
        (SampleType::S24, 96_000, 2),
        (SampleType::F32, 48_000, 6),
    ] {
        let source = source(sample, rate, channels);
        let case = Case { source, limits: Limits::default(), options: "", min_snr: f64::INFINITY };
        check(|| Box::new(Pcm), &case).unwrap();
    }
}

#[test]
fn matches_the_source_within_the_limits() {
    let propose = |sample, limits: &Limits| Pcm.propose(&source(sample, 44_100, 2), limits, "");
    let free = Limits::default();
    for (sample, params) in [
        (SampleType::S16, "s16"),
        (SampleType::S24, "s24"),
        (SampleType::S32, "f32"),
        (SampleType::F32, "f32"),
    ] {
        let choice = propose(sample, &free).unwrap();
        assert_eq!((choice.format.rate, choice.params.as_str()), (44_100, params));
    }
    let narrow = Limits { bitrate: Some(2_200_000), ..free.clone() };
    assert_eq!(propose(SampleType::F32, &narrow).unwrap().params, "s24");
    let narrower = Limits { bitrate: Some(1_411_199), ..free.clone() };
    let refused = propose(SampleType::S16, &narrower).unwrap_err();
    assert!(matches!(&refused, PluginError::Unsupported(why) if why.contains("1411200")), "{refused}");
    assert_eq!(propose(SampleType::S16, &Limits { channels: Some(1), ..free }).unwrap().format.channels, 1);
}

#[test]
fn a_chunk_is_as_long_as_designed() {
    let choice = Pcm.propose(&source(SampleType::S16, 44_100, 2), &Limits::default(), "{}").unwrap();
    let encoding = Pcm.encoding(&choice).unwrap();
    assert_eq!(
        (encoding.packet_frames, encoding.bitrate, encoding.config.as_slice()),
        (882, 1_411_200, &b"s16"[..])
    );
    assert_eq!(132_300 % encoding.packet_frames, 0);
    let widest = Pcm.propose(&source(SampleType::F32, 768_000, 32), &Limits::default(), "").unwrap();
    assert_eq!(Pcm.encoding(&widest).unwrap().max_packet_bytes, 1 << 20);
}

#[test]
fn an_unknown_option_is_named() {
    let refused = Pcm.propose(&source(SampleType::S16, 44_100, 2), &Limits::default(), r#"{"dither": true}"#);
    assert!(refused.unwrap_err().to_string().contains("dither"));
}

proptest! {
    #[test]
    fn any_bytes_decode_to_finite_samples_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        for (config, frame_bytes) in [(b"s16", 4), (b"s24", 6), (b"f32", 8)] {
            let mut decoder = Pcm.decoder(AudioFormat { rate: 48_000, channels: 2 }, config).unwrap();
            let mut pcm = [f32::NAN; 200];
            match decoder.decode(&bytes, &mut pcm) {
                Ok(frames) => {
                    prop_assert_eq!(frames * frame_bytes, bytes.len());
                    prop_assert!(pcm[..2 * frames].iter().all(|x| x.is_finite()));
                }
                Err(PluginError::Corrupt(_)) => prop_assert!(!bytes.len().is_multiple_of(frame_bytes)),
                Err(PluginError::NoSpace { have, need }) => prop_assert!(have == 200 && need > have),
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }
}
