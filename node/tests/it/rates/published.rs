//! Published rate-choice algorithms for comparison. Parameters that a paper gives for minutes of buffer are
//! scaled to 3 s, the level at which a chunk is requested here.

use std::collections::VecDeque;

use media_protocol::{
    PathKind,
    session::client::{Delivery, RateChoice, Situation, Switch},
};

/// Length of a chunk, in seconds.
const CHUNK: f64 = 3.0;

/// Indices of the renditions that our choice may also take, the lowest bitrate first.
fn rungs(situation: &Situation<'_>) -> Vec<usize> {
    let most = if situation.path.kind == PathKind::Lan { u32::MAX } else { 160_000 };
    let mut rungs: Vec<_> =
        (0..situation.all.len()).filter(|place| situation.all[*place].bitrate <= most).collect();
    rungs.sort_by_key(|place| situation.all[*place].bitrate);
    rungs
}

fn bitrate(situation: &Situation<'_>, place: usize) -> f64 {
    f64::from(situation.all[place].bitrate)
}

fn switch(situation: &Situation<'_>, to: usize) -> Option<Switch> {
    (situation.all[to].id != situation.current.id).then(|| Switch { to, reason: String::new() })
}

/// Huang et al., SIGCOMM 2014, algorithm 1. Reservoir and cushion are the paper's shares of the buffer (90 s
/// and 126 s of 240 s).
#[derive(Debug)]
pub(crate) struct Bba0;

impl RateChoice for Bba0 {
    fn choose(&mut self, situation: &Situation<'_>) -> Option<Switch> {
        let (rungs, held) = (rungs(situation), situation.buffer_level.as_secs_f64());
        let target = situation.target.as_secs_f64();
        let (reservoir, cushion) = (0.375 * target, 0.525 * target);
        let (lowest, highest) = (bitrate(situation, rungs[0]), bitrate(situation, rungs[rungs.len() - 1]));
        let map = lowest + (highest - lowest) * ((held - reservoir) / cushion).clamp(0.0, 1.0);
        let now = f64::from(situation.current.bitrate);
        let above = rungs.iter().copied().find(|it| bitrate(situation, *it) > now);
        let below = rungs.iter().copied().rev().find(|it| bitrate(situation, *it) < now);
        let to = if held <= reservoir {
            Some(rungs[0])
        } else if above.is_some_and(|it| map >= bitrate(situation, it)) {
            rungs.iter().copied().rev().find(|it| bitrate(situation, *it) <= map)
        } else if below.is_some_and(|it| map <= bitrate(situation, it)) {
            rungs.iter().copied().find(|it| bitrate(situation, *it) >= map)
        } else {
            None
        };
        switch(situation, to?)
    }

    fn reconsider(&mut self, _: &Situation<'_>, _: Delivery) -> Option<Switch> {
        None
    }

    fn delivered(&mut self, _: Delivery) {}

    fn abandoned(&mut self, _: u64) {}
}

/// Spiteri et al., INFOCOM 2016: BOLA-BASIC with gamma p = 5 and a buffer of two chunks.
#[derive(Debug)]
pub(crate) struct Bola;

impl RateChoice for Bola {
    fn choose(&mut self, situation: &Situation<'_>) -> Option<Switch> {
        const GAMMA_P: f64 = 5.0;
        let rungs = rungs(situation);
        let lowest = bitrate(situation, rungs[0]);
        let utility = |place: usize| (bitrate(situation, place) / lowest).ln();
        let v = (2.0 - 1.0) / (utility(rungs[rungs.len() - 1]) + GAMMA_P);
        let level = situation.buffer_level.as_secs_f64() / CHUNK;
        let score = |place: usize| (v * (utility(place) + GAMMA_P) - level) / bitrate(situation, place);
        let best = rungs.iter().copied().max_by(|a, b| score(*a).total_cmp(&score(*b)))?;
        switch(situation, best)
    }

    fn reconsider(&mut self, _: &Situation<'_>, _: Delivery) -> Option<Switch> {
        None
    }

    fn delivered(&mut self, _: Delivery) {}

    fn abandoned(&mut self, _: u64) {}
}

/// Yin et al., SIGCOMM 2015: RobustMPC with the paper's weights. It looks ahead three chunks instead of five,
/// since the buffer never holds more than two.
#[derive(Debug, Default)]
pub(crate) struct RobustMpc {
    /// Throughput of the last chunks in bit/s, and the relative errors of its predictions.
    past: VecDeque<f64>,
    errors: VecDeque<f64>,
    predicted: Option<f64>,
}

impl RobustMpc {
    const AHEAD: usize = 3;
    const PAST: usize = 5;

    /// Returns the best sum for the next `ahead` chunks, and the index of its first chunk.
    fn plan(rates: &[f64], throughput: f64, held: f64, before: f64, ahead: usize) -> (f64, usize) {
        let mut best = (f64::NEG_INFINITY, 0);
        let stall_weight = rates[rates.len() - 1];
        for (place, rate) in rates.iter().enumerate() {
            let takes = rate * CHUNK / throughput;
            let stall = (takes - held).max(0.0);
            let held = ((held - takes).max(0.0) + CHUNK).min(CHUNK);
            let mut sum = rate - (rate - before).abs() - stall_weight * stall;
            if ahead > 1 {
                sum += Self::plan(rates, throughput, held, *rate, ahead - 1).0;
            }
            if sum > best.0 {
                best = (sum, place);
            }
        }
        best
    }
}

impl RateChoice for RobustMpc {
    fn choose(&mut self, situation: &Situation<'_>) -> Option<Switch> {
        if self.past.is_empty() {
            return None;
        }
        let mean = self.past.len() as f64 / self.past.iter().map(|it| 1.0 / it).sum::<f64>();
        let worst = self.errors.iter().copied().fold(0.0, f64::max);
        let throughput = mean / (1.0 + worst);
        self.predicted = Some(throughput);
        let rungs = rungs(situation);
        let rates: Vec<_> = rungs.iter().map(|place| bitrate(situation, *place)).collect();
        let before = f64::from(situation.current.bitrate);
        let (_, to) =
            Self::plan(&rates, throughput, situation.buffer_level.as_secs_f64(), before, Self::AHEAD);
        switch(situation, rungs[to])
    }

    fn reconsider(&mut self, _: &Situation<'_>, _: Delivery) -> Option<Switch> {
        None
    }

    fn delivered(&mut self, delivery: Delivery) {
        let took = (delivery.waited + delivery.took).as_secs_f64().max(0.001);
        let latest = delivery.bytes as f64 * 8.0 / took;
        if let Some(predicted) = self.predicted {
            self.errors.push_back((predicted - latest).abs() / latest);
        }
        self.past.push_back(latest);
        for it in [&mut self.past, &mut self.errors] {
            if it.len() > Self::PAST {
                it.pop_front();
            }
        }
    }

    fn abandoned(&mut self, _: u64) {}
}
