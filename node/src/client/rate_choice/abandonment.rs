//! Whether a chunk that is coming is better given up for a smaller one: the silence on either way, compared.
//!
//! What was given up goes on to come for as long as the link's queue holds some of it, and the smaller chunk comes behind it
//! and from its beginning. So giving up costs silence too, and up to a queue's worth it saves none. Where it costs none yet,
//! it is put off for as long as that stays so: most fades end by themselves.

use std::sync::Arc;

use media_protocol::Rendition;

use super::{policy::Limit, throughput::Throughput};

/// A chunk, in seconds.
pub(super) const CHUNK: f64 = 3.0;
/// What a link's queue is taken to hold, in bits.
const QUEUE: f64 = 48_000.0 * 8.0;
/// Before a chunk is given up, this many seconds of it must have been measured, and so many at about the present rate.
const MEASURED: f64 = 0.4;
const STEADY: f64 = 0.2;
/// What is given up for being slow has come in the last so many seconds.
const QUIET: f64 = 0.1;
/// What was known before the chunk counts as much as this many seconds at the present rate, as most fades end by themselves;
/// less where clearly more is left than the queue holds, as every moment puts more of it into the queue.
const PRIOR: f64 = 0.8;
const PRIOR_IN_HASTE: f64 = 0.1;
const CLEARLY: f64 = 1.5;
/// What is asked for in place of a chunk comes at this part of what is hoped for that chunk, at worst.
const LEAST: f64 = 4.0;
/// The share of a rate that is left for chance where another chunk is asked for.
const SHARE: f64 = 0.9;
/// What can still be given up without silence is looked at again before so many seconds are over.
const SOON: f64 = 0.25;
/// Sound begins again with this many seconds, so a link that carries less than the rendition stutters.
const STUTTER: f64 = 0.2;
/// What an underrun is worth beside its silence, and what a change must gain, in seconds.
const UNDERRUN: f64 = 0.8;
const CHANGE: f64 = 0.3;

/// What a chunk of this bitrate takes of a path, in bits, with what is put around its packets.
pub(super) fn bits(bitrate: u32) -> f64 {
    (f64::from(bitrate) * 1.06 + 2000.0) * CHUNK
}

/// A chunk that is under way, as it looks now; times in seconds, rates in bit/s.
pub(super) struct AbandonmentEstimate {
    /// What came of it included.
    pub(super) held: f64,
    /// Nothing is asked for while more than this is held.
    pub(super) target: f64,
    pub(super) rtt: f64,
    pub(super) bitrate: u32,
    /// Bits that came, and the time it took, from when they might have come.
    pub(super) came: f64,
    pub(super) took: f64,
    /// What it comes at now.
    pub(super) pace: Throughput,
    /// Whether other bytes come and none of it that can be read: some of it was lost, and lost again.
    pub(super) is_stuck: bool,
    /// What the chunk before came at.
    pub(super) before: Option<f64>,
}

impl AbandonmentEstimate {
    /// Of the chunk, 0 to 1.
    fn share(&self) -> f64 {
        (self.came / (f64::from(self.bitrate) * CHUNK)).min(1.0)
    }

    /// Bits that are still to come.
    fn left(&self) -> f64 {
        bits(self.bitrate) * (1.0 - self.share())
    }

    /// What it comes at, with caution.
    pub(super) fn measured(&self) -> f64 {
        self.pace.rate.min(self.came / self.took).max(1.0)
    }

    /// What the rest of it may come at: between what is measured and what was known, as parts of each other.
    fn hoped(&self) -> f64 {
        // Where nothing is known, or much, what the rendition needs is what is to be lost.
        let before = self.before.unwrap_or_default().min(f64::from(self.bitrate));
        let weight = if self.left() > QUEUE * CLEARLY { PRIOR_IN_HASTE } else { PRIOR };
        let measured = self.measured();
        let times = (before / measured).powf(weight / (self.pace.steady + weight));
        measured * times.max(1.0)
    }

    /// What is asked for in place of the chunk comes at this, at worst.
    fn least(&self) -> f64 {
        self.measured().max(self.hoped() / LEAST)
    }

    /// From when what is held has ended until what is sent now comes, behind what the queue holds.
    fn before(&self, rate: f64) -> f64 {
        let drained = self.left().min(QUEUE) / rate;
        self.rtt + drained.max(self.held - self.target) - self.held
    }

    /// Silence if it goes on at this rate.
    fn dry_at(&self, rate: f64) -> f64 {
        (self.left() / rate - self.held - CHUNK * (1.0 - self.share())).max(0.0)
    }

    /// Silence if it goes on.
    fn dry(&self) -> f64 {
        if self.is_stuck {
            // What was lost is sent now, as something else would be, and the rest after what is in the queue.
            let rest = (self.left() - QUEUE).max(0.0) / self.least();
            return (self.before(self.least()) + rest - CHUNK * (1.0 - self.share())).max(0.0);
        }
        self.dry_at(self.hoped())
    }

    /// Silence if it is given up for one of another bitrate, which comes at this rate: the first packet of use must be there
    /// before what is held has ended, the last before the chunk has. Below zero, how long before.
    fn late_with(&self, bitrate: u32, rate: f64) -> f64 {
        let (before, rate) = (self.before(rate), rate * SHARE);
        let first = before + bits(bitrate) * self.share() / rate;
        let last = before + bits(bitrate) / rate - CHUNK * (1.0 - self.share());
        first.max(last)
    }

    /// The place of the rendition within `limit` that the chunk is better given up for.
    pub(super) fn replacement(&self, all: &[Arc<Rendition>], limit: &Limit) -> Option<usize> {
        // If it stays as it is.
        let dry = self.dry_at(self.measured());
        if dry <= 0.0 || self.took < MEASURED || self.pace.steady < STEADY {
            return None;
        }
        // It may be a tunnel, in which nothing else comes either.
        if self.pace.quiet > QUIET && self.came > 0.0 && !self.is_stuck {
            return None;
        }
        let smaller =
            || all.iter().enumerate().filter(|(_, it)| it.bitrate < self.bitrate && limit.allows(it));
        let early = |it: &Rendition| -self.late_with(it.bitrate, self.measured());
        let safe = smaller().filter(|(_, it)| early(it) >= 0.0).max_by_key(|(_, it)| it.bitrate);
        match safe {
            Some((to, it)) => (early(it) <= SOON).then_some(to),
            None => self.less_silent(smaller()),
        }
    }

    /// The place of the one of `smaller` with the least silence, where it is worth while, in hope.
    fn less_silent<'a>(&self, smaller: impl Iterator<Item = (usize, &'a Arc<Rendition>)>) -> Option<usize> {
        let dry = self.dry();
        let silence = |it: &Rendition| self.late_with(it.bitrate, self.least()).max(0.0);
        let (to, it) = smaller.min_by(|(_, a), (_, b)| {
            silence(a).total_cmp(&silence(b)).then_with(|| b.bitrate.cmp(&a.bitrate))
        })?;
        let stutters = dry * self.hoped() / (STUTTER * f64::from(self.bitrate));
        let goes_on = dry + UNDERRUN * stutters.max(1.0);
        let silence = silence(it);
        let given_up = silence + if silence > 0.0 { UNDERRUN } else { 0.0 };
        (dry > 0.0 && given_up + CHANGE < goes_on).then_some(to)
    }
}
