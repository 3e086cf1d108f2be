//! Evidence about the node's answers, from which the cause of an underrun is derived.
//!
//! The session records requests and received bytes, the path watch records answered pings, and the playback thread reads.
//! A path that answers pings while the node sends nothing is not to blame.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::client::stats::UnderrunCause;

/// Shared record of the pending request.
#[derive(Debug, Default)]
pub(crate) struct Supply(Mutex<Evidence>);

#[derive(Debug, Default)]
struct Evidence {
    /// Last progress of the pending request, or the instant when it was first sent. `None`: nothing is pending.
    quiet_since: Option<Instant>,
    rtt: Duration,
    /// True if a ping that left after `quiet_since` was answered.
    ping_answered: bool,
    /// True if other bytes arrived on the connection since: then the answer waits behind them, or for a lost packet.
    blocked: bool,
    /// True if the node's last answer was a refusal, after which the request is repeated.
    refused: bool,
}

impl Supply {
    /// Time without a byte after which the node counts as slow: the longer of a time and a number of round trips. A lost
    /// request is sent again sooner. Tested by `a_node_is_slow_after_600_ms_or_four_round_trips`.
    const SLOW: Duration = Duration::from_millis(600);
    const SLOW_RTTS: u32 = 4;

    fn lock(&self) -> MutexGuard<'_, Evidence> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that a request was sent. If it repeats one that got no byte, the silence counts from the first.
    pub(crate) fn request_sent(&self, now: Instant, rtt: Duration) {
        let mut evidence = self.lock();
        evidence.quiet_since.get_or_insert(now);
        evidence.rtt = rtt;
    }

    /// Records that bytes of the answer arrived.
    pub(crate) fn progress(&self, now: Instant) {
        let mut evidence = self.lock();
        let rtt = evidence.rtt;
        *evidence = Evidence { quiet_since: Some(now), rtt, ..Evidence::default() };
    }

    /// Records that the answer waits behind other bytes of its connection.
    pub(crate) fn head_of_line_blocked(&self) {
        self.lock().blocked = true;
    }

    /// Records that the node refused the request for now.
    pub(crate) fn refused(&self) {
        self.lock().refused = true;
    }

    /// Records that no request is pending.
    pub(crate) fn idle(&self) {
        *self.lock() = Evidence::default();
    }

    /// Records that a ping that left at `sent` was answered.
    pub(crate) fn ping_answered(&self, sent: Instant) {
        let mut evidence = self.lock();
        evidence.ping_answered |= evidence.quiet_since.is_some_and(|since| sent >= since);
    }

    /// Cause of an empty jitter buffer at `now`.
    pub(crate) fn cause(&self, now: Instant) -> UnderrunCause {
        let evidence = self.lock();
        let slow = Self::SLOW.max(Self::SLOW_RTTS * evidence.rtt);
        let is_quiet = evidence.quiet_since.is_some_and(|since| now.saturating_duration_since(since) >= slow);
        if evidence.refused || (is_quiet && evidence.ping_answered && !evidence.blocked) {
            UnderrunCause::Node
        } else {
            UnderrunCause::Network
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A request without an answer, and a ping answered 100 ms after it was sent.
    fn unanswered(rtt: Duration) -> (Supply, Instant) {
        let supply = Supply::default();
        let sent = Instant::now();
        supply.request_sent(sent, rtt);
        supply.ping_answered(sent + ms(100));
        (supply, sent)
    }

    #[test]
    fn a_node_is_slow_after_600_ms_or_four_round_trips() {
        for (rtt, slow) in [(0, 600), (150, 600), (151, 604), (500, 2000)] {
            let (supply, sent) = unanswered(ms(rtt));
            assert_eq!(supply.cause(sent + ms(slow - 1)), UnderrunCause::Network, "at {rtt} ms");
            assert_eq!(supply.cause(sent + ms(slow)), UnderrunCause::Node, "at {rtt} ms");
        }
    }

    #[test]
    fn a_path_without_an_answered_ping_is_to_blame() {
        let supply = Supply::default();
        let sent = Instant::now();
        supply.ping_answered(sent);
        supply.request_sent(sent + ms(1), ms(50));
        supply.ping_answered(sent);
        assert_eq!(supply.cause(sent + ms(5000)), UnderrunCause::Network, "the ping left before the request");
    }

    #[test]
    fn bytes_of_the_answer_or_of_another_speak_for_the_node() {
        let (supply, sent) = unanswered(ms(50));
        supply.progress(sent + ms(900));
        assert_eq!(supply.cause(sent + ms(5000)), UnderrunCause::Network, "no ping was answered since");
        supply.ping_answered(sent + ms(1500));
        assert_eq!(supply.cause(sent + ms(5000)), UnderrunCause::Node, "it stopped in the middle of a chunk");
        supply.head_of_line_blocked();
        assert_eq!(supply.cause(sent + ms(5000)), UnderrunCause::Network);
    }

    #[test]
    fn a_repeated_request_continues_the_silence_and_a_new_one_begins_it() {
        let (supply, sent) = unanswered(ms(50));
        supply.request_sent(sent + ms(2000), ms(50));
        assert_eq!(supply.cause(sent + ms(2100)), UnderrunCause::Node);
        supply.idle();
        supply.request_sent(sent + ms(3000), ms(50));
        supply.ping_answered(sent + ms(3100));
        assert_eq!(supply.cause(sent + ms(3500)), UnderrunCause::Network);
    }

    #[test]
    fn a_node_that_refuses_for_now_is_slow_until_it_sends() {
        let supply = Supply::default();
        let now = Instant::now();
        supply.request_sent(now, ms(50));
        supply.refused();
        assert_eq!(supply.cause(now), UnderrunCause::Node);
        supply.progress(now);
        assert_eq!(supply.cause(now), UnderrunCause::Network);
    }
}
