//! How much must be held before sound begins: the least that was asked for, and more on a long path, or one that proved to
//! lag.
//!
//! What is lost is sent again once three later packets were acknowledged, or after 9/8 of a round trip (RFC 9002, section
//! 6.1), and what was lost twice after as long again: in one and a half round trips little is still missing, after two and
//! a quarter hardly anything. A path that is not thin brings that much at once; one whose round trip is short may be thin,
//! since a packet's own time on a thin link is counted with it. Every 5 s BBR3 sends no more than four packets in a round trip for 0.2 s
//! (draft-ietf-ccwg-bbr-05, section 5.3.4.3); a stream that needs more than that is behind by twice as much then.
//!
//! Packets come in bursts, far ahead of their time, so how unevenly they come (the jitter of RFC 3550, section 6.4.1) says
//! nothing; what matters is by how much they fall behind a play-out that goes on. That is the relative arrival delay of
//! NetEq (WebRTC, `modules/audio_coding/neteq`), of which it takes the 95th percentile, as is done here.

use std::time::Duration;

/// See the module. Pure.
#[derive(Debug)]
pub struct Start {
    least: Duration,
    most: Duration,
    /// The path's round trip, without what waits on the way.
    rtt: Duration,
    /// Bits a second that come along it.
    bitrate: u32,
    /// Since when the node has owed something, as far as that is counted.
    since: Option<Duration>,
    /// By how much what came is behind a play-out that began at the worst instant; `None` before the first packet.
    lag: Option<Duration>,
    /// The longest lag within each of the last spans, in a ring, and which of them is the present one.
    lags: [Duration; Self::SPANS],
    present: usize,
    /// Audio that came within the present span.
    came: Duration,
}

impl Start {
    /// A span is so much audio: a chunk's.
    const SPAN: Duration = Duration::from_secs(3);
    /// So many are remembered: a minute. The longest lag but one of 20 is their 95th percentile, so that what happens once
    /// proves nothing.
    const SPANS: usize = 20;
    /// A round trip that is no thin link's.
    const LONG: Duration = Duration::from_millis(100);
    /// For which an acknowledgement is held back at most, each of the two times (RFC 9000, section 18.2).
    const ACK_DELAY: Duration = Duration::from_millis(2 * 25);
    /// The four packets, of the size that every path takes, in bytes.
    const PROBE_RTT: f64 = 4.0 * 1200.0;

    /// Never below `least`, and above it up to `most`.
    pub fn new(least: Duration, most: Duration) -> Self {
        let lags = [Duration::ZERO; Self::SPANS];
        Self {
            least,
            most: most.max(least),
            rtt: Duration::ZERO,
            bitrate: 0,
            since: None,
            lag: None,
            lags,
            present: 0,
            came: Duration::ZERO,
        }
    }

    /// The path's round trip, without what waits on the way.
    pub fn path(&mut self, least_rtt: Duration) {
        self.rtt = least_rtt;
    }

    /// What comes from now on, in bits a second.
    pub fn carries(&mut self, bitrate: u32) {
        self.bitrate = bitrate;
    }

    /// What comes from now on has nothing to do with what came.
    pub fn jump(&mut self) {
        self.lag = None;
    }

    /// Whether the node owes something from `now` on. Time in which it was asked for nothing is no lag.
    pub fn owed(&mut self, now: Duration, owed: bool) {
        self.count(now);
        self.since = owed.then_some(now);
    }

    /// Audio came that `lasts` so long.
    pub fn arrived(&mut self, now: Duration, lasts: Duration) {
        self.count(now);
        // What is longer no start could have bridged: an outage, after which everything begins anew.
        let lag = self.lag.filter(|lag| *lag <= self.most).unwrap_or_default();
        self.lags[self.present] = self.lags[self.present].max(lag);
        self.lag = Some(lag.saturating_sub(lasts));
        self.came += lasts;
        if self.came >= Self::SPAN {
            self.came = Duration::ZERO;
            self.present = (self.present + 1) % Self::SPANS;
            self.lags[self.present] = Duration::ZERO;
        }
    }

    /// How much must be held.
    pub fn level(&self) -> Duration {
        let mut lags = self.lags;
        lags.sort_unstable();
        let a_trip = f64::from(self.bitrate) / 8.0 * self.rtt.as_secs_f64();
        let held = match self.rtt {
            rtt if a_trip > Self::PROBE_RTT => 4 * rtt,
            rtt if rtt >= Self::LONG => rtt.mul_f64(2.25) + Self::ACK_DELAY,
            rtt => rtt.mul_f64(1.5),
        };
        lags[Self::SPANS - 2].max(held).clamp(self.least, self.most)
    }

    fn count(&mut self, now: Duration) {
        if let Some(since) = &mut self.since {
            let waited = now.saturating_sub(std::mem::replace(since, now));
            self.lag = self.lag.map(|lag| lag + waited);
        }
    }
}

#[cfg(test)]
mod tests;
