use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use media_plugin_sdk::{AudioFormat, Output, PluginError, Result};

use crate::{devices::forget_server, feeder::nanos, stream::Playing};

/// How long a playing device may go without asking for frames before the connection to its sound server is given up for
/// the next opening: a server that hangs reports nothing. This one is kept, with all that is in it: a device that is
/// suspended asks for nothing either, and goes on where it stood.
const STALL: Duration = Duration::from_secs(3);

/// The caller looks every `MAX_WAIT` or so. If nobody looked for this long, what the device had by then was heard unseen. The
/// whole process may have been stopped, of which the connection to PulseAudio may break: `pulseaudio` 0.3.2 takes the
/// interrupted wait for an error.
const AWAY: Duration = Duration::from_millis(200);

/// A sound device that plays.
///
/// `delay` counts the ring and, by what the system says, the device's own buffer. Once the ring has run out in mid-sound
/// it is 0 until the next write, even though the device may still be playing its last frames; and a write during which
/// it ran out takes nothing: so that no gap goes unseen by a caller that looks before each write. Once the device is gone
/// it counts what was not heard when the device last asked for frames, or when nobody had looked for long: rather too much
/// than too little.
pub(crate) struct SoundDevice {
    playing: Playing,
    format: AudioFormat,
    /// How long to sleep between looks at the ring; the callback may not wake anyone.
    step: Duration,
    /// Frames handed over, and how many had been at the last flush.
    written: u64,
    flushed: u64,
    /// The most frames ever reported as heard, so that the position never goes back.
    heard: AtomicU64,
    /// When the caller last looked, in nanoseconds since the opening.
    looked: AtomicU64,
    /// Frames that were heard when it last looked after a long while.
    surely: AtomicU64,
    paused: bool,
    /// When the last pause ended, after which the device may have to wake up.
    resumed: Duration,
    /// Whether it stands still, and its server was forgotten.
    forgotten: AtomicBool,
}

impl SoundDevice {
    /// An output on a stream whose device buffer holds `buffer`.
    pub(crate) fn new(playing: Playing, format: AudioFormat, buffer: Duration) -> Self {
        let step = (buffer / 4).clamp(Duration::from_millis(1), Duration::from_millis(20));
        let looked = AtomicU64::new(nanos(playing.now()).unsigned_abs());
        Self {
            playing,
            format,
            step,
            written: 0,
            flushed: 0,
            heard: AtomicU64::new(0),
            looked,
            surely: AtomicU64::new(0),
            paused: false,
            resumed: Duration::ZERO,
            forgotten: AtomicBool::new(false),
        }
    }

    /// Notes what was heard while nobody looked.
    fn look(&self) {
        let now = self.playing.now();
        let before = self.looked.swap(nanos(now).unsigned_abs(), Ordering::Relaxed);
        if !self.paused && now.saturating_sub(Duration::from_nanos(before)) > AWAY {
            let heard = self.playing.shared.heard(self.format.rate, now);
            self.surely.store(heard, Ordering::Relaxed);
        }
    }

    fn check(&self) -> Result<()> {
        self.look();
        if let Some(fault) = self.playing.fault() {
            return Err(PluginError::Lost(fault.into()));
        }
        let moved = self.ran().max(self.resumed);
        let stands = !self.paused && self.playing.now().saturating_sub(moved) > STALL;
        if stands && !self.forgotten.swap(stands, Ordering::Relaxed) {
            forget_server();
        } else if !stands {
            self.forgotten.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Sleeps in steps until `done`, for `MAX_WAIT` at most. Returns whether it is.
    fn wait_until(&self, done: impl Fn(&Self) -> bool) -> Result<bool> {
        let end = Instant::now() + <dyn Output>::MAX_WAIT;
        loop {
            self.check()?;
            if done(self) {
                return Ok(true);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            thread::sleep(self.step.min(left));
        }
    }

    /// Whether the ring ran out in mid-sound and the caller may not know.
    fn is_dry(&self) -> bool {
        self.playing.shared.dry.load(Ordering::Acquire)
    }

    /// Puts what there is room for into the ring; nothing if it has run dry since it was seen to be as `was_dry` says.
    fn push(&mut self, frames: &[f32], was_dry: bool) -> usize {
        if self.is_dry() != was_dry {
            return 0;
        }
        let channels = usize::from(self.format.channels);
        let taken = (frames.len() / channels).min(self.playing.ring.slots() / channels);
        self.playing.shared.draining.store(false, Ordering::Release);
        // Before there is anything that may run out again.
        if was_dry {
            self.playing.shared.dry.store(false, Ordering::Release);
        }
        let (pushed, _) = self.playing.ring.push_partial_slice(&frames[..taken * channels]);
        let taken = pushed.len() / channels;
        self.written += taken as u64;
        taken
    }

    /// When the device last asked for frames.
    fn ran(&self) -> Duration {
        Duration::from_nanos(self.playing.shared.ran.load(Ordering::Acquire))
    }

    /// Frames that have come out of the device by `now`.
    fn played(&self, now: Duration) -> u64 {
        self.playing.shared.heard(self.format.rate, now).max(self.flushed)
    }
}

impl Output for SoundDevice {
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
            || !self.wait_until(|this| this.playing.ring.slots() >= channels)?
        {
            return Ok(0);
        }
        Ok(self.push(frames, was_dry))
    }

    fn delay(&self) -> u64 {
        self.look();
        if self.playing.fault().is_some() {
            return self.written - self.played(self.ran()).max(self.surely.load(Ordering::Relaxed));
        }
        if self.is_dry() {
            self.heard.fetch_max(self.playing.shared.taken(), Ordering::AcqRel);
            return 0;
        }
        let heard = self.played(self.playing.now());
        self.written - self.heard.fetch_max(heard, Ordering::AcqRel).max(heard)
    }

    fn xruns(&self) -> u64 {
        self.playing.shared.xruns.load(Ordering::Relaxed)
    }

    fn pause(&mut self, paused: bool) -> Result<()> {
        self.check()?;
        if !paused && self.paused {
            self.resumed = self.playing.now();
        }
        self.paused = paused;
        self.playing.shared.paused.store(paused, Ordering::Release);
        self.playing.rest(paused);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.check()?;
        self.flushed = self.written;
        self.playing.shared.draining.store(false, Ordering::Release);
        self.playing.shared.discard.store(self.written, Ordering::Release);
        self.playing.shared.dry.store(false, Ordering::Release);
        Ok(())
    }

    fn drain(&mut self) -> Result<bool> {
        self.playing.shared.draining.store(true, Ordering::Release);
        self.wait_until(|this| this.played(this.playing.now()) >= this.written)
    }
}

#[cfg(test)]
mod tests;
