//! The output `file`, read back with the crate `hound`.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::{fs, path::Path};

use media_plugin_sdk::{AudioFormat, Open, Output, OutputPlugin, PluginError, Result, SampleType};
use output_file::{File, Stdout};
use proptest::prelude::*;
use tempfile::TempDir;

const CD: AudioFormat = AudioFormat { rate: 44_100, channels: 2 };

fn open(path: &Path, format: AudioFormat, sample: SampleType, options: &str) -> Result<Box<dyn Output>> {
    File.open(&Open { target: path.to_str().unwrap(), format, sample, options })
}

fn write_all(output: &mut dyn Output, samples: &[f32]) {
    let channels = usize::from(output.format().channels);
    let mut rest = samples;
    while !rest.is_empty() {
        let taken = output.write(rest).unwrap();
        assert!(taken > 0);
        rest = &rest[taken * channels..];
    }
}

/// Different values in `[-2^(bits-1), 2^(bits-1))`, as integers and as samples.
fn noise(count: usize, bits: u32) -> (Vec<i32>, Vec<f32>) {
    let half = 1_i64 << (bits - 1);
    let values = (1..=count as i64).map(|i| ((i * 2_654_435_761) % (2 * half) - half) as i32);
    values.map(|value| (value, value as f32 / half as f32)).unzip()
}

fn read_integers(path: &Path) -> Vec<i32> {
    hound::WavReader::open(path).unwrap().into_samples().map(|sample| sample.unwrap()).collect()
}

#[test]
fn wav_holds_16_and_24_bit_samples_exactly_and_any_channels() {
    let room = TempDir::new().unwrap();
    for (sample, bits) in [(SampleType::S16, 16), (SampleType::S24, 24)] {
        for channels in [1, 2, 3, 6, 8, 32] {
            let path = room.path().join(format!("{bits}-{channels}.WAV"));
            let format = AudioFormat { rate: 48_000, channels };
            let (integers, samples) = noise(usize::from(channels) * 5_001, bits);
            write_all(open(&path, format, sample, "").unwrap().as_mut(), &samples);

            let spec = hound::WavReader::open(&path).unwrap().spec();
            assert_eq!((spec.channels, spec.sample_rate), (channels, 48_000));
            assert_eq!((spec.bits_per_sample, spec.sample_format), (bits as u16, hound::SampleFormat::Int));
            assert_eq!(read_integers(&path), integers);
            assert_eq!(fs::metadata(&path).unwrap().len() % 2, 0, "chunks are padded to words");
        }
    }
}

#[test]
fn wav_holds_floats_exactly_for_what_no_integer_type_holds() {
    let room = TempDir::new().unwrap();
    let samples = [0.1, -3.5, f32::MIN_POSITIVE, 1.0];
    for sample in [SampleType::F32, SampleType::S32] {
        let path = room.path().join(format!("{sample:?}.wav"));
        write_all(open(&path, CD, sample, "").unwrap().as_mut(), &samples);
        let mut reader = hound::WavReader::open(&path).unwrap();
        assert_eq!(reader.spec().sample_format, hound::SampleFormat::Float);
        assert_eq!(reader.samples::<f32>().map(|sample| sample.unwrap()).collect::<Vec<_>>(), samples);
    }
}

#[test]
fn another_extension_is_raw_little_endian_of_the_format_that_was_asked_for() {
    let room = TempDir::new().unwrap();
    for (options, expected) in [
        ("", &[0, 0, 0x40, 0, 0, 0xc0][..]),
        (r#"{"format": "s16"}"#, &[0, 0x40, 0, 0xc0]),
        (r#"{"format": "f32"}"#, &[0, 0, 0, 0x3f, 0, 0, 0, 0xbf]),
    ] {
        let path = room.path().join(format!("{}.raw", options.len()));
        write_all(open(&path, CD, SampleType::S24, options).unwrap().as_mut(), &[0.5, -0.5]);
        assert_eq!(fs::read(&path).unwrap(), expected);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_file_is_readable_at_any_moment_but_for_its_last_second() {
    let room = TempDir::new().unwrap();
    let (path, copy) = (room.path().join("a.wav"), room.path().join("copy.wav"));
    let mut output = open(&path, CD, SampleType::S16, "").unwrap();
    fs::copy(&path, &copy).unwrap();
    assert!(read_integers(&copy).is_empty());

    let (integers, samples) = noise(2 * 44_100 * 5 / 2, 16);
    write_all(output.as_mut(), &samples);
    // The state that a killed process leaves: neither drained nor dropped.
    fs::copy(&path, &copy).unwrap();
    let held = read_integers(&copy);
    assert!(held.len() >= 2 * 44_100 * 3 / 2, "{} samples", held.len());
    assert_eq!(held, integers[..held.len()]);

    assert!(output.drain().unwrap());
    fs::copy(&path, &copy).unwrap();
    assert_eq!(read_integers(&copy), integers);
}

#[test]
fn a_pause_takes_nothing_and_a_flush_loses_nothing() {
    let room = TempDir::new().unwrap();
    let path = room.path().join("a.wav");
    let mut output = open(&path, CD, SampleType::S16, "").unwrap();
    assert!(!output.is_realtime());
    write_all(output.as_mut(), &[0.25, 0.5]);
    output.pause(true).unwrap();
    assert_eq!(output.write(&[0.75, 0.75]).unwrap(), 0);
    output.pause(false).unwrap();
    output.flush().unwrap();
    write_all(output.as_mut(), &[-0.25, -0.5]);
    assert_eq!(output.delay(), 0);
    drop(output);
    assert_eq!(read_integers(&path), [8_192, 16_384, -8_192, -16_384]);
}

#[test]
fn what_someone_recorded_is_not_overwritten_unless_asked_for() {
    let room = TempDir::new().unwrap();
    let path = room.path().join("only-copy.wav");
    fs::write(&path, "years of work").unwrap();
    let error = open(&path, CD, SampleType::S16, "").err().unwrap();
    assert!(matches!(error, PluginError::BadArgument(_)));
    assert!(
        error.to_string().contains("only-copy.wav") && error.to_string().contains("overwrite"),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), b"years of work");

    drop(open(&path, CD, SampleType::S16, r#"{"overwrite": true}"#).unwrap());
    assert!(read_integers(&path).is_empty());

    let empty = room.path().join("empty.wav");
    fs::write(&empty, "").unwrap();
    assert!(open(&empty, CD, SampleType::S16, "").is_ok());
}

#[test]
fn wrong_targets_and_options_are_named() {
    let room = TempDir::new().unwrap();
    for (path, options, word) in [
        (room.path().join("no/such/folder.wav"), "", "folder.wav"),
        (room.path().to_path_buf(), "", "creating"),
        (Path::new("").to_path_buf(), "", "PATH"),
        (room.path().join("a.wav"), r#"{"overwrit": true}"#, "overwrite"),
        (room.path().join("a.wav"), r#"{"format": "s8"}"#, "s24"),
    ] {
        let error = open(&path, CD, SampleType::S16, options).err().unwrap();
        let text = error.to_string();
        assert!(matches!(error, PluginError::BadArgument(_)) && text.contains(word), "{text}");
        assert_eq!(text.lines().count(), 1);
    }
    let open = Open { target: "x", format: CD, sample: SampleType::S16, options: "" };
    assert!(Stdout.open(&open).is_err());
}

proptest! {
    /// The sizes of the writes do not change the file.
    #[test]
    fn cuts_do_not_show(cuts in prop::collection::vec(1_usize..3_000, 1..20)) {
        let room = TempDir::new().unwrap();
        let path = room.path().join("a.wav");
        let mut output = open(&path, AudioFormat { rate: 8_000, channels: 3 }, SampleType::S24, "").unwrap();
        let (integers, samples) = noise(3 * cuts.iter().sum::<usize>(), 24);
        let mut at = 0;
        for cut in cuts {
            write_all(output.as_mut(), &samples[at..at + 3 * cut]);
            at += 3 * cut;
        }
        drop(output);
        prop_assert_eq!(read_integers(&path), integers);
    }
}
