//! What runs in the sound callback: takes frames from the ring, fades at pauses and flushes, and says how far it is.
//! No allocation, no lock, no waiting.

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

/// What the playback thread and the sound callback tell each other. Frames are counted from the opening, times are
/// nanoseconds since then.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// To the callback: be silent and keep what is in the ring.
    pub(crate) paused: AtomicBool,
    /// To the callback: nothing more comes, so play out what there is.
    pub(crate) draining: AtomicBool,
    /// To the callback: frames before this one are no longer wanted.
    pub(crate) discard: AtomicU64,
    /// From the callback, cleared by the next write: the ring ran out while it was sounding.
    pub(crate) dry: AtomicBool,
    /// From the stream: how often the sound system said that it ran out of frames.
    pub(crate) xruns: AtomicU64,
    /// From the callback: when it last ran.
    pub(crate) ran: AtomicU64,
    /// From the callback: frames that have left the ring.
    taken: AtomicU64,
    /// From the callback: when frame 0 would have been heard, had all frames since been played without a gap.
    origin: AtomicI64,
}

impl Shared {
    /// Frames that have left the ring.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Acquire)
    }

    /// Frames that have been heard at the time `now`, by what the device says of its latency.
    pub(crate) fn heard(&self, rate: u32, now: Duration) -> u64 {
        let taken = self.taken();
        let since = nanos(now).saturating_sub(self.origin.load(Ordering::Acquire)).max(0);
        let heard = since as u128 * u128::from(rate) / 1_000_000_000;
        u64::try_from(heard).map_or(taken, |heard| heard.min(taken))
    }
}

/// Nanoseconds as they are stored; enough for 292 years.
pub(crate) fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// The reading end of the ring.
pub(crate) struct Feeder {
    ring: Consumer<f32>,
    shared: Arc<Shared>,
    format: AudioFormat,
    /// Whether frames are being played: not before the first, not while paused, not after the ring ran out.
    sounding: bool,
    /// Frames of silence given while the ring held too little to start with.
    held: usize,
    taken: u64,
    /// 0 to `ramp`: the loudness, of which every frame of a fade takes or gives one step.
    gain: usize,
    ramp: usize,
}

impl Feeder {
    /// How long a fade lasts.
    const FADE: Duration = Duration::from_millis(5);

    pub(crate) fn new(ring: Consumer<f32>, shared: Arc<Shared>, format: AudioFormat) -> Self {
        let ramp = (u128::from(format.rate) * Self::FADE.as_millis() / 1_000).max(1) as usize;
        Self { ring, shared, format, sounding: false, held: 0, taken: 0, gain: ramp, ramp }
    }

    /// Fills a device's buffer of whole frames that will be heard `latency` after `now`.
    ///
    /// Bit-exact but for the 5 ms before and after a pause or a flush.
    pub(crate) fn fill<T: DeviceSample>(&mut self, out: &mut [T], now: Duration, latency: Duration) {
        let shared = Arc::clone(&self.shared);
        let paused = shared.paused.load(Ordering::Acquire);
        let unwanted = shared.discard.load(Ordering::Acquire).saturating_sub(self.taken);
        let mut filled = 0;
        if self.sounding && (paused || unwanted > 0) {
            filled = self.cut(out, if unwanted > 0 { unwanted } else { u64::MAX });
        }
        if unwanted > 0 && !self.sounding {
            self.discard(unwanted - filled as u64);
        }
        if !paused {
            let rest = self.format.samples(filled);
            filled += self.play(&mut out[rest..]);
        }
        out[self.format.samples(filled)..].fill(T::EQUILIBRIUM);

        shared.taken.store(self.taken, Ordering::Release);
        if filled > 0 {
            let played = (self.taken - filled as u64) as u128 * 1_000_000_000 / u128::from(self.format.rate);
            let origin = nanos(now + latency).saturating_sub(i64::try_from(played).unwrap_or(i64::MAX));
            shared.origin.store(origin, Ordering::Release);
        }
        shared.ran.store(nanos(now).unsigned_abs(), Ordering::Release);
    }

    /// Fades out, over `limit` frames at most. When that is done it no longer sounds.
    fn cut<T: DeviceSample>(&mut self, out: &mut [T], limit: u64) -> usize {
        let wanted = self.frames(out).min(usize::try_from(limit).unwrap_or(usize::MAX)).min(self.gain);
        let filled = self.take(&mut out[..self.format.samples(wanted)], usize::wrapping_sub);
        if self.gain == 0 || filled < self.frames(out) {
            (self.sounding, self.gain) = (false, 0);
        }
        filled
    }

    /// Plays on, or starts when there is enough: a whole buffer, so that it does not begin with a gap; or whatever there
    /// is once nothing more comes, or none has come for 100 ms.
    fn play<T: DeviceSample>(&mut self, out: &mut [T]) -> usize {
        let wanted = self.frames(out);
        let ready = self.ring.slots() / usize::from(self.format.channels);
        let draining = self.shared.draining.load(Ordering::Acquire);
        if !self.sounding {
            let room = self.ring.buffer().capacity() / usize::from(self.format.channels);
            let is_late = self.held > self.format.rate as usize / 10;
            if ready == 0 || (ready < wanted.min(room) && !draining && !is_late) {
                self.held = if ready == 0 { 0 } else { self.held + wanted };
                return 0;
            }
            (self.sounding, self.held) = (true, 0);
        }
        let filled = self.take(out, usize::wrapping_add);
        if filled < wanted {
            self.sounding = false;
            self.shared.dry.store(!draining, Ordering::Release);
        }
        filled
    }

    /// Moves frames from the ring to `out`, as many as there are, stepping the gain at each. Returns how many.
    fn take<T: DeviceSample>(&mut self, out: &mut [T], step: fn(usize, usize) -> usize) -> usize {
        let channels = usize::from(self.format.channels);
        let frames = self.frames(out).min(self.ring.slots() / channels);
        let Ok(chunk) = self.ring.read_chunk(frames * channels) else { return 0 };
        let (front, back) = chunk.as_slices();
        for (at, (sample, &x)) in out.iter_mut().zip(front.iter().chain(back)).enumerate() {
            if at % channels == 0 {
                self.gain = step(self.gain, 1).min(self.ramp);
            }
            let is_full = self.gain == self.ramp;
            *sample = T::from_float(if is_full { x } else { x * (self.gain as f32 / self.ramp as f32) });
        }
        chunk.commit_all();
        self.taken += frames as u64;
        frames
    }

    /// Throws away frames that are in the ring.
    fn discard(&mut self, frames: u64) {
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
