//! FLAC: conformance suite, choices, interoperability, and damaged packets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]

mod frames;

use std::{fs, process::Command};

use codec_flac::Flac;
use frames::{Frame, encoded};
use media_plugin_conformance::{
    codec::{Case, check},
    signal::{Random, coloured_noise},
};
use media_plugin_sdk::{AudioFormat, Choice, Codec, Limits, PluginError, SampleType, SourceFormat};
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
        (SampleType::S24, 48_000, 6),
    ] {
        let source = source(sample, rate, channels);
        let case = Case { source, limits: Limits::default(), options: "", min_snr: f64::INFINITY };
        check(|| Box::new(Flac), &case).unwrap();
    }
}

#[test]
fn takes_what_it_gives_back_exactly_and_nothing_else() {
    let free = Limits::default();
    let propose = |sample, rate, channels| Flac.propose(&source(sample, rate, channels), &free, "");
    assert_eq!(propose(SampleType::S16, 44_100, 2).unwrap().params, "s16");
    assert_eq!(propose(SampleType::S24, 192_000, 8).unwrap().params, "s24");
    for (sample, rate, channels, word) in [
        (SampleType::F32, 44_100, 2, "round"),
        (SampleType::S32, 44_100, 2, "round"),
        (SampleType::S16, 44_100, 9, "8 channels"),
        (SampleType::S16, 65_537, 2, "steps of 10"),
        (SampleType::S16, 768_000, 2, "655,340"),
    ] {
        let refused = propose(sample, rate, channels).unwrap_err();
        assert!(matches!(&refused, PluginError::Unsupported(why) if why.contains(word)), "{refused}");
    }
    let narrow = Limits { bitrate: Some(900_000), ..free.clone() };
    let refused = Flac.propose(&source(SampleType::S16, 44_100, 2), &narrow, "").unwrap_err();
    assert!(matches!(&refused, PluginError::Unsupported(why) if why.contains("940800")), "{refused}");
    let refused = Flac.propose(&source(SampleType::S16, 44_100, 2), &free, r#"{"level": 8}"#).unwrap_err();
    assert!(matches!(&refused, PluginError::BadArgument(why) if why.contains("level")), "{refused}");
}

#[test]
fn a_chunk_behind_its_configuration_is_a_file_that_others_read() {
    let source = source(SampleType::S24, 44_100, 2);
    let track = coloured_noise(&source, 132_300);
    let (config, packets) = encoded(source, &track);
    let folder = tempfile::tempdir().unwrap();
    let [flac, raw] = ["chunk.flac", "chunk.raw"].map(|name| folder.path().join(name));
    // The marker, and the header of the last metadata block, of 34 bytes.
    let file = [b"fLaC\x80\0\0\x22".to_vec(), config, packets.concat()].concat();
    fs::write(&flac, file).unwrap();
    let arguments = ["--decode", "--silent", "--force-raw-format", "--endian=little", "--sign=signed", "-o"];
    let done = Command::new("flac").args(arguments).arg(&raw).arg(&flac).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let decoded = fs::read(raw).unwrap();
    let (samples, []) = decoded.as_chunks() else { panic!("{} bytes", decoded.len()) };
    let samples =
        samples.iter().map(|&[a, b, c]| (i32::from_le_bytes([0, a, b, c]) >> 8) as f32 / 8_388_608.0);
    assert!(samples.eq(track), "flac decodes something else");
}

/// All nodes must write the same bytes for the same parameters. An encoder that writes other bytes needs new parameter names.
#[test]
fn its_bytes_are_what_they_were() {
    for (sample, hash) in [
        (SampleType::S16, "b543c8766620a94043480134da37794f147ad395fc733b76b7f517329b0b8612"),
        (SampleType::S24, "f9501712af6005257d044d4c86b04be6bd778c86ae3762507dd7945df1d27fd2"),
    ] {
        let source = source(sample, 44_100, 2);
        let (_, packets) = encoded(source, &coloured_noise(&source, 10_000));
        assert_eq!(blake3::hash(&packets.concat()).to_hex().as_str(), hash, "{sample:?}");
    }
}

#[test]
fn damage_behind_good_checksums_is_refused_or_decoded() {
    let source = source(SampleType::S24, 48_000, 2);
    let (config, packets) = encoded(source, &coloured_noise(&source, 3 * 4096 + 100));
    let mut decoder = Flac.decoder(source.format, &config).unwrap();
    let mut pcm = vec![0.0; 4096 * 2];
    let (mut random, mut decoded) = (Random::new(7), 0);
    for _ in 0..3_000 {
        let mut frame = Frame::of(packets[random.below(packets.len())].clone());
        for _ in 0..=random.below(5) {
            frame.set(random.below(200), random.bits() as u8);
        }
        match decoder.decode(&frame.sealed(), &mut pcm) {
            Ok(frames) => {
                decoded += 1;
                assert!(pcm[..2 * frames].iter().all(|x| x.is_finite()));
            }
            Err(PluginError::Corrupt(_) | PluginError::NoSpace { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert!(decoded > 100, "only {decoded} frames passed the checksums");
}

/// Audio of one of four kinds: silence, full-scale noise, a full-scale square wave, or a random walk.
fn audio(samples: usize) -> impl Strategy<Value = Vec<i32>> {
    (0..4, any::<u32>()).prop_map(move |(kind, mut state)| {
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as i32 >> 8
        };
        let mut level = 0_i32;
        let sample = |i: usize| match kind {
            0 => 0,
            1 => random(),
            2 => [-8_388_608, 8_388_607][i / 3 % 2],
            _ => {
                level = (level + random() / 64).clamp(-8_388_608, 8_388_607);
                level
            }
        };
        (0..samples).map(sample).collect()
    })
}

#[test]
fn a_configuration_is_its_own_or_refused() {
    let format = AudioFormat { rate: 44_100, channels: 2 };
    let config = Flac.encoding(&Choice { format, params: "s16".into() }).unwrap().config;
    assert!(Flac.decoder(format, &config).is_ok());
    for bit in 0..34 * 8 {
        let mut other = config.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        // The blocks of 16 and 24 bits differ in one bit, and both are valid.
        let is_deeper = other == Flac.encoding(&Choice { format, params: "s24".into() }).unwrap().config;
        assert_eq!(Flac.decoder(format, &other).is_ok(), is_deeper, "bit {bit}");
    }
    assert!(Flac.decoder(format, &config[..33]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn any_audio_of_any_length_comes_back(
        frames in prop_oneof![1_usize..40, 1_usize..=4096],
        channels in 1_u16..=8,
        (samples, deep) in (audio(4096 * 8), any::<bool>()),
    ) {
        let (sample, params) = if deep { (SampleType::S24, "s24") } else { (SampleType::S16, "s16") };
        let source = source(sample, 96_000, channels);
        let shift = if deep { 0 } else { 8 };
        let scale = if deep { 8_388_608.0 } else { 32_768.0 };
        let pcm: Vec<f32> =
            samples[..source.format.samples(frames)].iter().map(|x| (x >> shift) as f32 / scale).collect();
        let choice = Choice { format: source.format, params: params.into() };
        let encoding = Flac.encoding(&choice).unwrap();
        let mut packet = vec![0; encoding.max_packet_bytes as usize];
        let bytes = Flac.encoder(&choice).unwrap().encode(&pcm, &mut packet).unwrap();
        let mut copy = vec![0.0; pcm.len()];
        let mut decoder = Flac.decoder(source.format, &encoding.config).unwrap();
        prop_assert_eq!(decoder.decode(&packet[..bytes], &mut copy).unwrap(), frames);
        prop_assert!(copy == pcm);
    }
}
