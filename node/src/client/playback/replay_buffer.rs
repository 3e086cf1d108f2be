//! The last frames written to an output. Those that a lost output had not played are written to the next one.

use std::{collections::VecDeque, time::Duration};

/// Ring of the last frames that the output took. It keeps one and a half times the largest delay of the output so far, since
/// the delay is known only between two writes.
#[derive(Debug, Default)]
pub(super) struct ReplayBuffer {
    /// Interleaved samples. Allocates only if the delay of the output reaches a new maximum, or a write is longer than all
    /// before.
    samples: VecDeque<f32>,
    /// Largest delay of the output so far, in frames.
    max_delay: usize,
}

impl ReplayBuffer {
    /// Largest delay that is believed; a longer one counts as this. Tested by
    /// `it_keeps_what_the_output_may_hold_and_allocates_no_more_for_it`.
    const LIMIT: Duration = Duration::from_secs(6);

    /// Adds samples that the output took. Its delay is now `delay` frames.
    pub(super) fn push(&mut self, samples: &[f32], delay: u64, rate: u32, channels: usize) {
        let limit = rate as usize * Self::LIMIT.as_secs() as usize;
        self.max_delay = self.max_delay.max(usize::try_from(delay).unwrap_or(limit)).min(limit);
        self.samples.extend(samples);
        let kept = (self.max_delay + self.max_delay / 2) * channels;
        self.samples.drain(..self.samples.len().saturating_sub(kept));
    }

    /// Drops all samples, after a flush of the output.
    pub(super) fn clear(&mut self) {
        self.samples.clear();
    }

    /// Returns the samples of the last `delay` frames, or of as many as are known, and their number of frames.
    pub(super) fn last_frames(mut self, delay: u64, channels: usize) -> (VecDeque<f32>, u64) {
        let known = self.samples.len() / channels;
        let frames = usize::try_from(delay).unwrap_or(usize::MAX).min(known);
        let samples = self.samples.split_off(self.samples.len() - frames * channels);
        (samples, frames as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_the_output_may_hold_and_allocates_no_more_for_it() {
        let mut replay = ReplayBuffer::default();
        let samples: Vec<f32> = (0..2_000_u16).map(f32::from).collect();
        replay.push(&samples, 100, 48_000, 2);
        assert_eq!(replay.samples, &samples[1_700..]);
        let room = replay.samples.capacity();
        for _ in 0..100 {
            replay.push(&samples[..320], 60, 48_000, 2);
        }
        assert_eq!((replay.samples.len(), replay.samples.capacity()), (300, room));
        replay.push(&samples, u64::MAX, 8_000, 1);
        assert_eq!(replay.max_delay, 48_000, "an output that claims to hold anything is not believed");
    }
}
