//! Start level of the jitter buffer: the configured level, and more on a path that is long or that lags.
//!
//! A lost packet is sent again once three later packets were acknowledged, or after 9/8 of a round trip (RFC 9002, section
//! 6.1); a packet lost twice, after as long again. After one and a half round trips little is still missing, after two and a
//! quarter hardly anything. A path with enough throughput brings that much audio at once. A path with a short round trip may
//! have little throughput, since the time of a packet on a slow link is part of its round trip. Every 5 s BBRv3 sends at most
//! four packets in a round trip for 0.2 s (draft-ietf-ccwg-bbr-05, section 5.3.4.3). A stream that needs more than that is
//! then behind by twice as much.
//!
//! Packets arrive in bursts, far ahead of their time, so the interarrival jitter of RFC 3550, section 6.4.1, says nothing.
//! The lag behind a continuous playout counts. That is the relative arrival delay of NetEq (WebRTC,
//! `modules/audio_coding/neteq`), which takes its 95th percentile, as this does.

use std::time::Duration;

/// Start level: the audio that the jitter buffer must hold before sound starts. Pure.
#[derive(Debug)]
pub struct StartLevel {
    least: Duration,
    most: Duration,
    /// Least round trip of the path.
    rtt: Duration,
    /// Bitrate of the stream, in bit/s.
    bitrate: u32,
    /// End of the time counted so far, while a request is pending.
    pending_since: Option<Duration>,
    /// Lag of the received audio behind a playout that began at the worst instant. `None` before the first packet.
    lag: Option<Duration>,
    /// Ring of the longest lag within each of the last spans, and the index of the present one.
    lags: [Duration; Self::SPANS],
    present: usize,
    /// Audio received within the present span.
    received: Duration,
}

impl StartLevel {
    /// Length of a span: the audio of one chunk.
    /// Tested by `what_happens_twice_in_a_minute_is_awaited_and_forgotten_after`.
    const SPAN: Duration = Duration::from_secs(3);
    /// Number of spans: a minute. The second longest of 20 lags is their 95th percentile, so a single one does not count.
    const SPANS: usize = 20;
    /// Round trip that is not explained by the time of packets on a slow link.
    /// Tested by `a_long_path_asks_for_time_to_send_again_what_was_lost`.
    const LONG: Duration = Duration::from_millis(100);
    /// Longest delay of two acknowledgements (RFC 9000, section 18.2).
    const ACK_DELAY: Duration = Duration::from_millis(2 * 25);
    /// Four packets of the size that every path takes, in bytes.
    /// Tested by `a_stream_that_probing_holds_up_asks_for_more`.
    const PROBE_RTT: f64 = 4.0 * 1200.0;

    /// Creates a level of `least` that can rise up to `most`.
    pub fn new(least: Duration, most: Duration) -> Self {
        let lags = [Duration::ZERO; Self::SPANS];
        Self {
            least,
            most: most.max(least),
            rtt: Duration::ZERO,
            bitrate: 0,
            pending_since: None,
            lag: None,
            lags,
            present: 0,
            received: Duration::ZERO,
        }
    }

    /// Sets the least round trip of the path.
    pub fn set_rtt(&mut self, min_rtt: Duration) {
        self.rtt = min_rtt;
    }

    /// Sets the bitrate of the stream, in bit/s.
    pub fn set_bitrate(&mut self, bitrate: u32) {
        self.bitrate = bitrate;
    }

    /// Forgets the present lag: the next audio does not continue the last.
    pub fn on_discontinuity(&mut self) {
        self.lag = None;
    }

    /// Sets whether a request is pending from `now` on. Time without a request is no lag.
    pub fn set_request_pending(&mut self, now: Duration, pending: bool) {
        self.count(now);
        self.pending_since = pending.then_some(now);
    }

    /// Takes received audio of this `length`.
    pub fn on_audio(&mut self, now: Duration, length: Duration) {
        self.count(now);
        // No start level bridges a longer lag: it is an outage, after which the lag starts from zero.
        let lag = self.lag.filter(|lag| *lag <= self.most).unwrap_or_default();
        self.lags[self.present] = self.lags[self.present].max(lag);
        self.lag = Some(lag.saturating_sub(length));
        self.received += length;
        if self.received >= Self::SPAN {
            self.received = Duration::ZERO;
            self.present = (self.present + 1) % Self::SPANS;
            self.lags[self.present] = Duration::ZERO;
        }
    }

    /// The present start level.
    pub fn level(&self) -> Duration {
        let mut lags = self.lags;
        lags.sort_unstable();
        let bytes_per_rtt = f64::from(self.bitrate) / 8.0 * self.rtt.as_secs_f64();
        let recovery = match self.rtt {
            rtt if bytes_per_rtt > Self::PROBE_RTT => 4 * rtt,
            rtt if rtt >= Self::LONG => rtt.mul_f64(2.25) + Self::ACK_DELAY,
            rtt => rtt.mul_f64(1.5),
        };
        lags[Self::SPANS - 2].max(recovery).clamp(self.least, self.most)
    }

    /// Adds the time up to `now` to the lag.
    fn count(&mut self, now: Duration) {
        if let Some(since) = &mut self.pending_since {
            let waited = now.saturating_sub(std::mem::replace(since, now));
            self.lag = self.lag.map(|lag| lag + waited);
        }
    }
}

#[cfg(test)]
mod tests;
