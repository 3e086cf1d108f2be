//! Test signals that are the same on every machine, and measures of how two signals differ.

use media_plugin_sdk::{AudioFormat, SampleType, SourceFormat};

/// Pseudo-random number generator (xorshift; Marsaglia, 2003). The same seed gives the same numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Starts a sequence; any seed is valid.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next 32 random bits.
    pub fn bits(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32
    }

    /// Random number below `end`, which must not be 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.bits() as usize % end
    }

    /// Sample of white noise, from −1 to 1, exact in 16 bits.
    pub fn sample(&mut self) -> f32 {
        f32::from(self.bits() as i16) / 32_768.0
    }
}

/// White noise with a peak of −6 dBFS, interleaved, different in each channel, exact in 16 bits.
#[must_use]
pub fn white_noise(format: AudioFormat, frames: usize) -> Vec<f32> {
    let mut random = Random::new(1);
    (0..format.samples(frames)).map(|_| (random.sample() * 16_384.0).trunc() / 32_768.0).collect()
}

/// Noise mostly between 200 Hz and 1 kHz, as in music, at about −15 dBFS. Interleaved, different in each channel, exact in
/// the source's sample type. A codec may remove frequencies near 0 Hz, so there is little of them.
#[must_use]
pub fn coloured_noise(source: &SourceFormat, frames: usize) -> Vec<f32> {
    let mut random = Random::new(2);
    let scale = match source.sample {
        SampleType::S16 => 32_768.0,
        SampleType::S24 | SampleType::S32 | SampleType::F32 => 8_388_608.0,
    };
    let per_frame = |hz: f32| (hz * std::f32::consts::TAU / source.format.rate as f32).min(1.0);
    let (fast, slow) = (per_frame(800.0), per_frame(200.0));
    let channels = usize::from(source.format.channels);
    let mut state = vec![[0.0_f32; 3]; channels];
    (0..source.format.samples(frames))
        .map(|i| {
            let [low, lower, lowest] = &mut state[i % channels];
            *low += fast * (random.sample() - *low);
            *lower += fast * (*low - *lower);
            *lowest += slow * (*lower - *lowest);
            let level = ((*lower - *lowest) * 0.7 / fast.sqrt()).clamp(-0.9, 0.9);
            (level * scale).round() / scale
        })
        .collect()
}

/// Signal-to-noise ratio in dB: the energy of `original` over that of the difference. Infinite if both are equal.
///
/// # Panics
/// If the lengths differ.
#[must_use]
pub fn snr(original: &[f32], copy: &[f32]) -> f64 {
    assert_eq!(original.len(), copy.len(), "signals of the same length");
    let square = |x: f64| x * x;
    let signal: f64 = original.iter().map(|x| square(f64::from(*x))).sum();
    let error: f64 = original.iter().zip(copy).map(|(x, y)| square(f64::from(*x) - f64::from(*y))).sum();
    10.0 * (signal / error).log10()
}

/// Normalised correlation of two signals of the same length: 1 for equal signals, about 0 for unrelated ones, −1 for
/// inverted ones, whatever their levels. 0 if one of them is silent.
#[must_use]
pub fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let product =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum() };
    let scale = (product(a, a) * product(b, b)).sqrt();
    if scale > 0.0 { product(a, b) / scale } else { 0.0 }
}
