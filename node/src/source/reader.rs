use std::sync::Arc;

use symphonia::core::codecs::audio::AudioDecoder;

use super::{
    Result, SourceError,
    demux::{Demux, Timed},
    error::{guarded, is_end},
    open::Inner,
};

/// Reads frames of one source, at any position, decoding on demand.
///
/// What [`Reader::read`] gives after [`Reader::seek`] depends on the file and the position alone. Where data is damaged
/// or missing it gives silence of the same length, so that positions stay true to the end.
///
/// One user at a time, on any thread that may block on the disk. Holds one packet's worth of frames.
pub struct Reader {
    inner: Arc<Inner>,
    demux: Demux,
    decoder: Box<dyn AudioDecoder>,
    /// The decoded packet, interleaved.
    block: Vec<f32>,
    /// The position of the block's first frame; it may lie before [`Reader::position`], or after it (a gap).
    block_start: i64,
    /// The next frame to give.
    position: u64,
    /// Nothing more can be decoded from here on.
    ended: bool,
    damaged: u64,
}

impl Reader {
    pub(super) fn new(inner: Arc<Inner>) -> Result<Self> {
        let demux = inner.demux()?;
        let decoder = inner.decoder()?;
        let mut reader = Self {
            inner,
            demux,
            decoder,
            block: Vec::new(),
            block_start: 0,
            position: 0,
            ended: false,
            damaged: 0,
        };
        reader.forget();
        Ok(reader)
    }

    /// The next frame that [`Reader::read`] will give.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What is read.
    #[must_use]
    pub fn info(&self) -> &super::SourceInfo {
        &self.inner.info
    }

    /// The file that is read.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.inner.path
    }

    /// Packets that could not be decoded so far, each replaced by silence; a hole, or all that a file cut short lacks, is
    /// one. Those read again count again.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Whether all that is left is silence, for a file that was cut short.
    pub(super) fn is_cut_short(&self) -> bool {
        self.ended
    }

    /// Goes to `frame`, or to the end if that comes first. Costs nothing at the current position, but for the codecs
    /// (AAC, Opus) whose decoder would give something slightly different if it started there: it starts there.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn seek(&mut self, frame: u64) -> Result<()> {
        let frame = frame.min(self.inner.info.frames);
        if frame == self.position && (self.inner.traits.converges || self.is_fresh()) {
            return Ok(());
        }
        self.position = frame;
        self.restart()
    }

    /// Fills `out`, interleaved. Returns the number of frames; fewer than fit only where the track ends, 0 only at
    /// its end.
    ///
    /// # Errors
    /// When the file cannot be read. The position is then that of the first frame that was not given.
    pub fn read(&mut self, out: &mut [f32]) -> Result<usize> {
        let channels = usize::from(self.inner.info.format.channels);
        let left = self.inner.info.frames - self.position;
        let wanted = (out.len() / channels).min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut done = 0;
        while done < wanted {
            let rest = &mut out[done * channels..wanted * channels];
            let given = self.give(rest, channels);
            if given == 0 {
                self.decode()?;
            }
            done += given;
            self.position += given as u64;
        }
        Ok(wanted)
    }

    /// Copies what the block holds for this position, or silence up to where it begins.
    fn give(&self, out: &mut [f32], channels: usize) -> usize {
        let wanted = out.len() / channels;
        let offset = self.offset();
        if self.ended || offset < 0 {
            let gap = if self.ended { wanted } else { wanted.min(clamp(offset.unsigned_abs())) };
            out[..gap * channels].fill(0.0);
            return gap;
        }
        let held = self.block.len() / channels;
        let from = clamp(offset.unsigned_abs()).min(held);
        let given = wanted.min(held - from);
        out[..given * channels].copy_from_slice(&self.block[from * channels..(from + given) * channels]);
        given
    }

    /// The position relative to the block.
    fn offset(&self) -> i64 {
        signed(self.position).saturating_sub(self.block_start)
    }

    /// Whether nothing was decoded since the start or the last seek.
    fn is_fresh(&self) -> bool {
        self.block.is_empty() && !self.ended
    }

    fn forget(&mut self) {
        self.block.clear();
        self.block_start = i64::MIN;
        self.ended = false;
    }

    /// Starts anew so that the next block to give holds the position.
    fn restart(&mut self) -> Result<()> {
        self.forget();
        if self.inner.traits.needs_new_decoder {
            self.decoder = self.inner.decoder()?;
        } else {
            self.decoder.reset();
        }
        if self.position >= self.inner.info.frames {
            return Ok(());
        }
        let pre_roll = i64::from(self.inner.traits.pre_roll);
        let target = self.inner.origin.saturating_add(signed(self.position)).saturating_sub(pre_roll);
        match self.demux.seek(target) {
            Ok(()) => Ok(()),
            Err(symphonia::core::errors::Error::IoError(error)) if !is_end(&error) => {
                Err(SourceError::io(&self.inner.path, error))
            }
            Err(_) => {
                self.ended = true;
                self.damaged += 1;
                Ok(())
            }
        }
    }

    /// Decodes the next packet that holds frames at or after the position into the block.
    fn decode(&mut self) -> Result<()> {
        let next = self.demux.next().map_err(|error| SourceError::io(&self.inner.path, error))?;
        let Some(timed) = next else {
            // Frames were due here: the file is cut short.
            self.ended = true;
            self.damaged += 1;
            return Ok(());
        };
        let expected = self.block_start.saturating_add(signed((self.block.len() / self.channels()) as u64));
        self.block.clear();
        if self.decode_packet(&timed).is_err() {
            self.block.clear();
            let is_heard = timed.end().saturating_sub(self.inner.origin) > signed(self.position);
            self.damaged += u64::from(is_heard);
        }
        if self.inner.gain != 1.0 {
            self.block.iter_mut().for_each(|sample| *sample *= self.inner.gain);
        }
        self.block_start = self.place(&timed, expected);
        let is_gap = !self.block.is_empty() && self.block_start > signed(self.position);
        self.damaged += u64::from(is_gap);
        Ok(())
    }

    fn decode_packet(&mut self, timed: &Timed) -> symphonia::core::errors::Result<()> {
        let (decoder, block, channels) =
            (&mut self.decoder, &mut self.block, self.inner.info.format.channels);
        guarded(|| {
            let decoded = decoder.decode_ref(&timed.packet.as_packet_ref())?;
            if decoded.spec().channels().count() == usize::from(channels) {
                decoded.copy_to_vec_interleaved(block);
                return Ok(());
            }
            symphonia::core::errors::decode_error("another number of channels")
        })
    }

    /// Where the decoded block begins. A decoder that gives less than the packet's length has left out its beginning.
    fn place(&self, timed: &Timed, expected: i64) -> i64 {
        let held = (self.block.len() / self.channels()) as u64;
        let start = timed
            .start
            .saturating_add(signed(timed.frames.saturating_sub(held)))
            .saturating_sub(self.inner.origin);
        if start.abs_diff(expected) <= self.inner.slack { expected } else { start }
    }

    fn channels(&self) -> usize {
        usize::from(self.inner.info.format.channels)
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("path", &self.inner.path)
            .field("position", &self.position)
            .field("damaged", &self.damaged)
            .finish_non_exhaustive()
    }
}

fn signed(frames: u64) -> i64 {
    i64::try_from(frames).unwrap_or(i64::MAX)
}

fn clamp(frames: u64) -> usize {
    usize::try_from(frames).unwrap_or(usize::MAX)
}
