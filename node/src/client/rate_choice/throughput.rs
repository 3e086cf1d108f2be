//! Throughput of a chunk that is being received.
//!
//! The meter takes the lowest rate over any stretch of time up to now. So a chunk that began fast and then slowed down is
//! measured by the stretch since its rate dropped. One datagram is added to each stretch: otherwise a gap between two datagrams
//! would look like a drop.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Throughput of the last chunk. The rate choice measures it, and the session reports it to the node.
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

/// Present throughput of a chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Throughput {
    /// In bit/s.
    pub(super) rate: f64,
    /// Time for which the rate has been about this, in seconds.
    pub(super) steady: f64,
    /// Time without a byte up to now, in seconds.
    pub(super) quiet: f64,
}

/// Bytes received by an instant.
#[derive(Debug, Default, Clone, Copy)]
struct Mark {
    at: Duration,
    bytes: u64,
}

/// Meter of one chunk after the other. All constants are measured together; see `node/docs/rate-choice.md`.
#[derive(Debug, Default)]
pub(super) struct ThroughputMeter {
    /// Start of the present chunk.
    began: Duration,
    /// Last arrival of bytes.
    last_arrival: Mark,
    /// Marks along the chunk, oldest first.
    marks: VecDeque<Mark>,
    latest: Option<Throughput>,
}

impl ThroughputMeter {
    /// Shortest time between two marks.
    const MARK_INTERVAL: Duration = Duration::from_millis(50);
    /// Shortest and longest stretch over which a rate is taken, in seconds.
    const MIN_STRETCH: f64 = 0.15;
    const MAX_STRETCH: f64 = 1.0;
    /// Time for which marks are kept, to find how long a rate has lasted.
    const HISTORY: Duration = Duration::from_secs(4);
    /// Size of a datagram, in bytes.
    const DATAGRAM: f64 = 1200.0;
    /// Shortest stretch without a byte that counts as a rate of zero, in seconds.
    const MIN_SILENCE: f64 = 0.4;
    /// Least number of datagrams at the final rate of a chunk. Fewer can be late by accident.
    const MIN_DATAGRAMS: f64 = 3.0;
    /// Factor within which two rates are about the same.
    const SAME_RATE: f64 = 1.5;

    /// Takes the number of bytes of the chunk received in the time `took` before `now`. Returns the present throughput; `None`
    /// if that time is too short for one.
    pub(super) fn measure(&mut self, now: Duration, took: Duration, bytes: u64) -> Option<Throughput> {
        self.advance(now, took, bytes);
        let quiet = now.saturating_sub(self.last_arrival.at).as_secs_f64();
        let rates = self.marks.iter().filter_map(|mark| {
            let time = now.saturating_sub(mark.at).as_secs_f64();
            let received = bytes.saturating_sub(mark.bytes) as f64;
            let rate = match received > 0.0 {
                true => (received + Self::DATAGRAM) * 8.0 / time,
                false if time < Self::MIN_SILENCE => return None,
                false => 0.0,
            };
            Some((rate, time))
        });
        let mut stretches = rates.clone().filter(|(_, time)| *time >= Self::MIN_STRETCH);
        // The shortest stretch counts even if it is longer than the limit.
        let recent = stretches.clone().filter(|(_, time)| *time <= Self::MAX_STRETCH);
        let lowest = recent.chain(stretches.next_back()).map(|(rate, _)| rate).min_by(f64::total_cmp);
        self.latest = lowest.and_then(|lowest| {
            let is_same = |rate| rate <= lowest * Self::SAME_RATE;
            let steady = rates.map(|(rate, time)| if is_same(rate) { time } else { 0.0 });
            Some(Throughput { rate: lowest, steady: steady.max_by(f64::total_cmp)?, quiet })
        });
        if self.marks.back().is_none_or(|mark| mark.at + Self::MARK_INTERVAL <= now) {
            self.marks.push_back(Mark { at: now, bytes });
        }
        self.latest
    }

    /// Starts again at a new chunk, and drops old marks.
    fn advance(&mut self, now: Duration, took: Duration, bytes: u64) {
        let began = now.saturating_sub(took);
        let is_new = self.began < began || self.marks.back().is_some_and(|mark| bytes < mark.bytes);
        if self.marks.is_empty() || is_new {
            let start = Mark { at: began, bytes: 0 };
            *self = Self { began, last_arrival: start, marks: [start].into(), latest: None };
        }
        if bytes > self.last_arrival.bytes {
            self.last_arrival = Mark { at: now, bytes };
        }
        while self.marks.front().is_some_and(|mark| mark.at + Self::HISTORY < now) {
            self.marks.pop_front();
        }
    }

    /// Ends the chunk. Returns its final rate, in bit/s. `None` if that rate did not last, so that one late packet does not
    /// count.
    pub(super) fn end(&mut self) -> Option<f64> {
        let Throughput { rate, steady, .. } = std::mem::take(self).latest?;
        let datagrams = rate / 8.0 * steady / Self::DATAGRAM - 1.0;
        (steady >= Self::MAX_STRETCH && datagrams >= Self::MIN_DATAGRAMS).then_some(rate)
    }
}
