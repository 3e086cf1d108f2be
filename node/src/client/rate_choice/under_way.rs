//! Whether a chunk that is coming is better given up for a smaller one: the silence on either way, compared.
//!
//! What was given up goes on to come for as long as the link's queue holds some of it, and the smaller chunk comes behind it
//! and from its beginning. So giving up costs silence too, and up to a queue's worth it saves none.

use std::{sync::Arc, time::Duration};

use media_protocol::Rendition;

use super::policy::Limit;

/// A chunk, in seconds.
pub(super) const CHUNK: f64 = 3.0;
/// What a link's queue is taken to hold, in bits.
const QUEUE: f64 = 48_000.0 * 8.0;
/// Before a chunk is given up, this many seconds of it must have been measured.
const MEASURED: f64 = 0.4;
/// What was known before the chunk counts as much as this many seconds of it, as most fades end by themselves; less where
/// clearly more is left than the queue holds, as every moment puts more of it into the queue.
const PRIOR: f64 = 0.45;
const PRIOR_IN_HASTE: f64 = 0.1;
const CLEARLY: f64 = 1.5;
/// What is asked for in place of a chunk comes at this part of what is hoped for that chunk, at worst.
const LEAST: f64 = 4.0;
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
pub(super) struct UnderWay {
    /// What came of it included.
    pub(super) held: f64,
    pub(super) rtt: f64,
    pub(super) bitrate: u32,
    /// Bits that came, and the time it took, from when they might have come.
    pub(super) came: f64,
    pub(super) took: f64,
    /// What it came at in the last moments.
    pub(super) rate: f64,
    /// Whether other bytes come and none of it that can be read: some of it was lost, and lost again.
    pub(super) is_stuck: bool,
    /// What the chunk before came at.
    pub(super) before: Option<f64>,
}

impl UnderWay {
    /// Of the chunk, 0 to 1.
    fn share(&self) -> f64 {
        (self.came / (f64::from(self.bitrate) * CHUNK)).min(1.0)
    }

    /// Bits that are still to come.
    fn left(&self) -> f64 {
        bits(self.bitrate) * (1.0 - self.share())
    }

    /// What it has come at, with caution.
    pub(super) fn measured(&self) -> f64 {
        self.rate.min(self.came / self.took).max(1.0)
    }

    /// What the rest of it may come at.
    fn hoped(&self) -> f64 {
        // Where nothing is known, or much, what the rendition needs is what is to be lost.
        let before = self.before.unwrap_or_default().min(f64::from(self.bitrate));
        let weight = if self.left() > QUEUE * CLEARLY { PRIOR_IN_HASTE } else { PRIOR };
        let measured = self.measured();
        measured.max((measured * self.took + before * weight) / (self.took + weight))
    }

    /// What is asked for in place of the chunk comes at this, at worst.
    fn least(&self) -> f64 {
        self.measured().max(self.hoped() / LEAST)
    }

    /// From when what is held has ended until what is sent now comes, behind what the queue holds.
    fn before(&self) -> f64 {
        self.rtt + self.left().min(QUEUE) / self.least() - self.held
    }

    /// Silence if it goes on.
    fn dry(&self) -> f64 {
        if self.is_stuck {
            // What was lost is sent now, as something else would be, and the rest after what is in the queue.
            let rest = (self.left() - QUEUE).max(0.0) / self.least();
            return (self.before() + rest - CHUNK * (1.0 - self.share())).max(0.0);
        }
        (self.left() / self.hoped() - self.held - CHUNK * (1.0 - self.share())).max(0.0)
    }

    /// Silence if it is given up for one of another bitrate: the first packet of use must be there before what is held has
    /// ended, the last before the chunk has.
    fn dry_with(&self, bitrate: u32) -> f64 {
        let (rate, before) = (self.least(), self.before());
        let first = before + bits(bitrate) * self.share() / rate;
        let last = before + bits(bitrate) / rate - CHUNK * (1.0 - self.share());
        first.max(last).max(0.0)
    }

    /// The place of the rendition within `limit` that the chunk is better given up for.
    pub(super) fn better(&self, all: &[Arc<Rendition>], limit: &Limit) -> Option<usize> {
        let dry = self.dry();
        if dry <= 0.0 || self.took < MEASURED {
            return None;
        }
        let smaller = |it: &Rendition| it.bitrate < self.bitrate && limit.allows(it);
        let silence = |it: &Rendition| self.dry_with(it.bitrate);
        let smaller = all.iter().enumerate().filter(|(_, it)| smaller(it));
        let (to, it) = smaller.min_by(|(_, a), (_, b)| {
            silence(a).total_cmp(&silence(b)).then_with(|| b.bitrate.cmp(&a.bitrate))
        })?;
        let stutters = dry * self.hoped() / (STUTTER * f64::from(self.bitrate));
        let goes_on = dry + UNDERRUN * stutters.max(1.0);
        let silence = silence(it);
        let given_up = silence + if silence > 0.0 { UNDERRUN } else { 0.0 };
        (given_up + CHANGE < goes_on).then_some(to)
    }
}

/// What came of the chunk that is coming in the last moments: at first it may have come well.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// Two instants, the older first, and the bytes that had come by then.
    marks: [(Duration, u64); 2],
}

impl Recent {
    /// Between two marks, at least.
    const APART: Duration = Duration::from_millis(300);

    /// In bit/s, over one to two times [`Recent::APART`]; `None` before so much of the chunk was seen.
    pub(super) fn look(&mut self, now: Duration, took: Duration, bytes: u64) -> Option<f64> {
        let began = now.saturating_sub(took);
        if self.marks[0].0 < began || bytes < self.marks[1].1 {
            self.marks = [(began, 0); 2];
        }
        if now.saturating_sub(self.marks[1].0) >= Self::APART {
            self.marks = [self.marks[1], (now, bytes)];
        }
        let (since, before) = self.marks[0];
        let time = now.saturating_sub(since);
        (time >= Self::APART).then(|| bytes.saturating_sub(before) as f64 * 8.0 / time.as_secs_f64())
    }
}
