use std::{cell::RefCell, ops::Range};

use media_plugin_sdk::AudioFormat;

use super::{Reader, Result, SourceError};
use crate::convert::{Blocks, ConvertError, Remix};

/// Frames moved at once where the rate stays the same.
const PIECE: usize = 2048;

thread_local! {
    /// The resampler of this thread's last window: to make one takes as long as to resample a second of sound.
    static SPARE: RefCell<Option<(Rates, Blocks)>> = const { RefCell::new(None) };
}

/// From, to, and the number of channels.
type Rates = (u32, u32, u16);

/// A range of a source's frames at another rate and channel count, a piece at a time.
///
/// It is a pure function of (file, target, range): the same bits whichever reader it was made from, wherever that
/// stood. Where rate and channels stay the same it is exactly what the file holds. Elsewhere every frame is exactly
/// what one resampler would give that ran over the whole track, so that neighbouring windows join without a seam.
///
/// Frame `n` of the target lies at the instant `n / rate`; the track has [`Window::frames`] of them. What lies before 0
/// and after the end is silence.
#[derive(Debug)]
pub struct Window<'a> {
    reader: &'a mut Reader,
    remix: Remix,
    rates: Rates,
    blocks: Option<Blocks>,
    /// The next frame of the source, at its rate; negative before its beginning.
    at: i64,
    /// Whether the reader stands at `at`.
    is_placed: bool,
    source: Vec<f32>,
    mixed: Vec<f32>,
    output: Vec<f32>,
    /// Samples of `output` that are not yet handed out.
    ready: Range<usize>,
    /// Frames at the target rate still to throw away, then to hand out.
    skip: usize,
    left: u64,
    target_channels: usize,
}

impl<'a> Window<'a> {
    /// The frames `range` of what `reader` reads, in the format `target`. The reader is moved.
    ///
    /// # Errors
    /// `Convert` when there is no way from the source's format to `target`.
    pub fn new(reader: &'a mut Reader, target: AudioFormat, range: Range<i64>) -> Result<Self> {
        let source = reader.info().format;
        let path = reader.path().to_owned();
        let convert = |cause: ConvertError| SourceError::Convert { path: path.clone(), cause };
        let rates = (source.rate, target.rate, target.channels);
        let remix = Remix::new(source.channels, target.channels).map_err(convert)?;
        let blocks = resampler(rates).map_err(convert)?;
        let (at, skip) = match &blocks {
            None => (range.start, 0),
            Some(blocks) => start(blocks, range.start),
        };
        let frames_in = blocks.as_ref().map_or(PIECE, Blocks::frames_in);
        let frames_out = blocks.as_ref().map_or(PIECE, Blocks::frames_out);
        Ok(Self {
            remix,
            rates,
            at,
            is_placed: false,
            source: vec![0.0; source.samples(frames_in)],
            mixed: vec![0.0; target.samples(frames_in)],
            output: vec![0.0; target.samples(frames_out)],
            blocks,
            ready: 0..0,
            skip,
            left: u64::try_from(range.end.saturating_sub(range.start)).unwrap_or(0),
            target_channels: usize::from(target.channels),
            reader,
        })
    }

    /// How many frames a track of `frames` frames has at another rate.
    #[must_use]
    pub fn frames(frames: u64, from: u32, to: u32) -> u64 {
        let from = u128::from(from.max(1));
        let scaled = (u128::from(frames) * u128::from(to) + from / 2) / from;
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }

    /// Fills `out`, interleaved in the target's channels. Returns the number of frames; fewer than fit only at the end
    /// of the range, 0 only there.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&mut self, out: &mut [f32]) -> Result<usize> {
        let fits = out.len() / self.target_channels;
        let wanted = fits.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let mut rest = &mut out[..wanted * self.target_channels];
        while !rest.is_empty() {
            if self.ready.is_empty() {
                self.refill()?;
            }
            let given = rest.len().min(self.ready.len());
            let (head, tail) = rest.split_at_mut(given);
            head.copy_from_slice(&self.output[self.ready.start..self.ready.start + given]);
            self.ready.start += given;
            rest = tail;
        }
        self.left -= wanted as u64;
        Ok(wanted)
    }

    /// Whether what comes next is silence in place of what a file that was cut short lacks.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        self.reader.is_cut_short()
    }

    /// Makes the next piece of output ready.
    fn refill(&mut self) -> Result<()> {
        self.fetch()?;
        let input = if self.remix.is_identity() {
            &self.source
        } else {
            self.remix.process(&self.source, &mut self.mixed);
            &self.mixed
        };
        match &mut self.blocks {
            Some(blocks) => blocks.process(input, &mut self.output),
            None => self.output.copy_from_slice(input),
        }
        let skipped = (self.skip * self.target_channels).min(self.output.len());
        self.skip -= skipped / self.target_channels;
        self.ready = skipped..self.output.len();
        Ok(())
    }

    /// Fills `source` from the position on, with silence outside the track.
    fn fetch(&mut self) -> Result<()> {
        let channels = usize::from(self.reader.info().format.channels);
        let frames = self.source.len() / channels;
        let before = usize::try_from(self.at.min(0).unsigned_abs()).unwrap_or(usize::MAX).min(frames);
        self.source[..before * channels].fill(0.0);
        if before < frames && !self.is_placed {
            self.reader.seek(self.at.max(0).unsigned_abs())?;
            self.is_placed = true;
        }
        let read =
            if before < frames { self.reader.read(&mut self.source[before * channels..])? } else { 0 };
        self.source[(before + read) * channels..].fill(0.0);
        self.at = self.at.saturating_add_unsigned(frames as u64);
        Ok(())
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        if let Some(blocks) = self.blocks.take() {
            SPARE.set(Some((self.rates, blocks)));
        }
    }
}

/// What changes the rate, as new; `None` where it stays. Channels are folded before resampling and spread out after it
/// would be the same; here both come before.
fn resampler(rates: Rates) -> std::result::Result<Option<Blocks>, ConvertError> {
    let (from, to, channels) = rates;
    if from == to {
        return Ok(None);
    }
    match SPARE.take() {
        Some((of, mut blocks)) if of == rates => {
            blocks.reset();
            Ok(Some(blocks))
        }
        _ => Blocks::new(from, to, channels).map(Some),
    }
}

/// The frame in and the frames out to throw away so that the next one out is frame `first`: whole blocks, counted from
/// frame 0 of the track, and one block ahead.
fn start(blocks: &Blocks, first: i64) -> (i64, usize) {
    let (frames_in, frames_out) = (blocks.frames_in() as i64, blocks.frames_out() as i64);
    let late = first.saturating_add(blocks.delay() as i64);
    let block = late.div_euclid(frames_out) - 1;
    let skip = late.rem_euclid(frames_out) + frames_out;
    (block.saturating_mul(frames_in), skip as usize)
}
