//! The choice by throughput, held back by the buffer's level: a share of what was measured, the smaller the less is held.
//! That is between the rate-based and the buffer-based families (BBA: Huang et al., SIGCOMM 2014; a survey is in Yin et
//! al., SIGCOMM 2015). Down at once, up after two chunks that allow it, or one that does so amply. A chunk that would come
//! too late is given up for a smaller one, where that spares enough.

use std::{
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

use super::policy::{Limit, Policy};

/// See the module.
#[derive(Debug)]
pub struct Adaptive {
    /// Whether the output plays in real time.
    paced: Arc<AtomicBool>,
    policy: Policy,
    /// What the path carries, in bit/s, once measured: falls at once, rises slowly.
    throughput: Option<f64>,
    /// Chunks in a row that would have allowed a better rendition.
    better: u32,
    recent: Recent,
}

/// What came of the chunk that is coming in the last moments, on which a choice to give it up rests: at first it may have
/// come well.
#[derive(Debug, Default)]
struct Recent {
    /// Two instants, the older first, and the bytes that had come by then.
    marks: [(Duration, u64); 2],
}

impl Recent {
    /// Between two marks, at least.
    const APART: Duration = Duration::from_millis(300);

    /// In bit/s, over one to two times [`Recent::APART`]; `None` before so much of the chunk was seen.
    fn look(&mut self, now: Duration, so_far: Delivery) -> Option<f64> {
        let began = now.saturating_sub(so_far.took);
        if self.marks[0].0 < began || so_far.bytes < self.marks[1].1 {
            self.marks = [(began, 0); 2];
        }
        if now.saturating_sub(self.marks[1].0) >= Self::APART {
            self.marks = [self.marks[1], (now, so_far.bytes)];
        }
        let (since, bytes) = self.marks[0];
        let time = now.saturating_sub(since);
        (time >= Self::APART && so_far.took >= Self::APART)
            .then(|| so_far.bytes.saturating_sub(bytes) as f64 * 8.0 / time.as_secs_f64())
    }
}

impl Adaptive {
    /// Chunks in a row that must allow a better rendition before it is taken.
    const PATIENCE: u32 = 2;
    /// What carries a rendition so many times over needs no second chunk to prove it.
    const AMPLE: f64 = 4.0;
    /// A chunk that comes faster than this says only that the path is fast.
    const SHORTEST: Duration = Duration::from_millis(2);
    /// A chunk is given up only if so many times the whole of the new one, and what may wait on the way by then (in bits, 24
    /// kB) and comes in any case, are less than what is left of it.
    const GAIN: f64 = 2.0;
    const ON_THE_WAY: f64 = 192_000.0;
    /// A chunk of which nothing has come for so long, or for so many round trips, is late.
    const LATE: Duration = Duration::from_millis(600);
    const LATE_RTTS: f64 = 4.0;
    /// Nothing is given up for being late while more than this is held.
    const CALM: Duration = Duration::from_millis(2200);

    /// Chooses within `policy`; by throughput only while `paced` says that the output plays in real time.
    #[must_use]
    pub fn new(policy: Policy, paced: Arc<AtomicBool>) -> Self {
        Self { paced, policy, throughput: None, better: 0, recent: Recent::default() }
    }

    /// The best rendition within `limit` that `throughput`, in bit/s, carries, else the smallest.
    pub(super) fn best(situation: &Situation<'_>, limit: &Limit, throughput: f64) -> Option<usize> {
        let all = || situation.all.iter().enumerate();
        let carried = all().filter(|(_, it)| limit.allows(it) && f64::from(it.bitrate) <= throughput);
        let smallest = || all().min_by_key(|(_, it)| it.bitrate);
        // The first of equals, in the order of the offer.
        carried.rev().max_by_key(|(_, it)| Self::quality(it)).or_else(smallest).map(|(place, _)| place)
    }

    /// The more the better. What is lossless is equally good, whatever it takes.
    fn quality(rendition: &Rendition) -> (bool, u32) {
        (rendition.lossless, if rendition.lossless { 0 } else { rendition.bitrate })
    }

    /// Whether a chunk of which nothing came for so long is given up.
    fn is_late(situation: &Situation<'_>, waited: Duration) -> bool {
        let rtt = Duration::from_secs_f64(situation.path.rtt_ms.unwrap_or_default().clamp(0.0, 1e4) / 1e3);
        situation.held < Self::CALM && waited > Self::LATE.max(rtt.mul_f64(Self::LATE_RTTS))
    }

    fn words(&self, held: Duration) -> String {
        let throughput = self.throughput.unwrap_or_default() / 1000.0;
        format!("{throughput:.0} kbit/s measured, {:.1} s held", held.as_secs_f64())
    }
}

impl RateChoice for Adaptive {
    fn choose(&mut self, situation: &Situation<'_>) -> Option<Switch> {
        let limit = self.policy.limit(&situation.path.kind, situation.now);
        let paced = self.paced.load(Ordering::Relaxed);
        let throughput = self.throughput.filter(|_| paced);
        let fill = situation.held.as_secs_f64() / situation.target.as_secs_f64().max(0.001);
        let share = 0.5 + 0.35 * fill.clamp(0.0, 1.0);
        let to = Self::best(situation, &limit, throughput.unwrap_or(f64::MAX) * share)?;
        if situation.all[to].id == situation.current.id {
            self.better = 0;
            return None;
        }
        if !limit.allows(situation.current) {
            self.better = 0;
            let reason = limit.reason.unwrap_or_else(|| format!("{} path", situation.path.kind));
            return Some(Switch { to, reason });
        }
        let throughput = throughput?;
        if Self::quality(&situation.all[to]) > Self::quality(situation.current) {
            self.better += 1;
            let ample = f64::from(situation.all[to].bitrate) * Self::AMPLE <= throughput && fill > 0.8;
            if self.better < Self::PATIENCE && !ample {
                return None;
            }
        } else if f64::from(situation.current.bitrate) <= throughput * 0.9 && fill > 0.8 {
            // It fits, if barely, and there is time to see how it goes on.
            self.better = 0;
            return None;
        }
        self.better = 0;
        Some(Switch { to, reason: self.words(situation.held) })
    }

    fn reconsider(&mut self, situation: &Situation<'_>, so_far: Delivery) -> Option<Switch> {
        let recent = self.recent.look(situation.now, so_far);
        if !self.paced.load(Ordering::Relaxed) {
            return None;
        }
        let held = situation.held.as_secs_f64();
        let current = f64::from(situation.current.bitrate);
        let throughput = match recent {
            Some(recent) => recent,
            None if so_far.bytes == 0 && Self::is_late(situation, so_far.waited) => 0.0,
            None => return None,
        };
        let left = current * 3.0 - so_far.bytes as f64 * 8.0;
        if left <= 0.0 || left < throughput * held {
            return None;
        }
        let limit = self.policy.limit(&situation.path.kind, situation.now);
        // The new one begins anew, behind what is on its way: it is to be there when half of what is held is left.
        let share = (held / 6.0).clamp(0.2, 0.7);
        let to = Self::best(situation, &limit, throughput * share)?;
        let smaller = &situation.all[to];
        if f64::from(smaller.bitrate) * 3.0 * Self::GAIN + Self::ON_THE_WAY > left {
            return None;
        }
        self.policy.spend(so_far.bytes);
        self.throughput = Some(throughput);
        self.better = 0;
        Some(Switch { to, reason: format!("the chunk would come too late: {}", self.words(situation.held)) })
    }

    fn delivered(&mut self, delivery: Delivery) {
        self.policy.spend(delivery.bytes);
        let took = delivery.took.max(Self::SHORTEST).as_secs_f64();
        let latest = delivery.bytes as f64 * 8.0 / took;
        self.throughput = Some(self.throughput.map_or(latest, |before| latest.min((before + latest) / 2.0)));
    }
}
