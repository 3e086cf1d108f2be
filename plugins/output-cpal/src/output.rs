use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use media_plugin_sdk::{AudioFormat, Output, PluginError, Result};

use crate::{devices::forget_server, feeder::nanos, stream::DeviceStream};

/// Time without a callback after which the sound server is taken to hang, so that the next opening makes a new connection.
/// This output stays open with its frames, because a suspended device makes no callbacks either and resumes later.
/// It must be between 2 and 4 s. Tested by `a_device_that_stands_still_is_not_lost_and_goes_on_where_it_stood`.
const STALL: Duration = Duration::from_secs(3);

/// Gap between two calls of the playback thread after which the process is taken to have been stopped. A normal gap is about
/// `MAX_WAIT`. In the gap the device played its buffer. The connection to PulseAudio may break then: `pulseaudio` 0.3.2
/// treats the interrupted wait as an error. Tested by
/// `what_a_device_had_while_the_process_was_stopped_is_heard_even_if_it_is_lost_of_it`.
const PROCESS_STOPPED: Duration = Duration::from_millis(200);

/// Open sound device.
///
/// `delay` counts the frames in the ring buffer and, as the sound system reports, in the device's buffer.
///
/// After an underrun `delay` is 0 until the next write, even if the device still plays its last frames. A write during which
/// the ring runs out takes nothing. So a caller that reads `delay` before each write sees every underrun.
///
/// After the device is lost, `delay` counts the frames that were not heard at the device's last callback. If the process had
/// been stopped, the frames of that time count as heard. The count may be too high, but not too low.
pub(crate) struct CpalOutput {
    stream: DeviceStream,
    format: AudioFormat,
    /// Interval of checks of the ring buffer. It is polled, because the callback must not wake a thread.
    poll: Duration,
    /// Frames written.
    written: u64,
    /// Frames written before the last flush.
    flushed: u64,
    /// Highest number of frames reported as heard, so that the position never goes back.
    heard: AtomicU64,
    /// Time of the last call, in nanoseconds since the opening.
    last_call: AtomicU64,
    /// Frames heard by the end of the last time that the process was stopped.
    heard_while_stopped: AtomicU64,
    paused: bool,
    /// End of the last pause, after which the device may need time to resume.
    resumed: Duration,
    /// True if this output stalls and has abandoned the connection to its server.
    stalled: AtomicBool,
}

impl CpalOutput {
    /// Output on a stream with a device buffer of the length `buffer`.
    pub(crate) fn new(stream: DeviceStream, format: AudioFormat, buffer: Duration) -> Self {
        let poll = (buffer / 4).clamp(Duration::from_millis(1), Duration::from_millis(20));
        let last_call = AtomicU64::new(nanos(stream.now()).unsigned_abs());
        Self {
            stream,
            format,
            poll,
            written: 0,
            flushed: 0,
            heard: AtomicU64::new(0),
            last_call,
            heard_while_stopped: AtomicU64::new(0),
            paused: false,
            resumed: Duration::ZERO,
            stalled: AtomicBool::new(false),
        }
    }

    /// Records the time of this call, and the frames heard if the process was stopped before it.
    fn record_call(&self) {
        let now = self.stream.now();
        let before = self.last_call.swap(nanos(now).unsigned_abs(), Ordering::Relaxed);
        if !self.paused && now.saturating_sub(Duration::from_nanos(before)) > PROCESS_STOPPED {
            let heard = self.stream.state.heard(self.format.rate, now);
            self.heard_while_stopped.store(heard, Ordering::Relaxed);
        }
    }

    /// Checks the stream for a fault and for a stall.
    fn check(&self) -> Result<()> {
        self.record_call();
        if let Some(fault) = self.stream.fault() {
            return Err(PluginError::Lost(fault.into()));
        }
        let active = self.last_run().max(self.resumed);
        let is_stalled = !self.paused && self.stream.now().saturating_sub(active) > STALL;
        let was_stalled = self.stalled.swap(is_stalled, Ordering::Relaxed);
        if is_stalled && !was_stalled {
            forget_server();
        }
        Ok(())
    }

    /// Waits until the condition holds, but no longer than `MAX_WAIT`. Returns true if it holds.
    fn wait_until(&self, condition: impl Fn(&Self) -> bool) -> Result<bool> {
        let end = Instant::now() + <dyn Output>::MAX_WAIT;
        loop {
            self.check()?;
            if condition(self) {
                return Ok(true);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            thread::sleep(self.poll.min(left));
        }
    }

    /// True if the ring ran out in the middle of the audio, since the last write.
    fn is_dry(&self) -> bool {
        self.stream.state.dry.load(Ordering::Acquire)
    }

    /// Writes frames to the ring, as many as fit. Writes none if the ring ran out after `was_dry` was read.
    fn push(&mut self, frames: &[f32], was_dry: bool) -> usize {
        if self.is_dry() != was_dry {
            return 0;
        }
        let channels = usize::from(self.format.channels);
        let taken = (frames.len() / channels).min(self.stream.ring.slots() / channels);
        self.stream.state.draining.store(false, Ordering::Release);
        // Cleared before the push, because the new frames may run out too.
        if was_dry {
            self.stream.state.dry.store(false, Ordering::Release);
        }
        let (pushed, _) = self.stream.ring.push_partial_slice(&frames[..taken * channels]);
        let taken = pushed.len() / channels;
        self.written += taken as u64;
        taken
    }

    /// Time of the last callback.
    fn last_run(&self) -> Duration {
        Duration::from_nanos(self.stream.state.last_run.load(Ordering::Acquire))
    }

    /// Frames heard or flushed by `now`.
    fn played(&self, now: Duration) -> u64 {
        self.stream.state.heard(self.format.rate, now).max(self.flushed)
    }
}

impl Output for CpalOutput {
    fn format(&self) -> AudioFormat {
        self.format
    }

    fn is_realtime(&self) -> bool {
        true
    }

    fn write(&mut self, frames: &[f32]) -> Result<usize> {
        self.check()?;
        let channels = usize::from(self.format.channels);
        let was_dry = self.is_dry();
        if self.paused
            || frames.len() < channels
            || !self.wait_until(|this| this.stream.ring.slots() >= channels)?
        {
            return Ok(0);
        }
        Ok(self.push(frames, was_dry))
    }

    fn delay(&self) -> u64 {
        self.record_call();
        if self.stream.fault().is_some() {
            return self.written
                - self.played(self.last_run()).max(self.heard_while_stopped.load(Ordering::Relaxed));
        }
        if self.is_dry() {
            self.heard.fetch_max(self.stream.state.taken(), Ordering::AcqRel);
            return 0;
        }
        let heard = self.played(self.stream.now());
        self.written - self.heard.fetch_max(heard, Ordering::AcqRel).max(heard)
    }

    fn xruns(&self) -> u64 {
        self.stream.state.xruns.load(Ordering::Relaxed)
    }

    fn pause(&mut self, paused: bool) -> Result<()> {
        self.check()?;
        if !paused && self.paused {
            self.resumed = self.stream.now();
        }
        self.paused = paused;
        self.stream.state.paused.store(paused, Ordering::Release);
        self.stream.set_idle(paused);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.check()?;
        self.flushed = self.written;
        self.stream.state.draining.store(false, Ordering::Release);
        self.stream.state.discard.store(self.written, Ordering::Release);
        self.stream.state.dry.store(false, Ordering::Release);
        Ok(())
    }

    fn drain(&mut self) -> Result<bool> {
        self.stream.state.draining.store(true, Ordering::Release);
        self.wait_until(|this| this.played(this.stream.now()) >= this.written)
    }
}

#[cfg(test)]
mod tests;
