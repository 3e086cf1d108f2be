//! What a chunk that is coming comes at in the last moments.
//!
//! At first it may have come well. So it is the least that any stretch up to now allows: once a rate has fallen, the stretch
//! since then says so. A datagram more is allowed for in each, or two that come apart would look like a fall.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Throughput of the last chunk, shared between the rate choice, which measures it, and the session, which reports it.
#[derive(Debug, Clone, Default)]
pub(crate) struct MeasuredThroughput(Arc<AtomicU64>);

impl MeasuredThroughput {
    pub(super) fn set(&self, bits_per_second: f64) {
        self.0.store(bits_per_second as u64, Ordering::Relaxed);
    }

    /// In bit/s. `None` before the first chunk.
    pub(crate) fn get(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|measured| *measured > 0)
    }
}

/// What a chunk comes at now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Throughput {
    /// In bit/s.
    pub(super) rate: f64,
    /// For how long it has been about that, in seconds.
    pub(super) steady: f64,
    /// For how long nothing has come, in seconds.
    pub(super) quiet: f64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct ThroughputMeter {
    /// When the chunk began.
    began: Duration,
    /// When something came last, and the bytes that had come then.
    grew: (Duration, u64),
    /// Instants, the oldest first, and the bytes that had come by then.
    marks: VecDeque<(Duration, u64)>,
    pace: Option<Throughput>,
}

impl ThroughputMeter {
    /// Between two marks, at least.
    const APART: Duration = Duration::from_millis(50);
    /// What a rate is taken from, at least and at most, in seconds, and what is looked back over to see since when it is that.
    const SHORTEST: f64 = 0.15;
    const LONGEST: f64 = 1.0;
    const KEPT: Duration = Duration::from_secs(4);
    /// The bytes of a datagram, which come at once: the next may be about to.
    const DATAGRAM: f64 = 1200.0;
    /// Where nothing came for so many seconds, none is; for less, that says nothing.
    const NOTHING: f64 = 0.4;
    /// What came in so many datagrams did not come slowly by chance.
    const SEVERAL: f64 = 3.0;
    /// A rate that is no more than so many times another is about the same.
    const ABOUT: f64 = 1.5;

    /// Takes in how much of a chunk came in so long; the least that it came at over any of the last moments, up to now. `None`
    /// before so much of the chunk was seen.
    pub(super) fn measure(&mut self, now: Duration, took: Duration, bytes: u64) -> Option<Throughput> {
        let began = now.saturating_sub(took);
        if self.marks.is_empty() || self.began < began || self.marks.back().is_some_and(|it| bytes < it.1) {
            *self = Self { began, grew: (began, 0), marks: [(began, 0)].into(), pace: None };
        }
        if bytes > self.grew.1 {
            self.grew = (now, bytes);
        }
        let quiet = now.saturating_sub(self.grew.0).as_secs_f64();
        while self.marks.front().is_some_and(|it| it.0 + Self::KEPT < now) {
            self.marks.pop_front();
        }
        let rates = self.marks.iter().filter_map(|(at, before)| {
            let time = now.saturating_sub(*at).as_secs_f64();
            let came = bytes.saturating_sub(*before) as f64;
            let rate = match came > 0.0 {
                true => (came + Self::DATAGRAM) * 8.0 / time,
                false if time < Self::NOTHING => return None,
                false => 0.0,
            };
            Some((rate, time))
        });
        let mut seen = rates.clone().filter(|(_, time)| *time >= Self::SHORTEST);
        // The oldest first, and the last of all, however long ago it was.
        let least = seen.clone().filter(|(_, time)| *time <= Self::LONGEST).chain(seen.next_back());
        let least = least.map(|(rate, _)| rate).min_by(f64::total_cmp);
        self.pace = least.and_then(|rate| {
            let steady = rates.map(|(it, time)| if it <= rate * Self::ABOUT { time } else { 0.0 });
            Some(Throughput { rate, steady: steady.max_by(f64::total_cmp)?, quiet })
        });
        if self.marks.back().is_none_or(|it| it.0 + Self::APART <= now) {
            self.marks.push_back((now, bytes));
        }
        self.pace
    }

    /// What the chunk that came came at in the end, where that lasted: one packet may have been lost, and late.
    pub(super) fn end(&mut self) -> Option<f64> {
        let pace = std::mem::take(self).pace?;
        let datagrams = pace.rate / 8.0 * pace.steady / Self::DATAGRAM - 1.0;
        (pace.steady >= Self::LONGEST && datagrams >= Self::SEVERAL).then_some(pace.rate)
    }
}
