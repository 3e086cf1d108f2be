use std::time::Duration;

/// Failures of the answer that the session requests, since the last complete one.
#[derive(Debug, Default)]
pub(super) struct Retries {
    /// Time of the next retry, after a failure.
    pub(super) at: Option<Duration>,
    /// Failures since the last new packet.
    pub(super) attempts: u32,
    /// Time of the first failure.
    pub(super) failing_since: Option<Duration>,
    /// Time of the first request.
    pub(super) requesting_since: Option<Duration>,
    /// Damaged copies of the answer.
    damaged: u32,
    /// Bytes of the chunk's packets in copies that failed or were abandoned.
    wasted_bytes: u64,
}

impl Retries {
    /// First wait before a retry. The wait doubles with each attempt. Tested by
    /// `waits_between_retries_double_from_100_to_500_ms`.
    const FIRST_BACKOFF: Duration = Duration::from_millis(100);
    /// Longest wait before a retry. Tested by `waits_between_retries_double_from_100_to_500_ms`.
    const MAX_BACKOFF: Duration = Duration::from_millis(500);
    /// Longest wait that a busy node can demand. Tested by `a_busy_node_is_asked_again_when_it_says`.
    const MAX_DEMANDED: Duration = Duration::from_secs(30);
    /// Damaged copies of an answer after which the session does not request it again. Tested by
    /// `the_third_damaged_copy_of_a_chunk_ends_its_rendition_and_then_the_track`.
    const MAX_DAMAGED: u32 = 3;
    /// Bytes of failed copies of a chunk after which the session does not request it again in this rendition, in
    /// multiples of the longest chunk. Tested by `copies_that_break_off_cost_at_most_8_chunks_bytes`.
    const MAX_WASTED_CHUNKS: u64 = 8;

    /// Counts a damaged copy.
    pub(super) fn note_damaged(&mut self) {
        self.damaged += 1;
    }

    /// Counts bytes of a copy that failed.
    pub(super) fn note_wasted(&mut self, bytes: u64) {
        self.wasted_bytes = self.wasted_bytes.saturating_add(bytes);
    }

    /// Starts to count copies from zero, as for another rendition. The times of the first request and failure stay.
    pub(super) fn forget_copies(&mut self) {
        let Self { failing_since, requesting_since, .. } = *self;
        *self = Self { failing_since, requesting_since, ..Self::default() };
    }

    /// Schedules a retry after the backoff, or after the wait that the node demanded if that is longer. Returns the wait.
    pub(super) fn schedule(&mut self, now: Duration, demanded: Option<Duration>) -> Duration {
        let backoff = (Self::FIRST_BACKOFF * 2_u32.pow(self.attempts.min(8))).min(Self::MAX_BACKOFF);
        let after = demanded.unwrap_or_default().min(Self::MAX_DEMANDED).max(backoff);
        self.attempts += 1;
        self.at = Some(now + after);
        after
    }

    /// Returns the problem with the answer `name` if further copies of it are useless. `max_bytes` is the length of its longest
    /// chunk, and `reason` the last failure.
    pub(super) fn problem(&self, max_bytes: u64, name: &str, reason: &str) -> Option<String> {
        let Self { damaged, wasted_bytes, .. } = self;
        if *damaged >= Self::MAX_DAMAGED {
            Some(format!("the node sent {name} damaged {damaged} times ({reason})"))
        } else if *wasted_bytes > Self::MAX_WASTED_CHUNKS.saturating_mul(max_bytes) {
            Some(format!("the node sent {wasted_bytes} bytes of {name}, but never all of it ({reason})"))
        } else {
            None
        }
    }
}
