//! Conversion of a range of frames to another rate and number of channels.

use std::{cell::RefCell, ops::Range};

use media_plugin_sdk::AudioFormat;

use super::Result;
use crate::convert::{BlockResampler, ConvertError, Remix};

/// Frames of a piece if the rate stays the same. With a resampler, a piece is one of its blocks.
const PIECE: usize = 2048;

thread_local! {
    /// Resampler of this thread's last conversion, for the next one to reuse. To build one takes as long as to resample a
    /// second of sound.
    static SPARE: RefCell<Option<(Rates, BlockResampler)>> = const { RefCell::new(None) };
}

/// The source's rate, the target's rate, and the target's channels.
type Rates = (u32, u32, u16);

/// Number of frames that `frames` frames at the rate `from` become at the rate `to`, rounded.
pub(super) fn converted_frames(frames: u64, from: u32, to: u32) -> u64 {
    let from = u128::from(from.max(1));
    let scaled = (u128::from(frames) * u128::from(to) + from / 2) / from;
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// A source of frames by position.
pub(super) trait FrameReader {
    /// Rate and channels.
    fn format(&self) -> AudioFormat;

    /// Moves to `frame`.
    fn seek(&mut self, frame: u64) -> Result<()>;

    /// Fills `out` with interleaved samples and returns the number of frames; fewer than fit only at the end.
    fn read(&mut self, out: &mut [f32]) -> Result<usize>;

    /// True if only silence is left to read because the file was cut.
    fn is_cut_short(&self) -> bool;
}

/// The conversion of a range of frames, piece by piece.
///
/// Its frames are a pure function of source, target format and range. If rate and channels stay the same they are the
/// source's frames. Otherwise each equals that of one resampler running over the whole source.
#[derive(Debug)]
pub(super) struct Conversion {
    remix: Remix,
    rates: Rates,
    resampler: Option<BlockResampler>,
    /// The next frame of the source, at the source's rate; negative before its beginning.
    at: i64,
    /// True if the reader was moved to `at` once. From then on it stays there by reading.
    is_placed: bool,
    source: Vec<f32>,
    mixed: Vec<f32>,
    output: Vec<f32>,
    /// Samples of `output` that are still to be returned.
    ready: Range<usize>,
    /// Frames at the target rate to drop before the range begins.
    skip: usize,
    /// Frames of the range that are still to be returned.
    left: u64,
    target_channels: usize,
}

impl Conversion {
    /// The conversion of frames `range`, counted at the target's rate.
    ///
    /// # Errors
    /// If `source` cannot be converted to `target`.
    pub(super) fn new(
        source: AudioFormat,
        target: AudioFormat,
        range: Range<i64>,
    ) -> std::result::Result<Self, ConvertError> {
        let rates = (source.rate, target.rate, target.channels);
        let remix = Remix::new(source.channels, target.channels)?;
        let resampler = take_resampler(rates)?;
        let (at, skip) = match &resampler {
            None => (range.start, 0),
            Some(resampler) => start(resampler, range.start),
        };
        let frames_in = resampler.as_ref().map_or(PIECE, BlockResampler::frames_in);
        let frames_out = resampler.as_ref().map_or(PIECE, BlockResampler::frames_out);
        Ok(Self {
            remix,
            rates,
            at,
            is_placed: false,
            source: vec![0.0; source.samples(frames_in)],
            mixed: vec![0.0; target.samples(frames_in)],
            output: vec![0.0; target.samples(frames_out)],
            resampler,
            ready: 0..0,
            skip,
            left: u64::try_from(range.end.saturating_sub(range.start)).unwrap_or(0),
            target_channels: usize::from(target.channels),
        })
    }

    /// Fills `out` with converted, interleaved samples of `reader`. Nothing else may move `reader` between two calls. Returns
    /// the number of frames: fewer than fit only at the end of the range, 0 only behind it.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn read(&mut self, reader: &mut impl FrameReader, out: &mut [f32]) -> Result<usize> {
        let fits = out.len() / self.target_channels;
        let wanted = fits.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let mut rest = &mut out[..wanted * self.target_channels];
        while !rest.is_empty() {
            if self.ready.is_empty() {
                self.refill(reader)?;
            }
            let copied = rest.len().min(self.ready.len());
            let (head, tail) = rest.split_at_mut(copied);
            head.copy_from_slice(&self.output[self.ready.start..self.ready.start + copied]);
            self.ready.start += copied;
            rest = tail;
        }
        self.left -= wanted as u64;
        Ok(wanted)
    }

    /// Converts the next piece into `output`.
    fn refill(&mut self, reader: &mut impl FrameReader) -> Result<()> {
        self.fetch(reader)?;
        let input = if self.remix.is_identity() {
            &self.source
        } else {
            self.remix.process(&self.source, &mut self.mixed);
            &self.mixed
        };
        match &mut self.resampler {
            Some(resampler) => resampler.process(input, &mut self.output),
            None => self.output.copy_from_slice(input),
        }
        let skipped = (self.skip * self.target_channels).min(self.output.len());
        self.skip -= skipped / self.target_channels;
        self.ready = skipped..self.output.len();
        Ok(())
    }

    /// Fills `source` with frames from `at` on, and with silence outside the track.
    fn fetch(&mut self, reader: &mut impl FrameReader) -> Result<()> {
        let channels = usize::from(reader.format().channels);
        let frames = self.source.len() / channels;
        let before = usize::try_from(self.at.min(0).unsigned_abs()).unwrap_or(usize::MAX).min(frames);
        self.source[..before * channels].fill(0.0);
        if before < frames && !self.is_placed {
            reader.seek(self.at.max(0).unsigned_abs())?;
            self.is_placed = true;
        }
        let read = if before < frames { reader.read(&mut self.source[before * channels..])? } else { 0 };
        self.source[(before + read) * channels..].fill(0.0);
        self.at = self.at.saturating_add_unsigned(frames as u64);
        Ok(())
    }
}

impl Drop for Conversion {
    fn drop(&mut self) {
        if let Some(resampler) = self.resampler.take() {
            SPARE.set(Some((self.rates, resampler)));
        }
    }
}

/// A resampler in its initial state; `None` if the rate stays the same. Channels are mixed before the resampler.
fn take_resampler(rates: Rates) -> std::result::Result<Option<BlockResampler>, ConvertError> {
    let (from, to, channels) = rates;
    if from == to {
        return Ok(None);
    }
    match SPARE.take() {
        Some((spare_rates, mut resampler)) if spare_rates == rates => {
            resampler.reset();
            Ok(Some(resampler))
        }
        _ => BlockResampler::new(from, to, channels).map(Some),
    }
}

/// The first frame to feed to the resampler, and the number of its output frames to drop before output frame `first`.
/// Blocks are counted from frame 0 of the track, and one extra block fills the resampler's overlap.
fn start(resampler: &BlockResampler, first: i64) -> (i64, usize) {
    let frames_in = resampler.frames_in() as i64;
    let frames_out = resampler.frames_out() as i64;
    let late = first.saturating_add(resampler.delay() as i64);
    let block = late.div_euclid(frames_out) - 1;
    let skip = late.rem_euclid(frames_out) + frames_out;
    (block.saturating_mul(frames_in), skip as usize)
}
