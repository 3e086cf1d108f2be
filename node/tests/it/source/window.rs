use std::ops::Range;

use media_node::{
    convert::Resampler,
    source::{Reader, Source, Window},
};
use media_plugin_sdk::AudioFormat;
use proptest::prelude::*;
use tempfile::TempDir;

use super::{kept, read_all};
use crate::fixtures::{Kind, encode, music, tone};

/// Rates of files, and rates of codecs and outputs.
const RATES: [(u32, u32); 9] = [
    (44_100, 48_000),
    (48_000, 44_100),
    (96_000, 48_000),
    (22_050, 48_000),
    (8_000, 48_000),
    (88_200, 48_000),
    (192_000, 48_000),
    (11_025, 48_000),
    (37_800, 48_000),
];

fn window(reader: &mut Reader, rate: u32, channels: u16, range: Range<i64>) -> Vec<f32> {
    let frames = usize::try_from(range.end - range.start).unwrap();
    let mut samples = vec![9.0; frames * usize::from(channels)];
    let mut window = Window::new(reader, AudioFormat { rate, channels }, range).unwrap();
    let mut rest = samples.as_mut_slice();
    while !rest.is_empty() {
        let piece = rest.len().min(960 * usize::from(channels));
        let (head, tail) = rest.split_at_mut(piece);
        assert_eq!(window.read(head).unwrap() * usize::from(channels), piece);
        rest = tail;
    }
    assert_eq!(window.read(&mut [0.0; 64]).unwrap(), 0, "the range has ended");
    samples
}

/// Returns a source and the folder of its file.
fn source(kind: Kind, rate: u32, channels: u16, samples: &[f32]) -> (Source, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Source::open(&encode(dir.path(), kind, rate, channels, samples)).unwrap(), dir)
}

#[test]
fn windows_are_slices_of_one_continuous_resampling() {
    for (from, to) in RATES {
        let samples = music(from, 1, 3.3);
        let (source, _dir) = source(Kind::WavF32, from, 1, &samples);
        let mut whole = Vec::new();
        let mut resampler = Resampler::new(from, to, 1).unwrap();
        resampler.process(&samples, &mut whole);
        resampler.flush(&mut whole);
        assert_eq!(whole.len() as u64, Window::frames(source.info().frames, from, to), "{from} to {to}");

        let mut reader = source.reader().unwrap();
        for (a, b) in
            [(0, 5000), (48_000, 96_000), (97_531, 123_456), (whole.len() as i64 - 7777, whole.len() as i64)]
        {
            let part = window(&mut reader, to, 1, a..b);
            assert!(part == whole[a as usize..b as usize], "{from} to {to}, {a} to {b}");
        }
    }
}

#[test]
fn tones_come_through_clean() {
    for (from, to) in RATES {
        for hertz in [997.0, 19_000.0] {
            if hertz > f64::from(from.min(to)) * 0.45 {
                continue;
            }
            let (source, _dir) = source(Kind::WavF32, from, 1, &tone(from, 1, 2.0, hertz));
            // Excludes the edges, where the tone is switched on and off.
            let range = i64::from(to) / 2..i64::from(to) * 3 / 2;
            let part = window(&mut source.reader().unwrap(), to, 1, range.clone());
            let (level, lag, residual) = fit(&part, f64::from(to), hertz, range.start as f64);
            println!(
                "{from} to {to}, {hertz} Hz: level {level:.7}, {lag:.6} frames late, residual {residual:.1} dB"
            );
            assert!(
                (level - 0.5).abs() < 1e-5 && lag.abs() < 1e-4,
                "{from} to {to}, {hertz} Hz: {level}, {lag} late"
            );
            assert!(residual < -120.0, "{from} to {to}, {hertz} Hz: residual {residual:.1} dB");
        }
    }
}

/// Fits a sine. Returns its level, its delay in frames, and the power of the rest in dB of the sine.
fn fit(sound: &[f32], rate: f64, hertz: f64, first: f64) -> (f64, f64, f64) {
    let step = std::f64::consts::TAU * hertz / rate;
    let wave = |frame: usize| ((first + frame as f64) * step).sin_cos();
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (frame, sample) in sound.iter().enumerate() {
        let (sin, cos) = wave(frame);
        sine += f64::from(*sample) * sin * 2.0 / sound.len() as f64;
        cosine += f64::from(*sample) * cos * 2.0 / sound.len() as f64;
    }
    let rest: f64 = sound
        .iter()
        .enumerate()
        .map(|(frame, sample)| {
            let (sin, cos) = wave(frame);
            (f64::from(*sample) - sine * sin - cosine * cos).powi(2)
        })
        .sum();
    let level = sine.hypot(cosine);
    let power = level * level / 2.0 * sound.len() as f64;
    (level, (-cosine).atan2(sine) / step, 10.0 * (rest / power).log10())
}

#[test]
fn the_same_rate_passes_through_exactly_and_silence_surrounds_the_track() {
    let samples = music(44_100, 2, 0.7);
    let (source, _dir) = source(Kind::FlacS24, 44_100, 2, &samples);
    let frames = source.info().frames as i64;
    let part = window(&mut source.reader().unwrap(), 44_100, 2, -5000..frames + 5000);
    assert!(part[..10_000].iter().all(|sample| *sample == 0.0));
    assert!(part[10_000..10_000 + samples.len()] == samples);
    assert!(part[10_000 + samples.len()..].iter().all(|sample| *sample == 0.0));
}

#[test]
fn silence_surrounds_a_resampled_track_too() {
    let (source, _dir) = source(Kind::WavF32, 44_100, 1, &music(44_100, 1, 0.7));
    let far = window(&mut source.reader().unwrap(), 48_000, 1, -96_000..-48_000);
    assert!(far.iter().all(|sample| *sample == 0.0));
    let after = window(&mut source.reader().unwrap(), 48_000, 1, 96_000..144_000);
    assert!(after.iter().all(|sample| *sample == 0.0));
}

#[test]
fn channels_are_remixed_on_the_way() {
    let samples = music(44_100, 2, 0.5);
    let (source, _dir) = source(Kind::WavF32, 44_100, 2, &samples);
    let mono = window(&mut source.reader().unwrap(), 44_100, 1, 0..1000);
    for (frame, mixed) in samples.chunks_exact(2).zip(&mono) {
        assert!((mixed - (frame[0] + frame[1]) / 2.0).abs() < 1e-7);
    }
    let decoded = read_all(&mut source.reader().unwrap());
    assert_eq!(decoded.len(), samples.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the reader read before, for all kinds of decoders.
    #[test]
    fn a_window_is_a_pure_function_of_its_range(start in -50_000i64..200_000, length in 1i64..30_000, other in 0u64..200_000) {
        for kind in [Kind::FlacS16, Kind::Mp3, Kind::Vorbis, Kind::AacNoise, Kind::Opus] {
            let source = shared(kind);
            let range = start..start + length;
            let expected = window(&mut source.reader().unwrap(), 48_000, 2, range.clone());
            let mut used = source.reader().unwrap();
            used.seek(other).unwrap();
            used.read(&mut [0.0; 5000]).unwrap();
            prop_assert!(window(&mut used, 48_000, 2, range) == expected, "{:?}", kind);
        }
    }

    /// Each window starts before the end of the previous one, as chunks do.
    #[test]
    fn windows_in_a_row_on_one_reader_are_as_on_readers_of_their_own(first in -9_000i64..9_000, length in 10_000i64..60_000, overlap in 0i64..9_000) {
        for kind in [Kind::FlacS16, Kind::Mp3, Kind::Vorbis, Kind::AacNoise, Kind::Opus] {
            let source = shared(kind);
            let mut reader = source.reader().unwrap();
            for number in 0..5 {
                let start = first + number * length;
                let range = start..start + length + overlap;
                let expected = window(&mut source.reader().unwrap(), 48_000, 2, range.clone());
                prop_assert!(window(&mut reader, 48_000, 2, range) == expected, "{:?} {}", kind, number);
            }
        }
    }
}

fn shared(kind: Kind) -> Source {
    use std::{
        collections::HashMap,
        sync::{LazyLock, Mutex},
    };
    static SOURCES: LazyLock<Mutex<HashMap<Kind, Source>>> = LazyLock::new(Mutex::default);
    let mut sources = SOURCES.lock().unwrap();
    let made = || {
        let path = encode(&kept("window"), kind, 44_100, 2, &music(44_100, 2, 4.0));
        Source::open(&path).unwrap()
    };
    sources.entry(kind).or_insert_with(made).clone()
}
