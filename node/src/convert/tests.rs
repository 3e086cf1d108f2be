use proptest::prelude::*;

use super::{Remix, Resampler};

fn noise(samples: usize) -> Vec<f32> {
    let mut state = 7u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(state >> 8) / f64::from(1 << 24) - 0.5) as f32
    };
    (0..samples).map(|_| next()).collect()
}

fn resample(resampler: &mut Resampler, samples: &[f32], piece: usize) -> Vec<f32> {
    let mut out = Vec::new();
    for piece in samples.chunks(piece) {
        resampler.process(piece, &mut out);
    }
    resampler.flush(&mut out);
    out
}

#[test]
fn the_same_rate_is_untouched() {
    let samples = noise(10_000);
    assert_eq!(resample(&mut Resampler::new(44_100, 44_100, 2).unwrap(), &samples, 642), samples);
}

#[test]
fn a_warm_resampler_does_not_grow() {
    let mut resampler = Resampler::new(44_100, 48_000, 2).unwrap();
    let samples = noise(2 * 44_100);
    let mut out = Vec::with_capacity(2 * 50_000);
    let before = out.capacity();
    resampler.process(&samples, &mut out);
    resampler.flush(&mut out);
    assert_eq!((out.len(), out.capacity()), (2 * 48_000, before));
}

#[test]
fn formats_out_of_range_are_refused() {
    for (from, to, channels) in [(0, 48_000, 2), (48_000, 0, 2), (44_100, 48_000, 0), (44_100, 1_000_000, 2)]
    {
        assert!(Resampler::new(from, to, channels).is_err(), "{from} {to} {channels}");
    }
    for (from, to) in [(0, 2), (2, 0), (33, 2)] {
        assert!(Remix::new(from, to).is_err(), "{from} {to}");
    }
}

fn remix(from: u16, to: u16, frame: &[f32]) -> Vec<f32> {
    let mut out = vec![9.0; usize::from(to)];
    assert_eq!(Remix::new(from, to).unwrap().process(frame, &mut out), 1);
    out
}

#[test]
fn channels_are_folded_by_the_recommendation() {
    const H: f32 = std::f32::consts::FRAC_1_SQRT_2;
    let mix = |from, to, frame: &[f32], expected: &[f32]| {
        let out = remix(from, to, frame);
        assert!(out.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{from} to {to}: {out:?}");
    };
    mix(1, 2, &[0.5], &[0.5, 0.5]);
    mix(2, 1, &[0.5, 0.1], &[0.3]);
    mix(2, 6, &[0.5, 0.1], &[0.5, 0.1, 0.0, 0.0, 0.0, 0.0]);
    // Left, right, centre, LFE, back left, back right.
    mix(6, 2, &[0.1, 0.0, 0.0, 9.0, 0.0, 0.0], &[0.1, 0.0]);
    mix(6, 2, &[0.0, 0.0, 0.1, 0.0, 0.0, 0.0], &[0.1 * H, 0.1 * H]);
    mix(6, 2, &[0.0, 0.0, 0.0, 0.0, 0.1, 0.2], &[0.1 * H, 0.2 * H]);
    mix(5, 2, &[0.0, 0.0, 0.1, 0.2, 0.3], &[0.3 * H, 0.4 * H]);
    mix(4, 2, &[0.1, 0.0, 0.2, 0.3], &[0.1 + 0.2 * H, 0.3 * H]);
    mix(8, 2, &[0.0, 0.0, 0.0, 0.0, 0.1, 0.2, 0.3, 0.4], &[0.4 * H, 0.6 * H]);
    mix(6, 1, &[0.2, 0.4, 0.0, 0.0, 0.0, 0.0], &[0.3]);
    mix(10, 2, &[0.1, 0.2, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0], &[0.1, 0.2]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_length_is_exact_and_does_not_depend_on_the_pieces(
        rates in prop::sample::select(vec![
            (44_100, 48_000), (48_000, 44_100), (96_000, 44_100), (8_000, 48_000), (192_000, 48_000), (37_800, 48_000),
        ]),
        frames in 0usize..30_000,
        piece in 1usize..5000,
    ) {
        let (from, to) = rates;
        let samples = noise(frames * 2);
        let mut resampler = Resampler::new(from, to, 2).unwrap();
        let out = resample(&mut resampler, &samples, 2 * piece);
        let exact = (frames as f64 * f64::from(to) / f64::from(from)).round() as usize;
        prop_assert_eq!(out.len(), exact * 2);
        prop_assert!(resample(&mut resampler, &samples, 2 * 4096) == out, "a flush resets the resampler");
    }

    #[test]
    fn a_resampler_is_linear_and_keeps_channels_apart(frames in 1usize..20_000) {
        let samples = noise(frames);
        let silent: Vec<f32> = samples.iter().flat_map(|sample| [*sample, 0.0]).collect();
        let mono = resample(&mut Resampler::new(44_100, 48_000, 1).unwrap(), &samples, 1000);
        let stereo = resample(&mut Resampler::new(44_100, 48_000, 2).unwrap(), &silent, 1000);
        for (mono, stereo) in mono.iter().zip(stereo.chunks_exact(2)) {
            prop_assert_eq!([*mono, 0.0], [stereo[0], stereo[1]]);
        }
    }
}
