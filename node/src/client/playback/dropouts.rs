//! Detectors of a silent output.

use std::time::{Duration, Instant};

/// Shortest silence between two observations of the output that counts as a dropout. The delay that an output reports is too
/// inexact for a shorter one. Tested by `a_silence_counts_from_100_ms_on`.
const SILENCE: Duration = Duration::from_millis(100);

/// Time after which the standstill of an output is reported. Tested by
/// `an_output_that_stands_still_for_three_seconds_is_reported_once`.
pub(super) const STANDSTILL: Duration = Duration::from_secs(3);

/// Detects that sound stopped while the playback thread did not run, because the process was suspended or had no processor.
///
/// An output that was suspended with the process still has the frames that it had before, so no silence counts. A machine that
/// sleeps stops this clock too, so its sleep does not count.
#[derive(Debug, Default)]
pub(super) struct SilenceDetector {
    /// Last observation: its instant, and the frames in the output then and written since.
    last: Option<(Instant, u64)>,
}

impl SilenceDetector {
    /// Takes the frames in the output at `now`. Returns the time since the last observation for which there were no frames.
    pub(super) fn observe(
        &mut self,
        now: Instant,
        delay: u64,
        duration_of: impl Fn(u64) -> Duration,
    ) -> Option<Duration> {
        let (before, frames) = self.last.replace((now, delay))?;
        let heard = duration_of(frames.saturating_sub(delay));
        let silence = now.saturating_duration_since(before).saturating_sub(heard);
        (silence > SILENCE).then_some(silence)
    }

    /// Records frames written to the output.
    pub(super) fn on_written(&mut self, frames: u64) {
        self.last = self.last.map(|(instant, before)| (instant, before + frames));
    }

    /// Forgets the last observation: the output is paused.
    pub(super) fn stop(&mut self) {
        self.last = None;
    }

    /// True if there is a last observation.
    pub(super) fn is_running(&self) -> bool {
        self.last.is_some()
    }
}

/// Change that a [`StandstillDetector`] reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Movement {
    /// The output has stood still for [`STANDSTILL`].
    Stopped,
    /// The output moves again after that.
    Resumed,
}

/// Detects an output that neither takes nor plays anything: it is suspended, or its sound server hangs.
#[derive(Debug, Default)]
pub(super) struct StandstillDetector {
    /// Frames in the output at its last movement.
    delay: u64,
    pub(super) since: Option<Instant>,
    is_reported: bool,
}

impl StandstillDetector {
    /// Takes the frames in the output, and whether it has just taken some. Reports each change once.
    pub(super) fn observe(&mut self, now: Instant, took: bool, delay: u64) -> Option<Movement> {
        if took || delay != self.delay {
            self.delay = delay;
            self.since = None;
            return std::mem::take(&mut self.is_reported).then_some(Movement::Resumed);
        }
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) < STANDSTILL || self.is_reported {
            return None;
        }
        self.is_reported = true;
        Some(Movement::Stopped)
    }

    /// Starts again with a flushed output that holds `delay` frames.
    pub(super) fn on_flush(&mut self, delay: u64) {
        self.delay = delay;
    }

    /// Forgets how long the output stood still: a pause begins or ends.
    pub(super) fn on_pause(&mut self) {
        self.since = None;
    }

    /// Starts again with another output.
    pub(super) fn on_reopen(&mut self) {
        self.since = None;
        self.is_reported = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_silence_counts_from_100_ms_on() {
        let now = Instant::now();
        // One frame is one millisecond.
        for (elapsed, silence) in [(149, None), (150, None), (151, Some(ms(101)))] {
            let mut detector = SilenceDetector::default();
            assert_eq!(detector.observe(now, 30, ms), None);
            detector.on_written(40);
            assert_eq!(detector.observe(now + ms(elapsed), 20, ms), silence, "after {elapsed} ms");
        }
    }

    #[test]
    fn an_output_that_stands_still_for_three_seconds_is_reported_once() {
        let now = Instant::now();
        let mut detector = StandstillDetector::default();
        assert_eq!(detector.observe(now, false, 100), None, "it played");
        assert_eq!(detector.observe(now, false, 100), None);
        assert_eq!(detector.observe(now + ms(2999), false, 100), None);
        assert_eq!(detector.observe(now + ms(3000), false, 100), Some(Movement::Stopped));
        assert_eq!(detector.observe(now + ms(9000), false, 100), None);
        assert_eq!(detector.observe(now + ms(9001), true, 100), Some(Movement::Resumed));
        assert_eq!(detector.observe(now + ms(9002), true, 100), None);
    }
}
