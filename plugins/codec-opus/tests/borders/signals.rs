//! Synthetic music, speech and tones, the same on every machine: 48 kHz, stereo, interleaved.

use std::f32::consts::TAU;

use media_plugin_conformance::signal::Random;

const RATE: f32 = 48_000.0;

/// Music: chords of decaying, panned notes with six partials each, a bass drum on the beat and cymbals. A beat is 0.47 s, so
/// that chunk borders fall at different places of it.
pub(crate) fn music(frames: usize) -> Vec<f32> {
    let beat = (0.47 * RATE) as usize;
    let mut random = Random::new(7);
    let mut pcm = vec![0.0; frames * 2];
    for (n, start) in (0..frames).step_by(beat).enumerate() {
        let root = [110.0, 87.31, 130.81, 98.0][n / 4 % 4];
        for (interval, pan) in [(1.0, 0.5), (1.5, 0.2), (2.52, 0.8), (4.0, 0.35), (5.04, 0.65)] {
            let late = random.below(beat / 8);
            note(&mut pcm, start + late, root * interval, pan, 0.05 + 0.03 * random.sample().abs());
        }
        burst(
            &mut pcm,
            start,
            0.12,
            |t| 0.35 * (TAU * (45.0 * t + 3.0 * (1.0 - (-30.0 * t).exp()))).sin(),
            18.0,
        );
        for half in [0, beat / 2] {
            let mut noise = random.clone();
            burst(&mut pcm, start + half, 0.08, |_| 0.12 * noise.sample(), 60.0);
            random.bits();
        }
    }
    pcm
}

fn note(pcm: &mut [f32], start: usize, pitch: f32, pan: f32, level: f32) {
    for (i, frame) in pcm.as_chunks_mut::<2>().0.iter_mut().skip(start).take(72_000).enumerate() {
        let t = i as f32 / RATE;
        let attack = (t * 200.0).min(1.0);
        let tone: f32 =
            (1..=6).map(|k| k as f32).map(|k| (TAU * pitch * k * t).sin() * (-t * (1.5 + k)).exp() / k).sum();
        frame[0] += level * attack * tone * (1.0 - pan);
        frame[1] += level * attack * tone * pan;
    }
}

fn burst(pcm: &mut [f32], start: usize, seconds: f32, mut wave: impl FnMut(f32) -> f32, decay: f32) {
    let frames = (seconds * RATE) as usize;
    for (i, frame) in pcm.as_chunks_mut::<2>().0.iter_mut().skip(start).take(frames).enumerate() {
        let t = i as f32 / RATE;
        let value = wave(t) * (-decay * t).exp();
        frame[0] += value;
        frame[1] += value;
    }
}

/// Speech: syllables of a glottal pulse train through three formants, some with a hiss, and a pause after every six.
pub(crate) fn speech(frames: usize) -> Vec<f32> {
    // The first formants of five vowels, in Hz (Peterson and Barney, 1952, men).
    const VOWELS: [[f32; 3]; 5] = [
        [730.0, 1090.0, 2440.0],
        [530.0, 1840.0, 2480.0],
        [270.0, 2290.0, 3010.0],
        [570.0, 840.0, 2410.0],
        [300.0, 870.0, 2240.0],
    ];
    let mut random = Random::new(11);
    let mut mono = Vec::with_capacity(frames);
    let mut filters = [Resonator::default(); 3];
    let mut phase = 0.0_f32;
    for syllable in 0.. {
        let length = 6_000 + random.below(7_000);
        let vowel = VOWELS[random.below(5)];
        let pitch = 110.0 + 60.0 * random.sample().abs();
        let hiss = random.below(3) == 0;
        for i in 0..length {
            let t = i as f32 / length as f32;
            let envelope = (t * 12.0).min(1.0) * ((1.0 - t) * 6.0).min(1.0);
            phase += pitch * (1.1 - 0.2 * t) / RATE;
            let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
            phase = phase.fract();
            let breath = 0.02 * random.sample();
            let source = if hiss && t < 0.4 { 0.4 * random.sample() } else { pulse + breath };
            let voice: f32 = filters
                .iter_mut()
                .zip(vowel)
                .map(|(f, hz)| f.next(source, if hiss && t < 0.4 { 3.0 * hz } else { hz }))
                .sum();
            mono.push(0.8 * envelope * voice);
        }
        if syllable % 6 == 5 {
            mono.resize(mono.len() + 4_000 + random.below(12_000), 0.0);
        }
        if mono.len() >= frames {
            break;
        }
    }
    mono[..frames].iter().flat_map(|x| [*x, *x]).collect()
}

/// Two-pole resonance with a bandwidth of 90 Hz.
#[derive(Clone, Copy, Default)]
struct Resonator([f32; 2]);

impl Resonator {
    fn next(&mut self, x: f32, hz: f32) -> f32 {
        let radius = (-std::f32::consts::PI * 90.0 / RATE).exp();
        let y = 0.1 * x + 2.0 * radius * (TAU * hz / RATE).cos() * self.0[0] - radius * radius * self.0[1];
        self.0 = [y, self.0[0]];
        y
    }
}

/// Tones: three in both channels, a different one on each side, and a sweep from 60 Hz to 12 kHz and back every 14 s.
pub(crate) fn tones(frames: usize) -> Vec<f32> {
    let sine = |hz: f64, i: usize| (std::f64::consts::TAU * (hz * i as f64 / 48_000.0).fract()).sin() as f32;
    let mut sweep = 0.0_f64;
    let frame = |i: usize| {
        let octaves = 7.64 * (1.0 - (i as f64 / 336_000.0).fract().mul_add(2.0, -1.0).abs());
        sweep = (sweep + 60.0 * octaves.exp2() / 48_000.0).fract();
        let middle = 0.15 * (sine(220.0, i) + sine(997.0, i) + 0.3 * sine(4_001.0, i))
            + 0.1 * (std::f64::consts::TAU * sweep).sin() as f32;
        [middle + 0.1 * sine(330.0, i), middle + 0.1 * sine(550.0, i)]
    };
    (0..frames).flat_map(frame).collect()
}
