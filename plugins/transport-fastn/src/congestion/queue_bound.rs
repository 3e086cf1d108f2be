//! Keeps the queue that builds up before a path's narrowest link short.
//!
//! BBR3 finds out how much fits on a path from what is under way without a pause. A chunk of music on a thin link is over
//! before that, so its window only grows, the whole chunk is sent at once and waits: for seconds, behind which nothing else
//! gets through, and from which the end is lost where the queue is full, which QUIC notices a long round trip later. So the
//! window is bounded by what passes in the least round trip and [`Queue::MORE`] besides, as in LEDBAT (RFC 6817), whose
//! target is 100 ms too: at first by the rate that BBR3 found, and where more waits all the same, by the round trips.

use std::time::{Duration, Instant};

/// The bound. Pure.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    /// The most that may be in flight, in bytes.
    most: u64,
    /// The least round trip of this span and of the one before it.
    least: [Duration; 2],
    /// When this span began.
    span: Option<Instant>,
    /// The last lowering, until a packet shows that it was enough.
    lowered: Option<Lowered>,
    /// Of what the present acknowledgement covers.
    newest: Option<Newest>,
}

/// A lowering of the bound.
#[derive(Debug, Clone)]
struct Lowered {
    /// What was sent before says nothing of it.
    at: Instant,
    /// For this round trip.
    rtt: Duration,
    /// The bound before the first of those that were in vain.
    before: u64,
    /// How many that is, up to this one.
    vain: u32,
}

/// The newest packet of an acknowledgement, and the bytes of all.
#[derive(Debug, Clone)]
struct Newest {
    number: u64,
    sent: Instant,
    bytes: u64,
}

impl Queue {
    /// What may wait: so long, or as long as the least round trip.
    const MORE: Duration = Duration::from_millis(100);
    /// BBR3 looks for a new least round trip as often, with next to nothing in flight
    /// (draft-ietf-ccwg-bbr-05, section 2.14.2, `ProbeRTTInterval`).
    const SPAN: Duration = Duration::from_secs(5);
    /// Packets that may always be in flight (the same, section 2.7, `MinPipeCwnd`).
    const LEAST: u64 = 4;
    /// So many lowerings without much effect, and the queue is not of our making: another's, or the path is longer now.
    const VAIN: u32 = 2;

    pub(super) const fn new() -> Self {
        Self { most: u64::MAX, least: [Duration::MAX; 2], span: None, lowered: None, newest: None }
    }

    /// The most that may be in flight, in bytes, by what waited.
    pub(super) fn most(&self) -> u64 {
        self.most
    }

    /// The same by the path's `bandwidth`, in bytes a second, before anything waits.
    pub(super) fn passes(&self, bandwidth: u64) -> u64 {
        Self::in_time(bandwidth, self.bound())
    }

    /// What fits on it with no queue at all, in bytes.
    pub(super) fn fits(&self, bandwidth: u64) -> u64 {
        Self::in_time(bandwidth, self.least())
    }

    fn in_time(bandwidth: u64, time: Duration) -> u64 {
        u64::try_from(u128::from(bandwidth) * time.as_micros() / 1_000_000).unwrap_or(u64::MAX)
    }

    fn least(&self) -> Duration {
        let [this, before] = self.least;
        this.min(before)
    }

    /// How long a round trip may take.
    pub(super) fn bound(&self) -> Duration {
        let least = self.least();
        least.saturating_add(least.max(Self::MORE))
    }

    /// An acknowledgement covers this packet of `bytes`.
    pub(super) fn acked(&mut self, sent: Instant, bytes: u64, number: u64) {
        let newest = self.newest.get_or_insert(Newest { number, sent, bytes: 0 });
        newest.bytes += bytes;
        if number >= newest.number {
            (newest.number, newest.sent) = (number, sent);
        }
    }

    /// The acknowledgement that came `now` has been looked through. `largest` is the path's newest packet that was
    /// acknowledged, `in_flight` the bytes of those that were not yet, with `window` for them; where that was `full`, the
    /// bound may rise. Whether the path is longer now.
    pub(super) fn acknowledged(
        &mut self,
        now: Instant,
        largest: Option<u64>,
        (in_flight, window): (u64, u64),
        full: bool,
        mtu: u16,
    ) -> bool {
        // Only the newest packet of all says how long a round trip is (RFC 9002, section 5.1): older ones were acknowledged
        // before, by what was lost or came late.
        let Some(Newest { sent, bytes, .. }) = self.newest.take().filter(|it| largest == Some(it.number))
        else {
            return false;
        };
        let rtt = now.saturating_duration_since(sent);
        self.note(now, rtt);
        let bound = self.bound();
        let floor = Self::LEAST * u64::from(mtu);
        let is_news = self.lowered.as_ref().is_none_or(|it| sent > it.at);
        if rtt <= bound {
            if is_news {
                self.lowered = None;
            }
            if full && self.most < window {
                self.most += bytes / 2;
            }
        } else if is_news && in_flight + bytes >= floor {
            return self.lower(now, rtt, bound, window, floor);
        }
        false
    }

    /// What waits has to become less, unless that was of no use: then the path is longer now.
    fn lower(&mut self, now: Instant, rtt: Duration, bound: Duration, window: u64, floor: u64) -> bool {
        let in_vain = |it: &Lowered| rtt - bound > it.rtt.saturating_sub(bound) / 2;
        let (before, vain) = match self.lowered.take() {
            Some(last) if in_vain(&last) => (last.before, last.vain + 1),
            _ => (self.most, 0),
        };
        if vain == Self::VAIN {
            self.most = before;
            self.least = [rtt; 2];
            return true;
        }
        let flies = self.most.min(window);
        // What was in flight took `rtt` to pass, so this passes in `bound`.
        let passes = u128::from(flies) * bound.as_micros() / rtt.as_micros().max(1);
        let passes = u64::try_from(passes).unwrap_or(u64::MAX);
        // The next must show whether the queue is of our making.
        self.most = if vain > 0 { passes.min(flies / 2) } else { passes }.max(floor);
        self.lowered = Some(Lowered { at: now, rtt, before, vain });
        false
    }

    /// A round trip took `rtt`.
    fn note(&mut self, now: Instant, rtt: Duration) {
        if self.span.is_none_or(|began| now.saturating_duration_since(began) >= Self::SPAN) {
            self.least = [rtt, self.least[0]];
            self.span = Some(now);
        }
        self.least[0] = self.least[0].min(rtt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);
    const MTU: u16 = 1200;
    const WINDOW: u64 = 100_000;

    /// A packet is acknowledged after each of the round trips; the bound after that.
    fn after(queue: &mut Queue, now: &mut Instant, rtts: &[u32]) -> u64 {
        for rtt in rtts {
            let sent = *now + MILLI;
            *now = sent + *rtt * MILLI;
            queue.acked(sent, MTU.into(), 0);
            queue.acknowledged(*now, Some(0), (WINDOW, WINDOW), true, MTU);
        }
        queue.most()
    }

    #[test]
    fn a_queue_lowers_the_bound_to_what_passes() {
        let (mut queue, mut now) = (Queue::new(), Instant::now());
        assert_eq!(after(&mut queue, &mut now, &[50, 60, 150]), u64::MAX);
        assert_eq!(after(&mut queue, &mut now, &[300]), WINDOW / 2);
        assert_eq!(after(&mut queue, &mut now, &[50, 4_000]), Queue::LEAST * u64::from(MTU));
    }

    #[test]
    fn one_queue_lowers_it_once() {
        let (mut queue, now) = (Queue::new(), Instant::now());
        for rtt in [50].into_iter().chain(300..400) {
            queue.acked(now, 1, 0);
            queue.acknowledged(now + rtt * MILLI, Some(0), (WINDOW, WINDOW), true, MTU);
        }
        assert_eq!(queue.most(), WINDOW / 2);
    }

    #[test]
    fn an_acknowledgement_that_comes_late_is_no_queue() {
        let (mut queue, now) = (Queue::new(), Instant::now());
        let mut acknowledge = |packets: &[(u32, u64)], largest| {
            packets.iter().for_each(|(sent, number)| queue.acked(now + *sent * MILLI, 1, *number));
            queue.acknowledged(now + 500 * MILLI, Some(largest), (WINDOW, WINDOW), true, MTU);
            queue.most()
        };
        assert_eq!(acknowledge(&[(0, 1), (450, 9), (100, 2)], 9), u64::MAX);
        assert_eq!(acknowledge(&[(0, 3)], 9), u64::MAX, "it was overtaken");
        assert_eq!(acknowledge(&[(0, 10)], 10), WINDOW * 3 / 10);
    }

    #[test]
    fn it_rises_while_it_holds_back() {
        let (mut queue, mut now) = (Queue::new(), Instant::now());
        after(&mut queue, &mut now, &[50, 300]);
        assert_eq!(after(&mut queue, &mut now, &[100; 10]), WINDOW / 2 + 10 * 600);
        assert!((WINDOW..WINDOW + 1200).contains(&after(&mut queue, &mut now, &[100; 300])));
        let (sent, before) = (now, queue.most());
        queue.acked(sent, 1200, 0);
        queue.acknowledged(now + 50 * MILLI, Some(0), (before, 2 * before), false, MTU);
        assert_eq!(queue.most(), before, "there was room");
    }

    #[test]
    fn a_path_that_has_become_longer_is_soon_no_queue() {
        let (mut queue, mut now) = (Queue::new(), Instant::now());
        after(&mut queue, &mut now, &[50]);
        let bounds: Vec<u64> = (0..20).map(|_| after(&mut queue, &mut now, &[300])).collect();
        assert_eq!(bounds[..2], [WINDOW / 2, WINDOW / 4]);
        assert!(bounds[2..].iter().all(|bound| *bound >= WINDOW), "{bounds:?}");
        // What builds up there in front of that is one again.
        assert!(after(&mut queue, &mut now, &[1200]) < WINDOW);
    }

    #[test]
    fn a_lone_packet_that_takes_long_is_no_queue() {
        let (mut queue, now) = (Queue::new(), Instant::now());
        for rtt in [50, 2000] {
            queue.acked(now, 100, 0);
            queue.acknowledged(now + rtt * MILLI, Some(0), (0, WINDOW), false, MTU);
        }
        assert_eq!(queue.most(), u64::MAX);
    }
}
