//! Quality at chunk borders.
//!
//! A track is encoded and decoded twice: in chunks of 3 s, each with a new encoder and decoder and joined as `Encoding`
//! prescribes, and in one piece. The coding quality of 40 ms depends on their content. The test therefore compares the 20 ms
//! on each side of a border with the same frames of the continuous decode.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod signals;

use codec_opus::Opus;
use media_plugin_conformance::chunks;
use media_plugin_sdk::{AudioFormat, Choice, Codec};

const FORMAT: AudioFormat = AudioFormat { rate: 48_000, channels: 2 };
const CHUNK: usize = 144_000;
/// Frames on each side of a border that count as the border: 20 ms.
const NEAR: usize = 960;
const FRAMES: usize = 10 * CHUNK + 12_345;
const KBITS: [u32; 7] = [24, 32, 48, 64, 96, 128, 192];

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
fn border_and_rest(track: &[f32], copy: &[f32]) -> (f64, f64) {
    let (mut border, mut rest) = (Energy::default(), Energy::default());
    let mut done = 0;
    for at in (CHUNK..track.len() / 2).step_by(CHUNK) {
        let (low, high) = (2 * (at - NEAR), 2 * (at + NEAR));
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
fn clicks(copy: &[f32], continuous: &[f32]) -> (f64, f64) {
    let energy = |pcm: &[f32], at: usize| -> f64 {
        let left = |i: usize| f64::from(pcm[2 * i]);
        (at - 24..at + 24).map(|i| (left(i - 1) - 2.0 * left(i) + left(i + 1)).powi(2)).sum()
    };
    let borders = (CHUNK..copy.len() / 2).step_by(CHUNK);
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

fn check(name: &str, track: &[f32], kbits: &[u32], more: &str) {
    for kbit in kbits {
        let encoding =
            Opus.encoding(&Choice { format: FORMAT, params: format!("k{kbit}c10{more}") }).unwrap();
        let (whole, whole_bytes) = chunks::round_trip(&Opus, &encoding, track, FRAMES).unwrap();
        let (cut, cut_bytes) = chunks::round_trip(&Opus, &encoding, track, CHUNK).unwrap();
        assert_eq!((whole.len(), cut.len()), (track.len(), track.len()), "no frame is lost or added");
        let (border, rest) = border_and_rest(track, &cut);
        let (same, other) = border_and_rest(track, &whole);
        let (click, loudest) = clicks(&cut, &whole);
        println!(
            "{name}{more} {kbit:3} kbit/s: border - rest {:+5.2} dB (continuous {:+5.2}), border - continuous {:+5.2}, \
             rest {rest:5.2} (continuous {other:5.2}); clicks {click:.2}, at most {loudest:.2}; bytes {:+.1} %",
            border - rest,
            same - other,
            border - same,
            100.0 * (cut_bytes as f64 / whole_bytes as f64 - 1.0),
        );
        let what = format!("{name}{more} at {kbit} kbit/s");
        // Compared with the rest, unless the continuous decode is worse at the borders too.
        assert!(
            border - rest > (same - other).min(0.0) - 0.5,
            "{what}: {border:.2} dB at borders, {rest:.2} elsewhere"
        );
        assert!(border > same - 0.5, "{what}: {border:.2} dB at borders, {same:.2} in the continuous decode");
        assert!(
            rest > other - 0.5,
            "{what}: {rest:.2} dB between borders, {other:.2} in the continuous decode"
        );
        // Without a crossfade clicks reach 11.5.
        assert!(loudest < 1.5, "{what}: a border clicks {loudest:.2} times as loud as its surroundings");
    }
}

#[test]
fn in_music() {
    check("music", &signals::music(FRAMES), &KBITS, "");
}

#[test]
fn in_speech() {
    check("speech", &signals::speech(FRAMES), &KBITS, "");
}

#[test]
fn in_tones() {
    check("tones", &signals::tones(FRAMES), &KBITS, "");
}

#[test]
fn in_hybrid_mode() {
    check("speech", &signals::speech(FRAMES), &[24, 32], "-voip");
}
