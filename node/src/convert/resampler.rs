use super::{Blocks, ConvertError};

/// Changes the rate of a stream of interleaved frames, block by block (about 4096 frames), without a delay: the first
/// frame out is the first frame in.
///
/// `n` frames in give `round(n * to / from)` frames out once flushed. One user at a time. After a first round of
/// process and flush it allocates nothing, as long as the caller's vector keeps its capacity.
#[derive(Debug)]
pub struct Resampler {
    from: u32,
    to: u32,
    channels: usize,
    /// `None` where the rates are the same.
    blocks: Option<Blocks>,
    /// The block that is being filled, in samples.
    input: Vec<f32>,
    filled: usize,
    output: Vec<f32>,
    /// Frames in and out since the start.
    taken: u64,
    given: u64,
    /// Frames of the filter's delay still to be thrown away.
    skip: usize,
}

impl Resampler {
    /// From one rate to another; the same rate passes through untouched.
    ///
    /// # Errors
    /// When a rate or the channel count is out of range.
    pub fn new(from: u32, to: u32, channels: u16) -> Result<Self, ConvertError> {
        let blocks = if from == to { None } else { Some(Blocks::new(from, to, channels)?) };
        if channels == 0 {
            return Err(ConvertError::rates(from, to));
        }
        let channels = usize::from(channels);
        let size = |frames: fn(&Blocks) -> usize| vec![0.0; blocks.as_ref().map_or(0, frames) * channels];
        let (input, output) = (size(Blocks::frames_in), size(Blocks::frames_out));
        let skip = blocks.as_ref().map_or(0, Blocks::delay);
        Ok(Self { from, to, channels, blocks, input, filled: 0, output, taken: 0, given: 0, skip })
    }

    /// Takes whole frames and appends to `out` what is ready: nothing until a block is full.
    pub fn process(&mut self, mut frames: &[f32], out: &mut Vec<f32>) {
        self.taken += (frames.len() / self.channels) as u64;
        if self.blocks.is_none() {
            self.given = self.taken;
            return out.extend_from_slice(frames);
        }
        while !frames.is_empty() {
            let taken = frames.len().min(self.input.len() - self.filled);
            let (head, tail) = frames.split_at(taken);
            self.input[self.filled..self.filled + taken].copy_from_slice(head);
            self.filled += taken;
            frames = tail;
            if self.filled == self.input.len() {
                self.block(out, u64::MAX);
            }
        }
    }

    /// Appends what is still inside and makes the resampler as new.
    pub fn flush(&mut self, out: &mut Vec<f32>) {
        let total = round_div(u128::from(self.taken) * u128::from(self.to), self.from);
        while self.blocks.is_some() && self.given < total {
            self.input[self.filled..].fill(0.0);
            self.block(out, total);
        }
        self.reset();
    }

    /// Throws away what is inside; what follows is a new stream.
    pub fn reset(&mut self) {
        (self.filled, self.taken, self.given) = (0, 0, 0);
        if let Some(blocks) = &mut self.blocks {
            blocks.reset();
            self.skip = blocks.delay();
        }
    }

    /// Resamples the block and appends it, up to `total` frames since the start.
    fn block(&mut self, out: &mut Vec<f32>, total: u64) {
        let Some(blocks) = &mut self.blocks else { return };
        blocks.process(&self.input, &mut self.output);
        self.filled = 0;
        let skipped = self.skip.min(blocks.frames_out());
        self.skip -= skipped;
        let left = usize::try_from(total - self.given).unwrap_or(usize::MAX);
        let given = (blocks.frames_out() - skipped).min(left);
        out.extend_from_slice(&self.output[skipped * self.channels..(skipped + given) * self.channels]);
        self.given += given as u64;
    }
}

fn round_div(value: u128, by: u32) -> u64 {
    let by = u128::from(by.max(1));
    u64::try_from((value + by / 2) / by).unwrap_or(u64::MAX)
}
