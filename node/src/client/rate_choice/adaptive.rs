//! Rate choice by a cautious prediction of the throughput and the level of the jitter buffer: the best rendition whose chunk
//! arrives by about when the buffered audio has been played.
//!
//! It is related to RobustMPC (Yin et al., SIGCOMM 2015), which lowers a prediction by the errors of the last ones. The
//! buffer-based algorithms (BBA: Huang et al., SIGCOMM 2014; BOLA: Spiteri et al., INFOCOM 2016) have little to steer by in
//! this player. It requests a chunk of 3 s below a level of 3 s, so they see a full buffer or one about to run empty.
//! `benches/rate_choice.rs` showed that two more rules matter. The greatest error is ignored, since a lasting drop of the rate
//! causes exactly one. And a chunk is abandoned only if that means less silence, even with the time that the link needs to
//! drain its queue. All constants are measured together; see `node/docs/rate-choice.md`.

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

/// Rate choice by throughput, within a policy.
#[derive(Debug)]
pub struct Adaptive {
    /// True if the output plays in real time.
    paced: Arc<AtomicBool>,
    policy: Policy,
    /// Rates of the last two chunks, in bit/s, the later one first.
    rates: [Option<f64>; 2],
    /// Expected rate of the chunk being received, in bit/s.
    expected: Option<f64>,
    /// Relative errors of the last expectations, latest first; 0 if the chunk was faster than expected.
    errors: VecDeque<f64>,
    /// Last known round trip of the path.
    rtt: Duration,
    meter: ThroughputMeter,
    measured: MeasuredThroughput,
}

impl Adaptive {
    /// Number of errors that are remembered.
    const ERRORS: usize = 12;
    /// Upper bound of the error by which a prediction is lowered. That error is twice the second greatest of the last ones.
    const MAX_ERROR: f64 = 3.0;
    /// Share of a prediction that a chunk may use. The rest is a margin for error.
    const SHARE: f64 = 0.95;
    /// If a rate is more than this many times the expected one, the path must have changed. Earlier errors are then forgotten.
    const CHANGED_PATH: f64 = 8.0;
    /// Divisor of the last rate. At least the result is relied on, whatever the errors.
    const ERROR_FLOOR: f64 = 8.0;
    /// Time that a chunk may take to arrive, as a multiple of the buffered duration. It is above 1 because the beginning of the
    /// chunk plays while its end arrives.
    const OVERLAP: f64 = 1.1;
    /// Speed relative to playback from which a rendition fits an empty buffer, as after a seek. Every rendition is late then,
    /// but one of this speed keeps up from its first packet on.
    const KEEPS_UP: f64 = 2.0;
    /// Bitrate from which a lossy rendition is as good as any other, in bit/s.
    /// Tested by `converted_lossless_codecs_are_equally_good`.
    const TRANSPARENT: u32 = 600_000;
    /// Least time that a chunk counts as having taken, in seconds. A shorter measured time is raised to it, so that the rate
    /// does not become absurd.
    const MIN_TIME: f64 = 0.002;
    /// If the mean rate of a chunk is more than this many times its final rate, the rate has dropped and the final one counts.
    const FALL: f64 = 3.0;
    /// Wait for the first byte of a chunk, as a time and in round trips, after which the chunk is late.
    const LATE: Duration = Duration::from_millis(600);
    const LATE_RTTS: u32 = 4;
    /// Buffer level above which a late chunk is not abandoned.
    const CALM: Duration = Duration::from_millis(2200);

    /// Creates a rate choice within `policy`. It follows the throughput only while the output is `paced`, that is, plays in
    /// real time.
    #[must_use]
    pub fn new(policy: Policy, paced: Arc<AtomicBool>) -> Self {
        Self {
            paced,
            policy,
            rates: [None; 2],
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

    /// Index of the best rendition within `limit` that arrives in time at `throughput`, in bit/s; otherwise of the smallest.
    pub(super) fn best(situation: &Situation<'_>, limit: &Limit, throughput: f64) -> Option<usize> {
        let all = || situation.all.iter().enumerate();
        let is_usable =
            |rendition: &Rendition| limit.allows(rendition) && Self::fits(situation, rendition, throughput);
        let smallest = || all().min_by_key(|(_, rendition)| rendition.bitrate);
        // `max_by_key` takes the last of equal renditions. The list is reversed, so that is the first in the node's list.
        let usable = all().filter(|(_, rendition)| is_usable(rendition)).rev();
        let best = usable.max_by_key(|(_, rendition)| Self::quality(rendition));
        best.or_else(smallest).map(|(index, _)| index)
    }

    /// True if a chunk arrives by about when the buffered audio has been played.
    fn fits(situation: &Situation<'_>, rendition: &Rendition, throughput: f64) -> bool {
        let rtt = round_trip(situation).unwrap_or_default().as_secs_f64();
        let time = bits(rendition.bitrate) / throughput;
        let keeps_up = situation.buffer_level.is_zero() && time * Self::KEEPS_UP <= CHUNK;
        keeps_up || time + rtt <= situation.buffer_level.as_secs_f64() * Self::OVERLAP
    }

    /// Rank of a rendition; the higher the better. Lossless renditions are equal, and so are lossy ones of a transparent
    /// bitrate, such as PCM and FLAC at the output's rate.
    fn quality(rendition: &Rendition) -> (bool, u32) {
        (rendition.lossless, if rendition.lossless { 0 } else { rendition.bitrate.min(Self::TRANSPARENT) })
    }

    /// Expected rate of the next chunk, and the part of it that is relied on, in bit/s.
    fn predict(&self) -> Option<(f64, f64)> {
        let latest = self.rates[0]?;
        let expected = latest.min(self.rates[1].unwrap_or(latest));
        let mut errors: Vec<_> = self.errors.iter().copied().collect();
        errors.sort_by(|a, b| b.total_cmp(a));
        let error = 2.0 * errors.get(1).copied().unwrap_or_default();
        let relied = expected * Self::SHARE / (1.0 + error.min(Self::MAX_ERROR));
        Some((expected, relied.max(latest / Self::ERROR_FLOOR)))
    }

    /// Time that a delivery took. A wait of more than a round trip for its first byte counts: the link's queue was full.
    fn took(&self, delivery: Delivery) -> Duration {
        delivery.took + delivery.waited.saturating_sub(self.rtt)
    }

    /// True if a chunk without a byte is late. The node may have to encode it first.
    fn is_late(&self, level: Duration, waited: Duration) -> bool {
        level < Self::CALM && waited > Self::LATE.max(self.rtt * Self::LATE_RTTS)
    }

    /// Records the rate of a chunk, in bit/s.
    fn note(&mut self, rate: f64) {
        if let Some(expected) = self.expected.take() {
            if rate > expected * Self::CHANGED_PATH {
                self.errors.clear();
            }
            self.errors.push_front((expected / rate - 1.0).max(0.0));
            self.errors.truncate(Self::ERRORS);
        }
        self.measured.set(rate);
        self.rates = [Some(rate), self.rates[0]];
    }

    /// Reason for a change, for a listener.
    fn reason(&self, level: Duration) -> String {
        let rate = self.rates[0].unwrap_or_default() / 1000.0;
        format!("the connection gave {rate:.0} kbit/s; {:.1} s buffered", level.as_secs_f64())
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
        let best = &situation.all[to];
        let current = situation.current;
        if best.id == current.id {
            return None;
        }
        if !limit.allows(current) {
            let reason = limit.reason.unwrap_or_else(|| format!("{} path", situation.path.kind));
            return Some(Switch { to, reason });
        }
        if Self::quality(best) == Self::quality(current) && Self::fits(situation, current, relied) {
            return None;
        }
        prediction.map(|_| Switch { to, reason: self.reason(situation.buffer_level) })
    }

    fn reconsider(&mut self, situation: &Situation<'_>, so_far: Delivery) -> Option<Switch> {
        let took = self.took(so_far);
        if so_far.bytes == 0 && !self.is_late(situation.buffer_level, so_far.waited) {
            return None;
        }
        let throughput = self.meter.measure(situation.now, took, so_far.bytes).filter(|_| self.is_paced())?;
        let estimate = AbandonmentEstimate {
            level: situation.buffer_level.as_secs_f64(),
            target: situation.target.as_secs_f64(),
            rtt: self.rtt.as_secs_f64(),
            bitrate: situation.current.bitrate,
            received: so_far.bytes as f64 * 8.0,
            took: took.as_secs_f64(),
            throughput,
            is_stuck: situation.buffer_level < Self::CALM && so_far.head_of_line_blocked,
            rate_before: self.rates[0],
        };
        let limit = self.policy.limit(situation.path.kind, situation.now);
        let to = estimate.replacement(situation.all, &limit)?;
        self.note(estimate.measured());
        Some(Switch {
            to,
            reason: format!("the chunk would arrive too late: {}", self.reason(situation.buffer_level)),
        })
    }

    fn delivered(&mut self, delivery: Delivery) {
        self.policy.spend(delivery.bytes);
        let took = self.took(delivery).as_secs_f64().max(Self::MIN_TIME);
        let mean = delivery.bytes as f64 * 8.0 / took;
        let last = self.meter.end().unwrap_or(mean);
        self.note(if mean > last * Self::FALL { last } else { mean });
    }

    fn abandoned(&mut self, bytes: u64) {
        self.policy.spend(bytes);
    }
}
