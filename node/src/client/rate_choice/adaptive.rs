//! The choice by a cautious prediction of throughput, with what is held as the time that there is: the best rendition whose
//! chunk is there by about when what is held has been played.
//!
//! It is kin to RobustMPC (Yin et al., SIGCOMM 2015), which lowers its prediction by the errors of the last ones. What the
//! buffer-based algorithms steer by (BBA: Huang et al., SIGCOMM 2014; BOLA: Spiteri et al., INFOCOM 2016) is not there in this
//! player: it asks below 3 s for chunks of 3 s, so it sees a full buffer, or one about to run dry. What
//! `benches/rate_choice.rs` showed to matter beside: the greatest error is forgiven, for one error is what a lasting fall looks
//! like; and a chunk is given up only where that means less silence, the time counted that the link takes to get rid of what
//! was given up.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use media_protocol::{
    Rendition,
    session::client::{Delivery, RateChoice, Situation, Switch},
};

use super::{
    abandonment::{AbandonmentEstimate, CHUNK, bits},
    policy::{Limit, Policy},
    throughput::{MeasuredThroughput, ThroughputMeter},
};

/// See the module.
#[derive(Debug)]
pub struct Adaptive {
    /// Whether the output plays in real time.
    paced: Arc<AtomicBool>,
    policy: Policy,
    /// What the last two chunks came at, in bit/s; the later one first.
    came: [Option<f64>; 2],
    /// What the chunk that is under way was expected to come at, in bit/s.
    expected: Option<f64>,
    /// By how much of what came the expectations of the last chunks were too high, 0 where they were not.
    errors: VecDeque<f64>,
    /// The path's round trip, as last seen.
    rtt: Duration,
    meter: ThroughputMeter,
    measured: MeasuredThroughput,
}

impl Adaptive {
    /// Expectations that are remembered.
    const ERRORS: usize = 12;
    /// Twice the second greatest error is held against a prediction, and no more than this.
    const WORST: f64 = 3.0;
    /// The share of a prediction that is left for chance.
    const SHARE: f64 = 0.95;
    /// What comes so many times as fast as expected comes over another path, or one that has changed: the errors of before
    /// say nothing of it.
    const BETTER: f64 = 8.0;
    /// A rendition that needs this small a part of what the last chunk came at fits, whatever the errors were.
    const WIDE: f64 = 8.0;
    /// A chunk may take so many times as long as what is held lasts: its beginning plays while its end comes.
    const LONGER: f64 = 1.1;
    /// With nothing held, after a seek or a pause that drained, all is late alike; what comes so many times faster than it
    /// plays keeps up from its first packet on.
    const KEEPS_UP: f64 = 2.0;
    /// A chunk that comes faster than this says only that the path is fast.
    const SHORTEST: f64 = 0.002;
    /// Where a chunk came so many times as fast on the whole as in the end, the rate fell: the end counts.
    const FELL: f64 = 3.0;
    /// A chunk of which nothing has come for so long, or for so many round trips, is late.
    const LATE: Duration = Duration::from_millis(600);
    const LATE_RTTS: u32 = 4;
    /// Nothing is given up for being late while more than this is held.
    const CALM: Duration = Duration::from_millis(2200);

    /// Chooses within `policy`; by throughput only while `paced` says that the output plays in real time.
    #[must_use]
    pub fn new(policy: Policy, paced: Arc<AtomicBool>) -> Self {
        Self {
            paced,
            policy,
            came: [None; 2],
            expected: None,
            errors: VecDeque::new(),
            rtt: Duration::ZERO,
            meter: ThroughputMeter::default(),
            measured: MeasuredThroughput::default(),
        }
    }

    /// Throughput of the last chunk, for the report of the path.
    pub(super) fn measured(&self) -> MeasuredThroughput {
        self.measured.clone()
    }

    fn is_paced(&self) -> bool {
        self.paced.load(Ordering::Relaxed)
    }

    /// The best rendition within `limit` that is there in time at `throughput`, in bit/s, else the smallest.
    pub(super) fn best(situation: &Situation<'_>, limit: &Limit, throughput: f64) -> Option<usize> {
        let all = || situation.all.iter().enumerate();
        let carried = all().filter(|(_, it)| limit.allows(it) && Self::fits(situation, it, throughput));
        let smallest = || all().min_by_key(|(_, it)| it.bitrate);
        // The first of equals, in the order of the offer.
        carried.rev().max_by_key(|(_, it)| Self::quality(it)).or_else(smallest).map(|(place, _)| place)
    }

    /// Whether a chunk is there by about when what is held has been played.
    fn fits(situation: &Situation<'_>, it: &Rendition, throughput: f64) -> bool {
        let rtt = round_trip(situation).unwrap_or_default().as_secs_f64();
        let takes = bits(it.bitrate) / throughput;
        let keeps_up = situation.buffer_level.is_zero() && takes * Self::KEEPS_UP <= CHUNK;
        keeps_up || takes + rtt <= situation.buffer_level.as_secs_f64() * Self::LONGER
    }

    /// The more the better. What is lossless is equally good, whatever it takes.
    fn quality(rendition: &Rendition) -> (bool, u32) {
        (rendition.lossless, if rendition.lossless { 0 } else { rendition.bitrate })
    }

    /// What the next chunk is expected to come at, and what of that is relied on, in bit/s.
    fn predict(&self) -> Option<(f64, f64)> {
        let latest = self.came[0]?;
        let expected = latest.min(self.came[1].unwrap_or(latest));
        let mut errors: Vec<_> = self.errors.iter().copied().collect();
        errors.sort_by(|a, b| b.total_cmp(a));
        let error = 2.0 * errors.get(1).copied().unwrap_or_default();
        let relied = expected * Self::SHARE / (1.0 + error.min(Self::WORST));
        Some((expected, relied.max(latest / Self::WIDE)))
    }

    /// What a delivery took. What it waited for longer than a round trip, it waited for others in the queue.
    fn took(&self, delivery: Delivery) -> Duration {
        delivery.took + delivery.waited.saturating_sub(self.rtt)
    }

    /// Whether a chunk of which nothing came for so long is looked at: the node may have to encode it first.
    fn is_late(&self, held: Duration, waited: Duration) -> bool {
        held < Self::CALM && waited > Self::LATE.max(self.rtt * Self::LATE_RTTS)
    }

    /// Takes in what a chunk came at.
    fn note(&mut self, came: f64) {
        if let Some(expected) = self.expected.take() {
            if came > expected * Self::BETTER {
                self.errors.clear();
            }
            self.errors.push_front((expected / came - 1.0).max(0.0));
            self.errors.truncate(Self::ERRORS);
        }
        self.measured.set(came);
        self.came = [Some(came), self.came[0]];
    }

    fn words(&self, held: Duration) -> String {
        let came = self.came[0].unwrap_or_default() / 1000.0;
        format!("{came:.0} kbit/s measured, {:.1} s held", held.as_secs_f64())
    }
}

fn round_trip(situation: &Situation<'_>) -> Option<Duration> {
    situation.path.rtt_ms.and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok())
}

impl RateChoice for Adaptive {
    fn choose(&mut self, situation: &Situation<'_>) -> Option<Switch> {
        let limit = self.policy.limit(situation.path.kind, situation.now);
        self.rtt = round_trip(situation).unwrap_or(self.rtt);
        let prediction = self.predict().filter(|_| self.is_paced());
        self.expected = prediction.map(|(expected, _)| expected);
        let relied = prediction.map_or(f64::MAX, |(_, relied)| relied);
        let to = Self::best(situation, &limit, relied)?;
        let (it, current) = (&situation.all[to], situation.current);
        if it.id == current.id {
            return None;
        }
        if !limit.allows(current) {
            let reason = limit.reason.unwrap_or_else(|| format!("{} path", situation.path.kind));
            return Some(Switch { to, reason });
        }
        if Self::quality(it) == Self::quality(current) && Self::fits(situation, current, relied) {
            return None;
        }
        prediction.map(|_| Switch { to, reason: self.words(situation.buffer_level) })
    }

    fn reconsider(&mut self, situation: &Situation<'_>, so_far: Delivery) -> Option<Switch> {
        let took = self.took(so_far);
        if so_far.bytes == 0 && !self.is_late(situation.buffer_level, so_far.waited) {
            return None;
        }
        let pace = self.meter.measure(situation.now, took, so_far.bytes).filter(|_| self.is_paced())?;
        let estimate = AbandonmentEstimate {
            held: situation.buffer_level.as_secs_f64(),
            target: situation.target.as_secs_f64(),
            rtt: self.rtt.as_secs_f64(),
            bitrate: situation.current.bitrate,
            came: so_far.bytes as f64 * 8.0,
            took: took.as_secs_f64(),
            pace,
            is_stuck: situation.buffer_level < Self::CALM && so_far.head_of_line_blocked,
            before: self.came[0],
        };
        let limit = self.policy.limit(situation.path.kind, situation.now);
        let to = estimate.replacement(situation.all, &limit)?;
        self.note(estimate.measured());
        Some(Switch {
            to,
            reason: format!("the chunk would come too late: {}", self.words(situation.buffer_level)),
        })
    }

    fn delivered(&mut self, delivery: Delivery) {
        self.policy.spend(delivery.bytes);
        let took = self.took(delivery).as_secs_f64().max(Self::SHORTEST);
        let whole = delivery.bytes as f64 * 8.0 / took;
        let end = self.meter.end().unwrap_or(whole);
        self.note(if whole > end * Self::FELL { end } else { whole });
    }

    fn abandoned(&mut self, bytes: u64) {
        self.policy.spend(bytes);
    }
}
