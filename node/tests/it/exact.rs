//! Playback is exact: a node serves real files, another plays them into a WAV, and the WAV equals ffmpeg's
//! decode of the same files.

#![cfg(unix)]

use std::path::{Path, PathBuf};

use crate::fixtures::{Kind, encode, ffmpeg_decode, music, snr, stored};
use crate::program::{Home, Node, Wav};

/// Longer than a chunk, and no whole number of any codec's packets.
const SECONDS: f64 = 4.123;

/// Plays the track of `file` into a WAV.
fn played(home: &Home, node: &Node, file: &Path, codec: &str) -> Wav {
    let title = file.file_stem().unwrap().to_str().unwrap();
    let wav = home.path(&format!("{title} {codec}.wav"));
    let output = format!("file:{}", wav.display());
    home.ok(&["play", &node.ticket, title, "--codec", codec, "--output", &output]);
    Wav::read(&wav)
}

/// Encodes files of these kinds. Returns each with its original samples.
fn files(home: &Home, kinds: &[(Kind, u32, u16)]) -> Vec<(PathBuf, Vec<f32>)> {
    let make = |&(kind, rate, channels): &(Kind, u32, u16)| {
        let samples = music(rate, channels, SECONDS);
        (encode(&home.path(""), kind, rate, channels, &samples), samples)
    };
    kinds.iter().map(make).collect()
}

fn serve(home: &Home, files: &[(PathBuf, Vec<f32>)]) -> Node {
    home.serve(&files.iter().map(|(path, _)| path.as_path()).collect::<Vec<_>>())
}

/// Plays every file as PCM. The result must equal ffmpeg's decode and the original samples, and the WAV must
/// have the bit depth of the file.
fn assert_exact(kinds: &[(Kind, u32, u16)]) {
    let home = Home::new();
    let files = files(&home, kinds);
    let node = serve(&home, &files);
    for ((path, samples), &(kind, rate, channels)) in files.iter().zip(kinds) {
        let wav = played(&home, &node, path, "pcm");
        assert_eq!((wav.spec.sample_rate, wav.spec.channels), (rate, channels), "{kind:?}");
        let bits = match kind {
            Kind::FlacS16 | Kind::WavS16 | Kind::AlacS16 => 16,
            Kind::WavF32 => 32,
            _ => 24,
        };
        assert_eq!(wav.spec.bits_per_sample, bits, "{kind:?}");
        assert_eq!(wav.samples.len(), samples.len(), "{kind:?}: samples");
        assert!(wav.samples == ffmpeg_decode(path), "{kind:?} of {channels} channels differs from ffmpeg's");
        assert!(
            wav.samples == stored(kind, samples),
            "{kind:?} of {channels} channels differs from its making"
        );
    }
}

#[test]
fn flac_is_exact() {
    let kinds = [(Kind::FlacS16, 44_100), (Kind::FlacS24, 96_000)];
    assert_exact(&kinds.map(|(kind, rate)| [(kind, rate, 1), (kind, rate, 2)]).concat());
}

#[test]
fn wav_is_exact() {
    let kinds = [(Kind::WavS16, 44_100), (Kind::WavS24, 48_000), (Kind::WavF32, 48_000)];
    assert_exact(&kinds.map(|(kind, rate)| [(kind, rate, 1), (kind, rate, 2)]).concat());
}

#[test]
fn alac_is_exact() {
    assert_exact(&[(Kind::AlacS16, 44_100, 2), (Kind::AlacS24, 48_000, 2)]);
}

#[test]
fn lossy_files_lose_nothing_more() {
    let kinds = [
        (Kind::Mp3, 44_100, 2),
        (Kind::Mp3Vbr, 44_100, 1),
        (Kind::Vorbis, 44_100, 2),
        (Kind::Aac, 44_100, 2),
        (Kind::Opus, 48_000, 2),
    ];
    let home = Home::new();
    let files = files(&home, &kinds);
    let node = serve(&home, &files);
    for ((path, samples), (kind, rate, channels)) in files.iter().zip(kinds) {
        let wav = played(&home, &node, path, "pcm");
        assert_eq!((wav.spec.sample_rate, wav.spec.channels), (rate, channels), "{kind:?}");
        assert_eq!(wav.samples.len(), samples.len(), "{kind:?} is gapless: as long as what went in");
        let reference = ffmpeg_decode(path);
        // ffmpeg also plays the padding at the end of AAC. The length before the encoder is known.
        assert!(reference.len() >= samples.len(), "{kind:?}");
        let snr = snr(&reference[..samples.len()], &wav.samples);
        assert!(snr > 80.0, "{kind:?}: {snr:.1} dB from ffmpeg's");
    }
}

/// Least SNR of an Opus rendition against the original, by kbit/s and channels, in dB; a few dB below the
/// measured values.
const OPUS: [(u32, u16, f64); 5] =
    [(24, 1, 12.0), (32, 2, 9.0), (64, 2, 15.0), (128, 2, 20.0), (256, 2, 24.0)];

#[test]
fn opus_has_the_exact_length_and_place() {
    let home = Home::new();
    let kinds = [(Kind::WavS16, 48_000, 1), (Kind::WavS16, 48_000, 2), (Kind::FlacS16, 44_100, 2)];
    let files = files(&home, &kinds);
    let node = serve(&home, &files);
    for (kbit, channels, least) in OPUS {
        let (path, samples) = &files[usize::from(channels) - 1];
        let wav = played(&home, &node, path, &format!("opus:{kbit}"));
        assert_eq!((wav.spec.sample_rate, wav.spec.channels), (48_000, channels), "{kbit}");
        assert_eq!(wav.samples.len(), samples.len(), "opus:{kbit}");
        let snr = snr(samples, &wav.samples);
        assert!(snr > least, "opus:{kbit}: {snr:.1} dB");
        let late = &wav.samples[usize::from(channels)..];
        assert!(snr > crate::fixtures::snr(&samples[..late.len()], late), "opus:{kbit} is a frame late");
    }
    // 4.123 s are 181,824 frames at 44.1 kHz. Converted to 48 kHz, the count is rounded.
    let wav = played(&home, &node, &files[2].0, "opus:96");
    assert_eq!(wav.frames(), (181_824_usize * 48_000 + 22_050) / 44_100);
}
