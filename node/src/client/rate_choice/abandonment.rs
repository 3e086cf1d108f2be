//! Decision to abandon a chunk for a smaller one. It compares the silence that either way would cause.
//!
//! Bytes of an abandoned chunk continue to arrive while the link's queue holds them, and the smaller chunk arrives behind them,
//! from its beginning. So an abandonment can cause silence too, and it saves none if no more bytes are missing than the queue
//! holds. It is put off while a later one would cause no silence either: most drops of the rate end by themselves. All
//! constants are measured together; see `node/docs/rate-choice.md`.

use std::sync::Arc;

use media_protocol::Rendition;

use super::{policy::Limit, throughput::Throughput};

/// Duration of a chunk, in seconds.
pub(super) const CHUNK: f64 = 3.0;
/// Assumed size of the link's queue, in bits.
const QUEUE: f64 = 48_000.0 * 8.0;
/// Least times before a chunk can be abandoned, in seconds: since its first byte was due, and at about its present rate.
const MEASURED: f64 = 0.4;
const STEADY: f64 = 0.2;
/// Time without a byte above which a slow chunk is not abandoned, in seconds. The cause may be a tunnel, in which a smaller
/// chunk would not arrive either.
const QUIET: f64 = 0.1;
/// Weight of the rate of the previous chunk in the hoped rate, as seconds at the present rate: most drops of the rate end by
/// themselves. `PRIOR_IN_HASTE` applies if more than `CLEARLY` times the queue is missing, because the queue grows while the
/// client waits.
const PRIOR: f64 = 0.8;
const PRIOR_IN_HASTE: f64 = 0.1;
const CLEARLY: f64 = 1.5;
/// Divisor of the hoped rate of a chunk. The lowest rate expected of its replacement is the quotient, or the measured rate if
/// that is higher.
const PESSIMISM: f64 = 4.0;
/// Share of a rate that a replacement may use. The rest is a margin for error.
const SHARE: f64 = 0.9;
/// Spare time above which an abandonment is put off, in seconds. The chunk is looked at again within it.
const SOON: f64 = 0.25;
/// Audio with which sound starts again after an underrun, in seconds. On a link that carries less than the rendition, underruns
/// follow one another at this interval.
const STUTTER: f64 = 0.2;
/// Cost of an underrun in addition to its silence, and least gain for which a chunk is abandoned, in seconds of silence.
const UNDERRUN: f64 = 0.8;
const CHANGE: f64 = 0.3;

/// Bits that a chunk of this bitrate takes on the path, with packet headers.
pub(super) fn bits(bitrate: u32) -> f64 {
    (f64::from(bitrate) * 1.06 + 2000.0) * CHUNK
}

/// State of a chunk that is being received. Times in seconds, rates in bit/s.
pub(super) struct AbandonmentEstimate {
    /// Level of the jitter buffer, with the received part of this chunk.
    pub(super) level: f64,
    /// Target level, above which nothing is requested.
    pub(super) target: f64,
    pub(super) rtt: f64,
    pub(super) bitrate: u32,
    /// Bits received, and the time that has passed since the first one could have arrived.
    pub(super) received: f64,
    pub(super) took: f64,
    /// Present throughput.
    pub(super) throughput: Throughput,
    /// True if the connection carries other bytes but none of this chunk: a packet of it was lost several times.
    pub(super) is_stuck: bool,
    /// Throughput of the chunk before.
    pub(super) rate_before: Option<f64>,
}

impl AbandonmentEstimate {
    /// Received share of the chunk, 0 to 1.
    fn share(&self) -> f64 {
        (self.received / (f64::from(self.bitrate) * CHUNK)).min(1.0)
    }

    /// Bits that are missing.
    fn left(&self) -> f64 {
        bits(self.bitrate) * (1.0 - self.share())
    }

    /// Measured rate of the chunk: the lower one of its present and its mean rate.
    pub(super) fn measured(&self) -> f64 {
        self.throughput.rate.min(self.received / self.took).max(1.0)
    }

    /// Hoped rate of the rest of the chunk: the geometric mean of the measured rate and the rate before, by their weights.
    fn hoped(&self) -> f64 {
        // A rate above the rendition's own gains nothing.
        let before = self.rate_before.unwrap_or_default().min(f64::from(self.bitrate));
        let weight = if self.left() > QUEUE * CLEARLY { PRIOR_IN_HASTE } else { PRIOR };
        let measured = self.measured();
        let factor = (before / measured).powf(weight / (self.throughput.steady + weight));
        measured * factor.max(1.0)
    }

    /// Lowest rate that is expected of a replacement.
    fn lowest(&self) -> f64 {
        self.measured().max(self.hoped() / PESSIMISM)
    }

    /// Time from the end of the buffered audio to the arrival of bytes requested now, behind the link's queue at this rate.
    /// Negative if they arrive before that end.
    fn delay(&self, rate: f64) -> f64 {
        let drained = self.left().min(QUEUE) / rate;
        self.rtt + drained.max(self.level - self.target) - self.level
    }

    /// Silence if the chunk continues at this rate.
    fn silence_at(&self, rate: f64) -> f64 {
        (self.left() / rate - self.level - CHUNK * (1.0 - self.share())).max(0.0)
    }

    /// Silence if the chunk continues.
    fn silence(&self) -> f64 {
        if self.is_stuck {
            // The lost packet arrives with the bytes that are sent now; the rest follows the queue.
            let rest = (self.left() - QUEUE).max(0.0) / self.lowest();
            return (self.delay(self.lowest()) + rest - CHUNK * (1.0 - self.share())).max(0.0);
        }
        self.silence_at(self.hoped())
    }

    /// Silence if the chunk is replaced by one of another bitrate that arrives at this rate. Its first useful packet must arrive
    /// before the buffered audio ends, its last before the chunk ends. Negative if there is time left.
    fn silence_with(&self, bitrate: u32, rate: f64) -> f64 {
        let delay = self.delay(rate);
        let rate = rate * SHARE;
        let first = delay + bits(bitrate) * self.share() / rate;
        let last = delay + bits(bitrate) / rate - CHUNK * (1.0 - self.share());
        first.max(last)
    }

    /// Index of the rendition within `limit` that should replace the chunk.
    pub(super) fn replacement(&self, all: &[Arc<Rendition>], limit: &Limit) -> Option<usize> {
        let is_late = self.silence_at(self.measured()) > 0.0;
        if !is_late || self.took < MEASURED || self.throughput.steady < STEADY {
            return None;
        }
        if self.throughput.quiet > QUIET && self.received > 0.0 && !self.is_stuck {
            return None;
        }
        let is_smaller = |rendition: &Rendition| rendition.bitrate < self.bitrate && limit.allows(rendition);
        let smaller = || all.iter().enumerate().filter(|(_, rendition)| is_smaller(rendition));
        let spare = |rendition: &Rendition| -self.silence_with(rendition.bitrate, self.measured());
        let without_silence = smaller()
            .filter(|(_, rendition)| spare(rendition) >= 0.0)
            .max_by_key(|(_, rendition)| rendition.bitrate);
        match without_silence {
            Some((to, rendition)) => (spare(rendition) <= SOON).then_some(to),
            None => self.least_silent(smaller()),
        }
    }

    /// Index of the rendition among `smaller` with the least silence, if it is worth the change.
    fn least_silent<'a>(&self, smaller: impl Iterator<Item = (usize, &'a Arc<Rendition>)>) -> Option<usize> {
        let silence_with =
            |rendition: &Rendition| self.silence_with(rendition.bitrate, self.lowest()).max(0.0);
        let (to, rendition) = smaller.min_by(|(_, a), (_, b)| {
            let by_silence = silence_with(a).total_cmp(&silence_with(b));
            by_silence.then_with(|| b.bitrate.cmp(&a.bitrate))
        })?;
        let silence = self.silence();
        let stutters = silence * self.hoped() / (STUTTER * f64::from(self.bitrate));
        let cost_of_continuing = silence + UNDERRUN * stutters.max(1.0);
        let replaced = silence_with(rendition);
        let cost_of_replacing = replaced + if replaced > 0.0 { UNDERRUN } else { 0.0 };
        (silence > 0.0 && cost_of_replacing + CHANGE < cost_of_continuing).then_some(to)
    }
}
