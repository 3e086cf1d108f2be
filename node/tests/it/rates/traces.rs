//! Throughput traces of paths, generated from seeds.

use std::f64::consts::TAU;

use media_protocol::PathKind;

/// Time between two values of a trace, in seconds.
pub(crate) const STEP: f64 = 0.1;
/// Length of a trace, in seconds.
pub(crate) const LENGTH: f64 = 180.0;

/// The lossless rendition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lossless {
    /// Bitrate in bit/s.
    pub(crate) bitrate: u32,
    pub(crate) packet_frames: u32,
}

pub(crate) const PCM: Lossless = Lossless { bitrate: 1_536_000, packet_frames: 960 };
/// Large packets take more than half a second on a thin path.
const FALLING: [Lossless; 3] = [
    PCM,
    Lossless { bitrate: 1_000_000, packet_frames: 4096 },
    Lossless { bitrate: 700_000, packet_frames: 4096 },
];
/// Step of a path whose changes need exact times, in seconds.
const FINE_STEP: f64 = 0.01;

/// A path whose rate changes.
pub(crate) struct Trace {
    /// Kind as in a path report.
    pub(crate) kind: PathKind,
    /// Round trip without a queue, in seconds.
    pub(crate) rtt: f64,
    /// Size of the queue at the bottleneck, in bytes.
    pub(crate) queue: usize,
    /// Rates in bit/s, `step` seconds apart.
    pub(crate) rates: Vec<f64>,
    pub(crate) step: f64,
    pub(crate) lossless: Lossless,
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Rng(u64);

impl Rng {
    /// A number from 0 to 1, without 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.share()
    }

    /// Normal distribution with mean 0 and variance 1 (Box and Muller 1958).
    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.share()).ln()).sqrt() * (TAU * self.share()).cos()
    }

    /// Time to the next event, if events are `mean` seconds apart.
    fn wait(&mut self, mean: f64) -> f64 {
        -(1.0 - self.share()).ln() * mean
    }
}

/// A constant rate with random events, each with its own duration and rate.
fn with_events(rng: &mut Rng, good: f64, apart: f64, event: fn(&mut Rng) -> (f64, f64)) -> Vec<f64> {
    let (mut rates, length) = (Vec::new(), (LENGTH / STEP) as usize);
    while rates.len() < length {
        let calm = ((2.0 + rng.wait(apart)) / STEP) as usize;
        let (lasts, rate) = event(rng);
        rates.extend(std::iter::repeat_n(good, calm));
        rates.extend(std::iter::repeat_n(rate, (lasts / STEP) as usize));
    }
    rates.truncate(length);
    rates
}

/// Log-normal fades that last for seconds, and gaps at cell changes.
fn lte(rng: &mut Rng) -> Trace {
    let middle = rng.between(60e3, 500e3).ln();
    // A correlation of 1/e after 2 s.
    let (keep, mut fade) = ((-STEP / 2.0).exp(), rng.normal());
    let gaps = with_events(rng, 1.0, 20.0, |rng| (rng.between(0.3, 2.0), 0.0));
    let fades = gaps.iter().map(|gap| {
        fade = keep * fade + (1.0 - keep * keep).sqrt() * rng.normal();
        gap * (middle + 0.8 * fade).exp()
    });
    Trace {
        kind: PathKind::Direct,
        rtt: 0.06,
        queue: 24_000,
        rates: fades.collect(),
        step: STEP,
        lossless: PCM,
    }
}

/// A high rate, with bursts in which other devices use the channel.
fn wifi(rng: &mut Rng) -> Trace {
    let rates = with_events(rng, 20e6, 8.0, |rng| (rng.between(0.5, 4.0), rng.between(50e3, 1e6)));
    Trace { kind: PathKind::Lan, rtt: 0.005, queue: 32_000, rates, step: STEP, lossless: PCM }
}

/// A good rate, with tunnels.
fn train(rng: &mut Rng) -> Trace {
    let rates = with_events(rng, 2e6, 30.0, |rng| (rng.between(2.0, 20.0), 0.0));
    Trace { kind: PathKind::Direct, rtt: 0.08, queue: 24_000, rates, step: STEP, lossless: PCM }
}

/// A constant rate near one of the ladder's bitrates.
fn dsl(rng: &mut Rng) -> Trace {
    let rungs = [160e3, 128e3, 96e3, 64e3, 48e3, 32e3, 24e3];
    let rate = rungs[(rng.share() * rungs.len() as f64) as usize] * rng.between(0.85, 1.35);
    Trace {
        kind: PathKind::Direct,
        rtt: 0.04,
        queue: 8_000,
        rates: vec![rate; (LENGTH / STEP) as usize],
        step: STEP,
        lossless: PCM,
    }
}

/// A path that falls from 10 Mbit/s for 20 s, at a random moment of a chunk.
fn falls(rng: &mut Rng, to: f64) -> Trace {
    let at = rng.between(7.0, 13.0);
    let rate = |step: usize| {
        let time = step as f64 * FINE_STEP;
        if (at..at + 20.0).contains(&time) { to } else { 10e6 }
    };
    let rates = (0..6000).map(rate).collect();
    let lossless = FALLING[(rng.share() * FALLING.len() as f64) as usize];
    Trace { kind: PathKind::Lan, rtt: 0.05, queue: 32_000, rates, step: FINE_STEP, lossless }
}

/// Kinds of paths.
pub(crate) const KINDS: [&str; 6] =
    ["LTE", "Wi-Fi", "train", "DSL", "falls to 128 kbit/s", "falls to 40 kbit/s"];

/// The trace of a kind and a seed.
pub(crate) fn trace(kind: &str, seed: u64) -> Trace {
    let mut rng = Rng(seed.wrapping_mul(0x5851_f42d_4c95_7f2d));
    match kind {
        "LTE" => lte(&mut rng),
        "Wi-Fi" => wifi(&mut rng),
        "train" => train(&mut rng),
        "DSL" => dsl(&mut rng),
        "falls to 128 kbit/s" => falls(&mut rng, 128e3),
        _ => falls(&mut rng, 40e3),
    }
}
