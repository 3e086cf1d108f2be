use std::time::Duration;

use media_plugin_sdk::{AudioFormat, Output, Result};

use crate::Clock;

/// A virtual device: takes frames into a buffer of 100 ms and "plays" them at its rate. A write that finds it dry after
/// a wait takes nothing, so that no gap goes unseen by a caller that looks before each write.
#[derive(Debug)]
pub struct RealTime<C> {
    format: AudioFormat,
    clock: C,
    /// Frames given and not yet heard at the instant `since`.
    pending: u64,
    since: Duration,
    paused: bool,
}

impl<C: Clock> RealTime<C> {
    /// A device that plays by this clock.
    pub fn new(format: AudioFormat, clock: C) -> Self {
        let since = clock.now();
        Self { format, clock, pending: 0, since, paused: false }
    }

    /// What the buffer holds, in frames: 100 ms.
    fn capacity(&self) -> u64 {
        u64::from(self.format.rate).div_ceil(10)
    }

    /// How long `frames` frames sound, rounded up.
    fn duration(&self, frames: u64) -> Duration {
        let nanos = (u128::from(frames) * 1_000_000_000).div_ceil(u128::from(self.format.rate));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Starts a new count from now with `pending` frames.
    fn restart(&mut self, pending: u64) {
        self.pending = pending;
        self.since = self.clock.now();
    }

    /// Waits until no more than `frames` frames are pending, for `MAX_WAIT` at most.
    fn wait_for(&self, frames: u64) {
        let time = self.duration(self.delay().saturating_sub(frames));
        self.clock.wait(time.min(<dyn Output>::MAX_WAIT));
    }
}

impl<C: Clock> Output for RealTime<C> {
    fn format(&self) -> AudioFormat {
        self.format
    }

    fn is_realtime(&self) -> bool {
        true
    }

    fn write(&mut self, frames: &[f32]) -> Result<usize> {
        let given = (frames.len() / usize::from(self.format.channels)) as u64;
        if self.paused || given == 0 {
            return Ok(0);
        }
        if self.delay() >= self.capacity() {
            // A tenth of the buffer at least, so that a caller does not come back for every frame.
            self.wait_for(self.capacity() - given.min(self.capacity() / 10).max(1));
            // Woken so late that nothing is left: the caller gets to see it.
            if self.delay() == 0 {
                return Ok(0);
            }
        }
        let delay = self.delay();
        if delay == 0 {
            self.restart(0);
        }
        let taken = given.min(self.capacity().saturating_sub(delay));
        self.pending += taken;
        Ok(taken as usize)
    }

    fn delay(&self) -> u64 {
        if self.paused {
            return self.pending;
        }
        let nanos = self.clock.now().saturating_sub(self.since).as_nanos();
        let heard = nanos * u128::from(self.format.rate) / 1_000_000_000;
        self.pending.saturating_sub(u64::try_from(heard).unwrap_or(u64::MAX))
    }

    fn pause(&mut self, paused: bool) -> Result<()> {
        let delay = self.delay();
        self.restart(delay);
        self.paused = paused;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.restart(0);
        Ok(())
    }

    fn drain(&mut self) -> Result<bool> {
        self.wait_for(0);
        Ok(self.delay() == 0)
    }
}

/// Takes everything at once.
#[derive(Debug)]
pub struct Fast {
    format: AudioFormat,
    paused: bool,
}

impl Fast {
    /// An output that takes frames of this format.
    #[must_use]
    pub fn new(format: AudioFormat) -> Self {
        Self { format, paused: false }
    }
}

impl Output for Fast {
    fn format(&self) -> AudioFormat {
        self.format
    }

    fn is_realtime(&self) -> bool {
        false
    }

    fn write(&mut self, frames: &[f32]) -> Result<usize> {
        Ok(if self.paused { 0 } else { frames.len() / usize::from(self.format.channels) })
    }

    fn delay(&self) -> u64 {
        0
    }

    fn pause(&mut self, paused: bool) -> Result<()> {
        self.paused = paused;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn drain(&mut self) -> Result<bool> {
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
