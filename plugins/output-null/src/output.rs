use std::time::Duration;

use media_plugin_sdk::{AudioFormat, Output, Result};

use crate::clock::Clock;

/// Simulated sound device: takes frames into a buffer of 100 ms and drops them at its rate.
///
/// If the buffer runs dry during the wait of a write, that write takes nothing. So a caller that reads `delay` before each
/// write sees every underrun.
#[derive(Debug)]
pub struct RealTime<C> {
    format: AudioFormat,
    clock: C,
    /// Frames in the buffer at the time `since`.
    pending: u64,
    /// Time at which `pending` was counted.
    since: Duration,
    paused: bool,
}

impl<C: Clock> RealTime<C> {
    /// Opens a device that is timed by `clock`.
    pub fn new(format: AudioFormat, clock: C) -> Self {
        let since = clock.now();
        Self { format, clock, pending: 0, since, paused: false }
    }

    /// Capacity of the buffer, in frames: 100 ms. Tested by `it_takes_a_buffer_at_once_and_then_plays_at_its_rate`.
    fn capacity(&self) -> u64 {
        u64::from(self.format.rate).div_ceil(10)
    }

    /// Duration of `frames`, rounded up.
    fn duration(&self, frames: u64) -> Duration {
        let nanos = (u128::from(frames) * 1_000_000_000).div_ceil(u128::from(self.format.rate));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Restarts the count now, with `pending` frames in the buffer.
    fn restart(&mut self, pending: u64) {
        self.pending = pending;
        self.since = self.clock.now();
    }

    /// Waits until at most `frames` frames are in the buffer, but no longer than `MAX_WAIT`.
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
        let offered = (frames.len() / usize::from(self.format.channels)) as u64;
        if self.paused || offered == 0 {
            return Ok(0);
        }
        if self.delay() >= self.capacity() {
            // Waits for room for a tenth of the buffer, so that the caller does not return for every frame.
            self.wait_for(self.capacity() - offered.min(self.capacity() / 10).max(1));
            // The thread woke too late: an underrun, which the caller must see in `delay`.
            if self.delay() == 0 {
                return Ok(0);
            }
        }
        let delay = self.delay();
        if delay == 0 {
            self.restart(0);
        }
        let taken = offered.min(self.capacity().saturating_sub(delay));
        self.pending += taken;
        Ok(taken as usize)
    }

    fn delay(&self) -> u64 {
        if self.paused {
            return self.pending;
        }
        let nanos = self.clock.now().saturating_sub(self.since).as_nanos();
        let played = nanos * u128::from(self.format.rate) / 1_000_000_000;
        self.pending.saturating_sub(u64::try_from(played).unwrap_or(u64::MAX))
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

/// Drops frames as fast as they come.
#[derive(Debug)]
pub struct Fast {
    format: AudioFormat,
    paused: bool,
}

impl Fast {
    /// Opens an output for frames of this format.
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
