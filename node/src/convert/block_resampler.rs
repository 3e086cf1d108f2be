use media_plugin_sdk::AudioFormat;
use rubato::{
    Fft, FixedSync, Resampler as _, WindowFunction, audioadapter_buffers::direct::InterleavedSlice,
};

use super::ConvertError;

/// Approximate length of a block, in frames. With 1024 the output would be shifted against the input; with 4096 it is not.
/// Tested by `tones_come_through_clean`.
const BLOCK: usize = 4096;

/// Resamples blocks of a fixed number of frames.
///
/// Input block `k` holds the frames from `k * frames_in()` on. Output block `k` holds the frames from
/// `k * frames_out() - delay()` on. It depends, bit for bit, on the input blocks `k - 1` and `k` alone. So a resampler
/// can begin at any block of a track. If the caller drops its first output block, the others equal those of a resampler
/// that began at frame 0.
///
/// For one user at a time. [`BlockResampler::process`] neither allocates nor blocks.
pub struct BlockResampler {
    fft: Fft<f32>,
    channels: usize,
}

impl BlockResampler {
    /// A resampler of interleaved frames of `channels` channels, from the rate `from` to the rate `to`, in Hz.
    ///
    /// # Errors
    /// If a rate or the channel count is out of range.
    pub fn new(from: u32, to: u32, channels: u16) -> Result<Self, ConvertError> {
        let error = || ConvertError::rates(from, to);
        if ![from, to].into_iter().all(|rate| AudioFormat { rate, channels }.is_valid()) {
            return Err(error());
        }
        let (rate_in, rate_out, channels) = (from as usize, to as usize, usize::from(channels));
        // If a block is an even multiple of the rates' ratio, the filter's delay is a whole number of frames at both rates.
        let step = 2 * rate_in / gcd(rate_in, rate_out);
        let block = BLOCK.div_ceil(step) * step;
        let window = WindowFunction::BlackmanHarris2;
        let fft = Fft::new_custom(rate_in, rate_out, block, 1, channels, window, FixedSync::Both)
            .map_err(|_| error())?;
        Ok(Self { fft, channels })
    }

    /// Frames of an input block.
    #[must_use]
    pub fn frames_in(&self) -> usize {
        self.fft.fft_size_in()
    }

    /// Frames of an output block.
    #[must_use]
    pub fn frames_out(&self) -> usize {
        self.fft.fft_size_out()
    }

    /// Delay of the output, in frames at the rate `to`.
    #[must_use]
    pub fn delay(&self) -> usize {
        self.fft.output_delay()
    }

    /// Resamples one block. `input` holds [`BlockResampler::frames_in`] frames, `output`
    /// [`BlockResampler::frames_out`]. If one has another size, `output` becomes silence.
    pub fn process(&mut self, input: &[f32], output: &mut [f32]) {
        let frames_in = self.frames_in();
        let frames_out = self.frames_out();
        let done = InterleavedSlice::new(input, self.channels, frames_in).is_ok_and(|input| {
            InterleavedSlice::new_mut(output, self.channels, frames_out)
                .is_ok_and(|mut output| self.fft.process_into_buffer(&input, &mut output, None).is_ok())
        });
        debug_assert!(done, "a block of the wrong size");
        if !done {
            output.fill(0.0);
        }
    }

    /// Returns to the initial state.
    pub fn reset(&mut self) {
        self.fft.reset();
    }
}

impl std::fmt::Debug for BlockResampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockResampler")
            .field("frames_in", &self.frames_in())
            .field("frames_out", &self.frames_out())
            .field("channels", &self.channels)
            .finish()
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
