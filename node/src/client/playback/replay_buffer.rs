//! An output that is lost: what it was given and had not played is kept for the next.

use std::{collections::VecDeque, time::Duration};

use media_plugin_sdk::PluginError;

use super::{OnLost, Sink};
use crate::convert::Converter;

/// The last frames that an output was given: as many as it ever held, and half as many again, because how much it holds is
/// known only between two writes.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// It grows only while the output turns out to hold more than ever before.
    samples: VecDeque<f32>,
    /// The most frames that the output ever held.
    most: usize,
}

impl Given {
    /// No output is believed to hold more.
    const LIMIT: Duration = Duration::from_secs(6);

    /// An output took these; now it holds `held` frames.
    fn push(&mut self, samples: &[f32], held: u64, rate: u32, channels: usize) {
        let limit = rate as usize * Self::LIMIT.as_secs() as usize;
        self.most = self.most.max(usize::try_from(held).unwrap_or(limit)).min(limit);
        self.samples.extend(samples);
        let kept = (self.most + self.most / 2) * channels;
        self.samples.drain(..self.samples.len().saturating_sub(kept));
    }

    /// The output was emptied.
    pub(super) fn clear(&mut self) {
        self.samples.clear();
    }
}

impl Sink {
    /// Remembers what a real-time output took.
    pub(super) fn remember(&mut self, from: usize, to: usize) {
        if self.realtime {
            let (held, channels) = (self.delay(), usize::from(self.format.channels));
            self.given.push(&self.pending[from..to], held, self.format.rate, channels);
        }
    }

    /// Closes a lost output. What it had not played by what it says is pending again, before the rest. Returns how many
    /// frames that are.
    pub(in crate::client) fn take_back(&mut self) -> u64 {
        let given = std::mem::take(&mut self.given).samples;
        let channels = usize::from(self.format.channels).max(1);
        let unheard = usize::try_from(self.delay()).unwrap_or(usize::MAX).min(given.len() / channels);
        drop(self.close());
        self.pending.splice(..self.written, given.range(given.len() - unheard * channels..).copied());
        self.written = 0;
        unheard as u64
    }

    /// Looks for a lost output once. Returns a line about the one it found. Its format may be another; what is pending is
    /// converted to it.
    pub(in crate::client) fn reopen(&mut self) -> Result<Option<String>, PluginError> {
        drop(self.close());
        let before = self.format;
        let target = self.choice.target.clone();
        let mut found = self.open(&target);
        if found.is_err() && self.choice.on_lost == OnLost::Follow && !target.is_empty() {
            found = self.open("");
        }
        let Ok(message) = found else {
            self.format = before;
            return Ok(None);
        };
        if before.is_valid() && self.format != before {
            let mut rest = Vec::new();
            let mut converter = Converter::new(before, self.format)?;
            converter.push(&self.pending[self.written..], &mut rest);
            converter.flush(&mut rest);
            (self.pending, self.written) = (rest, 0);
        }
        if self.paused
            && let Some(output) = &mut self.output
        {
            output.pause(true)?;
        }
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_the_output_may_hold_and_allocates_no_more_for_it() {
        let mut given = Given::default();
        let samples: Vec<f32> = (0..2_000_u16).map(f32::from).collect();
        given.push(&samples, 100, 48_000, 2);
        assert_eq!(given.samples, &samples[1_700..]);
        let room = given.samples.capacity();
        for _ in 0..100 {
            given.push(&samples[..320], 60, 48_000, 2);
        }
        assert_eq!((given.samples.len(), given.samples.capacity()), (300, room));
        given.push(&samples, u64::MAX, 8_000, 1);
        assert_eq!(given.most, 48_000, "an output that claims to hold anything is not believed");
    }
}
