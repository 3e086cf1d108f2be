//! Code of the sound callback: takes frames from the ring buffer, fades at pauses and flushes, and reports the position.
//! Real-time safe: it does not allocate, lock or wait. Tested by `the_callback_neither_locks_nor_allocates_nor_waits`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use media_plugin_sdk::AudioFormat;
use rtrb::Consumer;

use crate::samples::DeviceSample;

/// State shared by the playback thread and the sound callback. Frames and times (nanoseconds) count from the opening.
#[derive(Debug, Default)]
pub(crate) struct CallbackState {
    /// Set by the playback thread: play silence and keep the frames in the ring.
    pub(crate) paused: AtomicBool,
    /// Set by the playback thread: no more frames will come, so play the rest of the ring.
    pub(crate) draining: AtomicBool,
    /// Set by the playback thread: drop the frames before this one.
    pub(crate) discard: AtomicU64,
    /// Set by the callback: the ring ran out in the middle of the audio. The next write clears it.
    pub(crate) dry: AtomicBool,
    /// Set by the stream: number of underruns that the sound system reported.
    pub(crate) xruns: AtomicU64,
    /// Set by the callback: time of its last run.
    pub(crate) last_run: AtomicU64,
    /// Set by the callback: frames taken from the ring.
    taken: AtomicU64,
    /// Set by the callback: time at which frame 0 would have been heard if all frames since had been played without a gap.
    start_time: AtomicI64,
}

impl CallbackState {
    /// Frames taken from the ring.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Acquire)
    }

    /// Frames heard at the time `now`, by the latency that the device reports.
    pub(crate) fn heard(&self, rate: u32, now: Duration) -> u64 {
        let taken = self.taken();
        let since = nanos(now).saturating_sub(self.start_time.load(Ordering::Acquire)).max(0);
        let heard = since as u128 * u128::from(rate) / 1_000_000_000;
        u64::try_from(heard).map_or(taken, |heard| heard.min(taken))
    }
}

/// Converts a time to nanoseconds, which last for 292 years.
pub(crate) fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// Reader of the ring buffer that fills the device's buffers.
pub(crate) struct Feeder {
    ring: Consumer<f32>,
    state: Arc<CallbackState>,
    format: AudioFormat,
    /// True if frames are playing. False before the first frame, while paused, and after the ring ran out.
    playing: bool,
    /// Frames of silence played while the ring had too few frames to start.
    start_wait: usize,
    /// [`Feeder::MAX_START_WAIT`] in frames.
    max_start_wait: usize,
    taken: u64,
    /// Gain from 0 to `fade_frames`. Each frame of a fade changes it by 1.
    gain: usize,
    /// Length of a fade, in frames.
    fade_frames: usize,
}

impl Feeder {
    /// Length of a fade: short enough to sound immediate, long enough to avoid a click. Tested by
    /// `a_pause_fades_out_keeps_the_rest_and_fades_in`.
    const FADE: Duration = Duration::from_millis(5);

    /// Longest wait for a full buffer before the start, after which a shorter one plays. Tested by
    /// `less_than_a_buffer_plays_once_nothing_more_comes_or_comes_in_time`.
    const MAX_START_WAIT: Duration = Duration::from_millis(100);

    pub(crate) fn new(ring: Consumer<f32>, state: Arc<CallbackState>, format: AudioFormat) -> Self {
        let frames = |time: Duration| (u128::from(format.rate) * time.as_millis() / 1_000) as usize;
        let fade_frames = frames(Self::FADE).max(1);
        let max_start_wait = frames(Self::MAX_START_WAIT);
        Self {
            ring,
            state,
            format,
            playing: false,
            start_wait: 0,
            max_start_wait,
            taken: 0,
            gain: fade_frames,
            fade_frames,
        }
    }

    /// Fills a buffer of the device, which will be heard `latency` after `now`.
    ///
    /// The output is bit-exact, except for the fades of 5 ms before and after a pause or a flush.
    pub(crate) fn fill<T: DeviceSample>(&mut self, out: &mut [T], now: Duration, latency: Duration) {
        let state = Arc::clone(&self.state);
        let paused = state.paused.load(Ordering::Acquire);
        let dropped = state.discard.load(Ordering::Acquire).saturating_sub(self.taken);
        let mut filled = 0;
        if self.playing && (paused || dropped > 0) {
            filled = self.fade_out(out, if dropped > 0 { dropped } else { u64::MAX });
        }
        if dropped > 0 && !self.playing {
            self.drop_frames(dropped - filled as u64);
        }
        if !paused {
            let start = self.format.samples(filled);
            filled += self.play(&mut out[start..]);
        }
        out[self.format.samples(filled)..].fill(T::EQUILIBRIUM);

        state.taken.store(self.taken, Ordering::Release);
        if filled > 0 {
            let played_nanos =
                (self.taken - filled as u64) as u128 * 1_000_000_000 / u128::from(self.format.rate);
            let start_time =
                nanos(now + latency).saturating_sub(i64::try_from(played_nanos).unwrap_or(i64::MAX));
            state.start_time.store(start_time, Ordering::Release);
        }
        state.last_run.store(nanos(now).unsigned_abs(), Ordering::Release);
    }

    /// Fades out, over at most `limit` frames. Stops playing at the end of the fade. Returns the number of frames filled.
    fn fade_out<T: DeviceSample>(&mut self, out: &mut [T], limit: u64) -> usize {
        let wanted = self.frames(out).min(usize::try_from(limit).unwrap_or(usize::MAX)).min(self.gain);
        let filled = self.take(&mut out[..self.format.samples(wanted)], usize::wrapping_sub);
        if self.gain == 0 || filled < self.frames(out) {
            self.playing = false;
            self.gain = 0;
        }
        filled
    }

    /// Plays frames from the ring. Returns the number of frames filled.
    ///
    /// Starts only with a full buffer, so that the audio does not begin with a gap. A shorter one plays if no more frames
    /// will come, or after [`Feeder::MAX_START_WAIT`].
    fn play<T: DeviceSample>(&mut self, out: &mut [T]) -> usize {
        let wanted = self.frames(out);
        let ready = self.ring.slots() / usize::from(self.format.channels);
        let draining = self.state.draining.load(Ordering::Acquire);
        if !self.playing {
            let capacity = self.ring.buffer().capacity() / usize::from(self.format.channels);
            let is_late = self.start_wait > self.max_start_wait;
            if ready == 0 || (ready < wanted.min(capacity) && !draining && !is_late) {
                self.start_wait = if ready == 0 { 0 } else { self.start_wait + wanted };
                return 0;
            }
            self.playing = true;
            self.start_wait = 0;
        }
        let filled = self.take(out, usize::wrapping_add);
        if filled < wanted {
            self.playing = false;
            self.state.dry.store(!draining, Ordering::Release);
        }
        filled
    }

    /// Moves frames from the ring to `out` and steps the gain at each. Returns their number, limited by the ring's content.
    fn take<T: DeviceSample>(&mut self, out: &mut [T], step: fn(usize, usize) -> usize) -> usize {
        let channels = usize::from(self.format.channels);
        let frames = self.frames(out).min(self.ring.slots() / channels);
        let Ok(chunk) = self.ring.read_chunk(frames * channels) else { return 0 };
        let (front, back) = chunk.as_slices();
        for (at, (sample, &x)) in out.iter_mut().zip(front.iter().chain(back)).enumerate() {
            if at % channels == 0 {
                self.gain = step(self.gain, 1).min(self.fade_frames);
            }
            let is_full = self.gain == self.fade_frames;
            *sample =
                T::from_float(if is_full { x } else { x * (self.gain as f32 / self.fade_frames as f32) });
        }
        chunk.commit_all();
        self.taken += frames as u64;
        frames
    }

    /// Drops frames from the ring.
    fn drop_frames(&mut self, frames: u64) {
        let channels = usize::from(self.format.channels);
        let frames = usize::try_from(frames).unwrap_or(usize::MAX).min(self.ring.slots() / channels);
        if let Ok(chunk) = self.ring.read_chunk(frames * channels) {
            chunk.commit_all();
            self.taken += frames as u64;
        }
    }

    fn frames<T>(&self, out: &[T]) -> usize {
        out.len() / usize::from(self.format.channels)
    }
}

#[cfg(test)]
mod tests;
