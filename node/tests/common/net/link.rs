//! One direction of a path. The fate of a packet is a pure function of time, state and random numbers.

use std::time::Duration;

use super::rng::Rng;

/// Conditions of one direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// Delay of every packet in one direction.
    pub delay: Duration,
    /// Greatest additional delay, evenly distributed; packets stay in order.
    pub jitter: Duration,
    /// Share of lost packets.
    pub loss: f64,
    /// Share of packets that start a burst of loss, and the length of a burst in packets.
    pub burst: (f64, u32),
    /// Share of packets that arrive [`Link::LATE`] later, so that others overtake them.
    pub reorder: f64,
    /// Share of packets that arrive twice.
    pub duplicate: f64,
    /// Rate in bit/s; `None` for an unlimited one.
    pub rate: Option<u64>,
    /// Size of the queue before the rate limit, in bytes. A packet that does not fit is lost.
    pub queue: usize,
    /// No packet arrives.
    pub silent: bool,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: 0.0,
            burst: (0.0, 0),
            reorder: 0.0,
            duplicate: 0.0,
            rate: None,
            queue: 64 << 10,
            silent: false,
        }
    }
}

impl Link {
    /// Additional delay of a reordered packet.
    pub const LATE: Duration = Duration::from_millis(15);

    /// Half of a round trip of `rtt_ms`, with loss.
    pub fn of(rtt_ms: u64, loss: f64) -> Self {
        Self { delay: Duration::from_micros(rtt_ms * 500), loss, ..Self::default() }
    }

    /// Limits the rate, in bit/s.
    pub fn at(self, rate: u64) -> Self {
        Self { rate: Some(rate), ..self }
    }
}

/// State of one direction.
pub(super) struct Pipe {
    rng: Rng,
    /// Time at which the last accepted bit leaves the queue.
    busy_until: Duration,
    /// Arrival of the last packet that was not reordered.
    last: Duration,
    /// Packets that the present burst still drops.
    burst: u32,
}

impl Pipe {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed), busy_until: Duration::ZERO, last: Duration::ZERO, burst: 0 }
    }

    /// Returns the arrivals of a packet of `bytes` that is sent at `now`: none, one or two.
    pub(super) fn send(&mut self, link: &Link, now: Duration, bytes: usize) -> [Option<Duration>; 2] {
        if link.silent || self.is_lost(link) {
            return [None; 2];
        }
        let Some(left) = self.queue(link, now, bytes) else { return [None; 2] };
        let due = left + link.delay + link.jitter.mul_f64(self.rng.share());
        let due = if self.rng.chance(link.reorder) {
            due + Link::LATE
        } else {
            self.last = due.max(self.last);
            self.last
        };
        [Some(due), self.rng.chance(link.duplicate).then_some(due + Link::LATE / 5)]
    }

    fn is_lost(&mut self, link: &Link) -> bool {
        if self.burst == 0 && self.rng.chance(link.burst.0) {
            self.burst = link.burst.1;
        }
        let in_burst = self.burst > 0;
        self.burst = self.burst.saturating_sub(1);
        in_burst || self.rng.chance(link.loss)
    }

    /// Returns the time at which the packet leaves the queue, or `None` if it does not fit.
    fn queue(&mut self, link: &Link, now: Duration, bytes: usize) -> Option<Duration> {
        let Some(rate) = link.rate else { return Some(now) };
        let waiting = self.busy_until.saturating_sub(now).as_secs_f64() * rate as f64 / 8.0;
        if waiting as usize + bytes > link.queue {
            return None;
        }
        self.busy_until =
            self.busy_until.max(now) + Duration::from_secs_f64(bytes as f64 * 8.0 / rate as f64);
        Some(self.busy_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKETS: u32 = 10_000;

    /// Sends packets of 1,000 bytes 1 ms apart. Returns the arrivals and numbers, in the order of arrival.
    fn arrivals(link: &Link, seed: u64) -> Vec<(Duration, u32)> {
        let mut pipe = Pipe::new(seed);
        let mut arrived = Vec::new();
        for number in 0..PACKETS {
            let sent = Duration::from_millis(number.into());
            arrived.extend(pipe.send(link, sent, 1000).into_iter().flatten().map(|due| (due, number)));
        }
        arrived.sort_unstable();
        arrived
    }

    fn share(count: usize) -> f64 {
        count as f64 / f64::from(PACKETS)
    }

    #[test]
    fn the_same_seed_gives_the_same_and_another_another() {
        let link = Link { jitter: Link::LATE, reorder: 0.05, duplicate: 0.01, ..Link::of(50, 0.03) };
        assert_eq!(arrivals(&link, 1), arrivals(&link, 1));
        assert_ne!(arrivals(&link, 1), arrivals(&link, 2));
    }

    #[test]
    fn loss_single_and_in_bursts_is_as_asked_for() {
        let lost = |link: &Link| 1.0 - share(arrivals(link, 7).len());
        assert!((0.025..0.035).contains(&lost(&Link::of(50, 0.03))));
        let bursts = Link { burst: (0.002, 20), ..Link::default() };
        assert!((0.02..0.06).contains(&lost(&bursts)), "{}", lost(&bursts));
        let gaps = arrivals(&bursts, 7).windows(2).filter(|pair| pair[1].1 - pair[0].1 >= 21).count();
        assert!(gaps > 0, "a burst takes 20 in a row");
    }

    #[test]
    fn jitter_keeps_the_order_and_reordering_does_not() {
        let overtaken =
            |link: &Link| arrivals(link, 3).windows(2).filter(|pair| pair[1].1 < pair[0].1).count();
        assert_eq!(overtaken(&Link { jitter: Link::LATE, ..Link::of(50, 0.0) }), 0);
        let reordered = share(overtaken(&Link { reorder: 0.05, ..Link::default() }));
        assert!((0.04..0.06).contains(&reordered), "{reordered}");
    }

    #[test]
    fn duplicates_come_twice_and_silence_not_at_all() {
        let twice = share(arrivals(&Link { duplicate: 0.01, ..Link::default() }, 5).len()) - 1.0;
        assert!((0.007..0.013).contains(&twice), "{twice}");
        assert!(arrivals(&Link { silent: true, ..Link::default() }, 5).is_empty());
    }

    #[test]
    fn a_rate_lets_so_much_through_and_its_queue_holds_so_much() {
        // The packets offer 8 Mbit/s.
        let link = Link { queue: 32_000, ..Link::default() }.at(800_000);
        let arrived = arrivals(&link, 1);
        let seconds = f64::from(PACKETS) / 1000.0;
        assert!((share(arrived.len()) - 0.1).abs() < 0.005, "a tenth fits: {}", arrived.len());
        let longest =
            arrived.iter().map(|(due, number)| *due - Duration::from_millis((*number).into())).max();
        assert!(longest.expect("some arrive") <= Duration::from_millis(320), "32 kB last 320 ms");
        assert!(arrived.last().expect("some arrive").0.as_secs_f64() <= seconds + 0.32);
    }
}
