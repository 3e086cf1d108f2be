//! Start level of the jitter buffer: the configured level, and more on a path that is long or that lags.
//!
//! The first reason is recovery from loss. A lost packet is sent again once three later packets were acknowledged, or after 9/8
//! of a round trip (RFC 9002, section 6.1). A packet lost twice takes as long once more. On a long path the start level covers
//! 2.25 round trips, after which hardly anything is missing. On a path with a short round trip it covers 1.5, after which
//! little is missing: such a path may be a slow link, on which more audio would take long to arrive. Every 5 s BBRv3 sends at
//! most four packets in a round trip for 0.2 s (draft-ietf-ccwg-bbr-05, section 5.3.4.3). A stream that needs more than that
//! falls behind meanwhile, so its start level covers four round trips.
//!
//! The second reason is lag: the delay of the received audio behind a continuous playout. The interarrival jitter of RFC 3550,
//! section 6.4.1, is no measure here, since packets arrive in bursts, far ahead of their time. The lag is the relative arrival
//! delay of NetEq (WebRTC, `modules/audio_coding/neteq`), and as there its 95th percentile counts.

use std::time::Duration;

/// Start level: the audio that the jitter buffer must hold before sound starts. Reads no clock.
#[derive(Debug)]
pub struct StartLevel {
    least: Duration,
    most: Duration,
    /// Least round trip of the path.
    rtt: Duration,
    /// Bitrate of the stream, in bit/s.
    bitrate: u32,
    /// Instant up to which waiting is counted. `None` while no request is pending.
    pending_since: Option<Duration>,
    /// Lag of the received audio behind a continuous playout. Audio ahead of it is not credited. `None` before the first
    /// packet.
    lag: Option<Duration>,
    /// Ring of the longest lag within each of the last spans, and the index of the present one.
    lags: [Duration; Self::SPANS],
    present: usize,
    /// Audio received within the present span.
    received: Duration,
}

impl StartLevel {
    /// Length of a span, in received audio: one chunk. Tested by
    /// `what_happens_twice_in_a_minute_is_awaited_and_forgotten_after`.
    const SPAN: Duration = Duration::from_secs(3);
    /// Number of spans: a minute of audio. The second longest of 20 lags is their 95th percentile, so a single long one does
    /// not count. Tested by `what_happens_twice_in_a_minute_is_awaited_and_forgotten_after`.
    const SPANS: usize = 20;
    /// Round trip from which a path is long. A shorter one may be the transmission time of a packet on a slow link. Tested by
    /// `a_long_path_asks_for_time_to_send_again_what_was_lost`.
    const LONG: Duration = Duration::from_millis(100);
    /// Longest delay of two acknowledgements (RFC 9000, section 18.2).
    const ACK_DELAY: Duration = Duration::from_millis(2 * 25);
    /// Bytes in flight to which BBR limits itself while it probes for the least round trip: four packets of 1200 bytes. Tested
    /// by `a_stream_that_probing_holds_up_asks_for_more`.
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
        // A lag above the highest start level is an outage, which no start level bridges. After it the lag starts from zero.
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
