use media_plugin_sdk::AudioFormat;
use rubato::{
    Fft, FixedSync, Resampler as _, WindowFunction, audioadapter_buffers::direct::InterleavedSlice,
};

use super::ConvertError;

/// Frames in a block, about. Longer blocks have a sharper edge at the end of the band.
const BLOCK: usize = 4096;

/// The resampler's core: blocks of a fixed number of frames in, blocks of a fixed number of frames out.
///
/// Block `k` in holds the frames from `k * frames_in()` on. Block `k` out holds the frames from
/// `k * frames_out() - delay()` on and depends on the blocks `k - 1` and `k` in, bit for bit, and on nothing else. So
/// who begins in the middle of a track at a whole block, and throws the first block out away, gets exactly what a
/// resampler gives that began at frame 0.
///
/// One user at a time; [`Blocks::process`] neither allocates nor blocks.
pub struct Blocks {
    fft: Fft<f32>,
    channels: usize,
}

impl Blocks {
    /// For interleaved frames of `channels` channels, from one rate to another.
    ///
    /// # Errors
    /// When a rate or the channel count is out of range.
    pub fn new(from: u32, to: u32, channels: u16) -> Result<Self, ConvertError> {
        let error = || ConvertError::rates(from, to);
        if ![from, to].into_iter().all(|rate| AudioFormat { rate, channels }.is_valid()) {
            return Err(error());
        }
        let (rate_in, rate_out, channels) = (from as usize, to as usize, usize::from(channels));
        // An even multiple of the rates' ratio, so that the filter's centre falls on a frame on either side.
        let step = 2 * rate_in / gcd(rate_in, rate_out);
        let block = BLOCK.div_ceil(step) * step;
        let window = WindowFunction::BlackmanHarris2;
        let fft = Fft::new_custom(rate_in, rate_out, block, 1, channels, window, FixedSync::Both)
            .map_err(|_| error())?;
        Ok(Self { fft, channels })
    }

    /// Frames of a block in.
    #[must_use]
    pub fn frames_in(&self) -> usize {
        self.fft.fft_size_in()
    }

    /// Frames of a block out.
    #[must_use]
    pub fn frames_out(&self) -> usize {
        self.fft.fft_size_out()
    }

    /// By how many frames the output is late.
    #[must_use]
    pub fn delay(&self) -> usize {
        self.fft.output_delay()
    }

    /// Resamples one block. `input` holds [`Blocks::frames_in`] frames, `output` [`Blocks::frames_out`]; where either
    /// is of another size, `output` is silence.
    pub fn process(&mut self, input: &[f32], output: &mut [f32]) {
        let (frames_in, frames_out) = (self.frames_in(), self.frames_out());
        let done = InterleavedSlice::new(input, self.channels, frames_in).is_ok_and(|input| {
            InterleavedSlice::new_mut(output, self.channels, frames_out)
                .is_ok_and(|mut output| self.fft.process_into_buffer(&input, &mut output, None).is_ok())
        });
        debug_assert!(done, "a block of the wrong size");
        if !done {
            output.fill(0.0);
        }
    }

    /// Makes it as new.
    pub fn reset(&mut self) {
        self.fft.reset();
    }
}

impl std::fmt::Debug for Blocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blocks")
            .field("frames_in", &self.frames_in())
            .field("frames_out", &self.frames_out())
            .field("channels", &self.channels)
            .finish()
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
