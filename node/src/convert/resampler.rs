//! Conversion of a stream's rate.

use super::{BlockResampler, ConvertError};

/// Changes the rate of a stream of interleaved frames, block by block (about 4096 frames). The output has no delay: its
/// first frame lies at the instant of the input's first frame.
///
/// After [`Resampler::flush`], `n` input frames have become `round(n * to / from)` output frames. For one user at a time.
/// After a first round of `process` and `flush` it does not allocate, if the caller's vector keeps its capacity.
#[derive(Debug)]
pub struct Resampler {
    from: u32,
    to: u32,
    channels: usize,
    /// `None` if the rates are equal.
    blocks: Option<BlockResampler>,
    /// The input block. Its first `filled` samples are set.
    input: Vec<f32>,
    filled: usize,
    output: Vec<f32>,
    /// Input frames since the start.
    frames_in: u64,
    /// Output frames since the start.
    frames_out: u64,
    /// Frames of the filter's delay that are still to be dropped.
    skip: usize,
}

impl Resampler {
    /// A resampler from the rate `from` to the rate `to`, in Hz. Equal rates pass samples unchanged.
    ///
    /// # Errors
    /// If a rate or the channel count is out of range.
    pub fn new(from: u32, to: u32, channels: u16) -> Result<Self, ConvertError> {
        let blocks = if from == to { None } else { Some(BlockResampler::new(from, to, channels)?) };
        if channels == 0 {
            return Err(ConvertError::rates(from, to));
        }
        let channels = usize::from(channels);
        let size =
            |frames: fn(&BlockResampler) -> usize| vec![0.0; blocks.as_ref().map_or(0, frames) * channels];
        let input = size(BlockResampler::frames_in);
        let output = size(BlockResampler::frames_out);
        let skip = blocks.as_ref().map_or(0, BlockResampler::delay);
        Ok(Self { from, to, channels, blocks, input, filled: 0, output, frames_in: 0, frames_out: 0, skip })
    }

    /// Takes whole frames. Appends the output to `out` whenever a block is full.
    pub fn process(&mut self, mut frames: &[f32], out: &mut Vec<f32>) {
        self.frames_in += (frames.len() / self.channels) as u64;
        if self.blocks.is_none() {
            self.frames_out = self.frames_in;
            return out.extend_from_slice(frames);
        }
        while !frames.is_empty() {
            let count = frames.len().min(self.input.len() - self.filled);
            let (head, tail) = frames.split_at(count);
            self.input[self.filled..self.filled + count].copy_from_slice(head);
            self.filled += count;
            frames = tail;
            if self.filled == self.input.len() {
                self.process_block(out, u64::MAX);
            }
        }
    }

    /// Appends the frames that the resampler still holds, and resets it.
    pub fn flush(&mut self, out: &mut Vec<f32>) {
        let total = round_div(u128::from(self.frames_in) * u128::from(self.to), self.from);
        while self.blocks.is_some() && self.frames_out < total {
            self.input[self.filled..].fill(0.0);
            self.process_block(out, total);
        }
        self.reset();
    }

    /// Drops the frames that the resampler still holds. The next frames begin a new stream.
    pub fn reset(&mut self) {
        self.filled = 0;
        self.frames_in = 0;
        self.frames_out = 0;
        if let Some(blocks) = &mut self.blocks {
            blocks.reset();
            self.skip = blocks.delay();
        }
    }

    /// Resamples the input block and appends it to `out`, up to `total` output frames since the start.
    fn process_block(&mut self, out: &mut Vec<f32>, total: u64) {
        let Some(blocks) = &mut self.blocks else { return };
        blocks.process(&self.input, &mut self.output);
        self.filled = 0;
        let skipped = self.skip.min(blocks.frames_out());
        self.skip -= skipped;
        let left = usize::try_from(total - self.frames_out).unwrap_or(usize::MAX);
        let count = (blocks.frames_out() - skipped).min(left);
        out.extend_from_slice(&self.output[skipped * self.channels..(skipped + count) * self.channels]);
        self.frames_out += count as u64;
    }
}

fn round_div(value: u128, by: u32) -> u64 {
    let by = u128::from(by.max(1));
    u64::try_from((value + by / 2) / by).unwrap_or(u64::MAX)
}
