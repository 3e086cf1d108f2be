//! The output `file`, read back with the crate `hound`.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use media_plugin_sdk::{AudioFormat, OpenRequest, Output, OutputPlugin, PluginError, Result, SampleType};
use output_file::{File, Stdout};
use proptest::prelude::*;
use tempfile::TempDir;

const CD: AudioFormat = AudioFormat { rate: 44_100, channels: 2 };

fn open(path: &Path, format: AudioFormat, sample: SampleType, options: &str) -> Result<Box<dyn Output>> {
    File.open(&OpenRequest { target: path.to_str().unwrap(), format, sample, options })
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

/// Writes all samples and finishes the file.
fn write_file(path: &Path, format: AudioFormat, sample: SampleType, options: &str, samples: &[f32]) {
    let mut output = open(path, format, sample, options).unwrap();
    write_all(output.as_mut(), samples);
    assert!(output.drain().unwrap());
}

/// Name of an unfinished file.
fn part(path: &Path) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(".part");
    name.into()
}

/// Names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
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
            write_file(&path, format, sample, "", &samples);

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
        write_file(&path, CD, sample, "", &samples);
        let mut reader = hound::WavReader::open(&path).unwrap();
        assert_eq!(reader.spec().sample_format, hound::SampleFormat::Float);
        assert_eq!(reader.samples::<f32>().map(|sample| sample.unwrap()).collect::<Vec<_>>(), samples);
    }
}

#[test]
fn raw_and_pcm_are_little_endian_of_the_format_that_was_asked_for() {
    let room = TempDir::new().unwrap();
    for (name, options, expected) in [
        ("a.raw", "", &[0, 0, 0x40, 0, 0, 0xc0][..]),
        ("b.PCM", r#"{"format": "s16"}"#, &[0, 0x40, 0, 0xc0]),
        ("c.pcm", r#"{"format": "f32"}"#, &[0, 0, 0, 0x3f, 0, 0, 0, 0xbf]),
    ] {
        let path = room.path().join(name);
        write_file(&path, CD, SampleType::S24, options, &[0.5, -0.5]);
        assert_eq!(fs::read(&path).unwrap(), expected);
    }
    assert_eq!(names(room.path()), ["a.raw", "b.PCM", "c.pcm"]);
}

#[test]
fn an_unknown_or_missing_ending_is_refused_and_creates_nothing() {
    let room = TempDir::new().unwrap();
    for name in ["out.flac", "out.mp3", "out", "out.", ".wav", "out.wav.part"] {
        let error = open(&room.path().join(name), CD, SampleType::S16, "").err().unwrap();
        let text = error.to_string();
        assert!(matches!(error, PluginError::BadArgument(_)), "{text}");
        assert!(
            text.starts_with("file output: cannot write ") && text.contains(&format!("{name}: endings are")),
            "{text}"
        );
        assert!([".wav", ".wave", ".raw", ".pcm"].iter().all(|ending| text.contains(ending)), "{text}");
        assert_eq!(text.lines().count(), 1);
    }
    assert!(names(room.path()).is_empty());
    let wave = room.path().join("a.wave");
    write_file(&wave, CD, SampleType::S16, "", &[0.5, -0.5]);
    assert_eq!(read_integers(&wave), [16_384, -16_384]);
}

#[test]
fn a_file_is_readable_at_any_moment_but_for_its_last_second() {
    let room = TempDir::new().unwrap();
    let (path, copy) = (room.path().join("a.wav"), room.path().join("copy.wav"));
    let mut output = open(&path, CD, SampleType::S16, "").unwrap();
    fs::copy(part(&path), &copy).unwrap();
    assert!(read_integers(&copy).is_empty());

    let (integers, samples) = noise(2 * 44_100 * 5 / 2, 16);
    write_all(output.as_mut(), &samples);
    // The state that a killed process leaves: neither drained nor dropped.
    assert!(!path.exists());
    fs::copy(part(&path), &copy).unwrap();
    let held = read_integers(&copy);
    assert!(held.len() >= 2 * 44_100 * 3 / 2, "{} samples", held.len());
    assert_eq!(held, integers[..held.len()]);

    assert!(output.drain().unwrap());
    assert_eq!(read_integers(&path), integers);
    assert!(!part(&path).exists());
}

#[test]
fn a_file_that_is_not_drained_keeps_its_part_name_and_the_next_one_replaces_it() {
    let room = TempDir::new().unwrap();
    for name in ["a.wav", "a.raw"] {
        let path = room.path().join(name);
        drop(open(&path, CD, SampleType::S16, "").unwrap());
        assert!(!part(&path).exists(), "a file without samples is removed");
        write_all(open(&path, CD, SampleType::S16, "").unwrap().as_mut(), &[0.25, 0.5, 0.75, 0.75]);
        assert!(!path.exists());
        if name == "a.wav" {
            assert_eq!(hound::WavReader::open(part(&path)).unwrap().duration(), 2);
        }
        write_file(&path, CD, SampleType::S16, "", &[0.5, -0.5]);
        assert!(!part(&path).exists());
        assert!(fs::read(&path).unwrap().ends_with(&[0, 0x40, 0, 0xc0]));
    }
}

#[test]
fn a_file_that_another_player_writes_is_refused() {
    let room = TempDir::new().unwrap();
    let path = room.path().join("a.wav");
    let mut first = open(&path, CD, SampleType::S16, "").unwrap();
    write_all(first.as_mut(), &[0.5, -0.5]);
    let error = open(&path, CD, SampleType::S16, "").err().unwrap();
    assert!(matches!(&error, PluginError::BadArgument(text) if text.contains("another process")), "{error}");
    assert!(first.drain().unwrap());
    assert_eq!(read_integers(&path), [16_384, -16_384]);
}

/// One byte of padding follows the first track. The second one starts in its place.
#[test]
fn tracks_after_a_drain_continue_the_same_file() {
    let room = TempDir::new().unwrap();
    let path = room.path().join("a.wav");
    let format = AudioFormat { rate: 48_000, channels: 1 };
    let (integers, samples) = noise(3 * 4_801, 24);
    let mut output = open(&path, format, SampleType::S24, "").unwrap();
    for (n, track) in samples.chunks(4_801).enumerate() {
        write_all(output.as_mut(), track);
        output.flush().unwrap();
        assert!(output.drain().unwrap());
        assert_eq!(read_integers(&path), integers[..(n + 1) * 4_801]);
        assert_eq!(fs::metadata(&path).unwrap().len() % 2, 0);
    }
    drop(output);
    assert_eq!(read_integers(&path), integers);
    assert_eq!(names(room.path()), ["a.wav"]);
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
    assert!(output.drain().unwrap());
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

    // The existing file stays until the new one is complete.
    let overwrite = r#"{"overwrite": true}"#;
    let mut output = open(&path, CD, SampleType::S16, overwrite).unwrap();
    write_all(output.as_mut(), &[0.5, -0.5]);
    drop(output);
    assert_eq!(fs::read(&path).unwrap(), b"years of work");
    write_file(&path, CD, SampleType::S16, overwrite, &[]);
    assert!(read_integers(&path).is_empty());

    // A file that appears during the recording is not overwritten either.
    let late = room.path().join("late.wav");
    let mut output = open(&late, CD, SampleType::S16, "").unwrap();
    write_all(output.as_mut(), &[0.5, -0.5]);
    fs::write(&late, "another's").unwrap();
    let error = output.drain().unwrap_err().to_string();
    assert!(error.contains("late.wav exists") && error.contains("late.wav.part"), "{error}");
    drop(output);
    assert_eq!(fs::read(&late).unwrap(), b"another's");
    assert_eq!(read_integers(&part(&late)), [16_384, -16_384]);

    let empty = room.path().join("empty.wav");
    fs::write(&empty, "").unwrap();
    assert!(open(&empty, CD, SampleType::S16, "").is_ok());
}

#[test]
fn wrong_targets_and_options_are_named() {
    let room = TempDir::new().unwrap();
    for (path, options, word) in [
        (room.path().join("no/such/folder.wav"), "", "folder.wav"),
        (room.path().to_path_buf(), "", "folder"),
        (Path::new("").to_path_buf(), "", "PATH"),
        (room.path().join("a.wav"), r#"{"overwrit": true}"#, "overwrite"),
        (room.path().join("a.wav"), r#"{"format": "s8"}"#, "s24"),
    ] {
        let error = open(&path, CD, SampleType::S16, options).err().unwrap();
        let text = error.to_string();
        assert!(matches!(error, PluginError::BadArgument(_)) && text.contains(word), "{text}");
        assert_eq!(text.lines().count(), 1);
    }
    let open = OpenRequest { target: "x", format: CD, sample: SampleType::S16, options: "" };
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
        prop_assert!(output.drain().unwrap());
        prop_assert_eq!(read_integers(&path), integers);
    }
}
