//! Quality at chunk borders.
//!
//! A track is encoded in chunks of 3 s, each with a new encoder. One decoder plays the joinable chunks through; another copy
//! is decoded with a new decoder for each chunk and crossfaded. Both are compared with the track encoded and decoded in one
//! piece. The coding quality of 40 ms depends on their content, so the test compares the 20 ms on each side of a border
//! with the same frames of the continuous decode.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod signals;

use codec_opus::Opus;
use media_plugin_conformance::chunks;
use media_plugin_sdk::{AudioFormat, Choice, Codec};

const CHUNK: usize = 144_000;
/// Frames on each side of a border that count as the border: 20 ms.
const NEAR: usize = 960;
const FRAMES: usize = 15 * CHUNK + 12_345;
/// Frames for 60 borders, where the content of 15 does not average out: over 15 borders, speech at 24 kbit/s loses 0.9 dB
/// against one encoder, over 60 it loses 0.4.
const MANY_FRAMES: usize = 60 * CHUNK + 12_345;
/// Loss at the borders that is not heard, in dB.
const LOSS: f64 = 0.5;
/// The same for speech at a low constant bitrate. The border packet has no more bytes than others, although the
/// spectrum's envelope takes more of them without prediction. Over 240 borders at 12 kbit/s the loss is 0.65 dB.
const LOSS_OF_CBR_SPEECH: f64 = 0.75;
const KBITS: [u32; 7] = [12, 24, 48, 96, 128, 160, 192];

/// Energy of the signal and of the error.
#[derive(Default, Clone, Copy)]
struct Energy(f64, f64);

impl Energy {
    fn add(&mut self, track: &[f32], copy: &[f32]) {
        for (x, y) in track.iter().zip(copy) {
            let (x, y) = (f64::from(*x), f64::from(*y));
            self.0 += x * x;
            self.1 += (x - y) * (x - y);
        }
    }

    fn snr(self) -> f64 {
        10.0 * (self.0 / self.1).log10()
    }
}

/// SNR within 20 ms of the borders, and of the rest, in dB.
fn border_and_rest(track: &[f32], copy: &[f32], channels: usize) -> (f64, f64) {
    let (mut border, mut rest) = (Energy::default(), Energy::default());
    let mut done = 0;
    for at in (CHUNK..track.len() / channels).step_by(CHUNK) {
        let (low, high) = (channels * (at - NEAR), channels * (at + NEAR));
        rest.add(&track[done..low], &copy[done..low]);
        border.add(&track[low..high], &copy[low..high]);
        done = high;
    }
    rest.add(&track[done..], &copy[done..]);
    (border.snr(), rest.snr())
}

/// Measures the click at each border: the root of the energy of the second difference in the 1 ms around it, relative to the
/// continuous decode. The reference is the same millisecond or the median of those within 100 ms, whichever is higher.
/// Returns the median and the maximum.
fn clicks(copy: &[f32], continuous: &[f32], channels: usize) -> (f64, f64) {
    let energy = |pcm: &[f32], at: usize| -> f64 {
        let left = |i: usize| f64::from(pcm[channels * i]);
        (at - 24..at + 24).map(|i| (left(i - 1) - 2.0 * left(i) + left(i + 1)).powi(2)).sum()
    };
    let borders = (CHUNK..copy.len() / channels).step_by(CHUNK);
    let mut clicks: Vec<f64> = borders
        .map(|at| {
            let mut around: Vec<f64> =
                (at - 4_800..at + 4_800).step_by(48).map(|at| energy(continuous, at)).collect();
            around.sort_by(f64::total_cmp);
            let usual = around[around.len() / 2].max(energy(continuous, at));
            (energy(copy, at) / usual.max(1e-9)).sqrt()
        })
        .collect();
    clicks.sort_by(f64::total_cmp);
    (clicks[clicks.len() / 2], clicks[clicks.len() - 1])
}

fn check(name: &str, track: &[f32], channels: u16, kbits: &[u32], more: &str) {
    check_loss(name, track, channels, kbits, more, LOSS);
}

fn check_loss(name: &str, track: &[f32], channels: u16, kbits: &[u32], more: &str, loss: f64) {
    let frames = track.len() / usize::from(channels);
    for kbit in kbits {
        let format = AudioFormat { rate: 48_000, channels };
        let encoding = Opus.encoding(&Choice { format, params: format!("k{kbit}c10-join{more}") }).unwrap();
        let (whole, whole_bytes) = chunks::round_trip(&Opus, &encoding, track, frames).unwrap();
        let packets = chunks::encode_track(&Opus, &encoding, track, CHUNK).unwrap();
        let joined = chunks::play_through(&Opus, &encoding, &packets, frames, CHUNK).unwrap();
        let faded = chunks::crossfade_chunks(&Opus, &encoding, &packets, frames, CHUNK).unwrap();
        let joined_bytes: usize = packets.iter().flat_map(|chunk| chunk.iter().take(150)).map(Vec::len).sum();
        let sizes = (whole.len(), joined.len(), faded.len());
        assert_eq!(sizes, (track.len(), track.len(), track.len()), "no frame is lost or added");
        let channels = usize::from(channels);
        let (same, other) = border_and_rest(track, &whole, channels);
        for (how, copy) in [("one decoder", &joined), ("a new decoder each", &faded)] {
            let (border, rest) = border_and_rest(track, copy, channels);
            let (click, loudest) = clicks(copy, &whole, channels);
            println!(
                "{name}{more} {kbit:3} kbit/s, {how}: border - rest {:+5.2} dB (continuous {:+5.2}), border - continuous \
                 {:+5.2}, rest {rest:5.2} (continuous {other:5.2}); clicks {click:.2}, at most {loudest:.2}; bytes {:+.1} %",
                border - rest,
                same - other,
                border - same,
                100.0 * (joined_bytes as f64 / whole_bytes as f64 - 1.0),
            );
            let what = format!("{name}{more} at {kbit} kbit/s, {how}");
            // Compared with the rest, unless the continuous decode is worse at the borders too.
            assert!(
                border - rest > (same - other).min(0.0) - loss,
                "{what}: {border:.2} dB at borders, {rest:.2} elsewhere"
            );
            assert!(
                border > same - loss,
                "{what}: {border:.2} dB at borders, {same:.2} in the continuous decode"
            );
            assert!(
                rest > other - 0.5,
                "{what}: {rest:.2} dB between borders, {other:.2} in the continuous decode"
            );
            // With chunks of an encoder without lead-in packets, clicks reach 11.5.
            assert!(loudest < 2.5, "{what}: a border clicks {loudest:.2} times as loud as its surroundings");
        }
    }
}

fn mono(stereo: &[f32]) -> Vec<f32> {
    stereo.as_chunks::<2>().0.iter().map(|[left, right]| (left + right) / 2.0).collect()
}

/// 5.1 channels: the stereo signal in front, delayed copies of it behind, and their sums in the centre and the bass.
fn surround(stereo: &[f32]) -> Vec<f32> {
    const DELAY: usize = 1_000;
    let frames = stereo.as_chunks::<2>().0;
    let delayed = std::iter::repeat_n(&[0.0; 2], DELAY).chain(frames);
    let frame = |(now, before): (&[f32; 2], &[f32; 2])| {
        let middle = (now[0] + now[1]) / 2.0;
        [now[0], now[1], middle, 0.5 * middle, 0.7 * before[0], 0.7 * before[1]]
    };
    frames.iter().zip(delayed).flat_map(frame).collect()
}

#[test]
fn in_music() {
    check("music", &signals::music(FRAMES), 2, &KBITS, "");
}

#[test]
fn in_music_at_a_constant_bitrate() {
    check("music", &signals::music(FRAMES), 2, &[12, 32, 96, 160], "-cbr");
}

#[test]
fn in_mono_music() {
    check("mono music", &mono(&signals::music(FRAMES)), 1, &[12, 24, 64, 96], "");
    check("mono music", &mono(&signals::music(FRAMES)), 1, &[12, 64], "-cbr");
}

#[test]
fn in_surround_music() {
    check("5.1 music", &surround(&signals::music(FRAMES)), 6, &[288], "");
}

#[test]
fn in_speech() {
    check("speech", &signals::speech(MANY_FRAMES), 2, &KBITS[..2], "");
    check("speech", &signals::speech(FRAMES), 2, &KBITS[2..], "");
}

#[test]
fn in_speech_at_a_constant_bitrate() {
    check_loss("speech", &signals::speech(MANY_FRAMES), 2, &[12, 24, 32], "-cbr", LOSS_OF_CBR_SPEECH);
    check("speech", &signals::speech(FRAMES), 2, &[64, 128], "-cbr");
}

#[test]
fn in_tones() {
    check("tones", &signals::tones(FRAMES), 2, &KBITS, "");
    check("tones", &signals::tones(FRAMES), 2, &[64, 128], "-cbr");
}

#[test]
fn in_hybrid_mode() {
    check("speech", &signals::speech(FRAMES), 2, &[24, 32], "-voip");
    check("mono speech", &mono(&signals::speech(FRAMES)), 1, &[12, 24], "-voip");
    check("speech", &signals::speech(MANY_FRAMES), 2, &[24], "-cbr-voip");
}
