//! The choice by throughput, held back by the buffer's level: a share of what was measured, the smaller the less is held.
//! That is between the rate-based and the buffer-based families (BBA: Huang et al., SIGCOMM 2014; a survey is in Yin et
//! al., SIGCOMM 2015). Down at once, up after two chunks that allow it.

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
}

impl Adaptive {
    /// Chunks in a row that must allow a better rendition before it is taken.
    const PATIENCE: u32 = 2;
    /// A chunk that comes faster than this says only that the path is fast.
    const SHORTEST: Duration = Duration::from_millis(2);
    /// Before a chunk is given up, this much time of it must have been measured.
    const MEASURED: Duration = Duration::from_millis(400);

    /// Chooses within `policy`; by throughput only while `paced` says that the output plays in real time.
    #[must_use]
    pub fn new(policy: Policy, paced: Arc<AtomicBool>) -> Self {
        Self { paced, policy, throughput: None, better: 0 }
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
            if self.better < Self::PATIENCE {
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
        if so_far.took < Self::MEASURED || !self.paced.load(Ordering::Relaxed) {
            return None;
        }
        let throughput = so_far.bytes as f64 * 8.0 / so_far.took.as_secs_f64();
        let left = f64::from(situation.current.bitrate) * 3.0 - so_far.bytes as f64 * 8.0;
        let held = situation.held.as_secs_f64();
        if left <= 0.0 || left / throughput < held {
            return None;
        }
        let limit = self.policy.limit(&situation.path.kind, situation.now);
        let to = Self::best(situation, &limit, throughput * 0.7)?;
        let smaller = &situation.all[to];
        // A little is lost by beginning again: only for what is much smaller.
        if f64::from(smaller.bitrate) * 1.5 > f64::from(situation.current.bitrate) {
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
