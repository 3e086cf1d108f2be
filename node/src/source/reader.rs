use std::sync::Arc;

use symphonia::core::codecs::audio::AudioDecoder;

use super::{
    Result, SourceError,
    demux::Demuxer,
    error::{guarded, is_end},
    packet::TimedPacket,
    source_file::SourceFile,
};

/// Reads the frames of one source from any position and decodes on demand.
///
/// The frames that [`Reader::read`] returns after [`Reader::seek`] depend on the file and the position alone. Damaged or
/// missing data becomes silence of the same length, so that later positions stay true.
///
/// For one user at a time, on a thread that may block on the disk. Holds the frames of one packet.
pub struct Reader {
    file: Arc<SourceFile>,
    demuxer: Demuxer,
    decoder: Box<dyn AudioDecoder>,
    /// The decoded packet, interleaved.
    block: Vec<f32>,
    /// Position of the block's first frame. It may lie before [`Reader::position`], or behind it if there is a gap.
    block_start: i64,
    /// The next frame to return.
    position: u64,
    /// True if the file ended before the track did.
    is_exhausted: bool,
    damaged: u64,
}

impl Reader {
    pub(super) fn new(file: Arc<SourceFile>) -> Result<Self> {
        let demuxer = file.demuxer()?;
        let decoder = file.decoder()?;
        let mut reader = Self {
            file,
            demuxer,
            decoder,
            block: Vec::new(),
            block_start: 0,
            position: 0,
            is_exhausted: false,
            damaged: 0,
        };
        reader.clear();
        Ok(reader)
    }

    /// The next frame that [`Reader::read`] returns.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Facts about the source.
    #[must_use]
    pub fn info(&self) -> &super::SourceInfo {
        &self.file.info
    }

    /// The source's file.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.file.path
    }

    /// Number of packets that became silence because they cannot be decoded. A gap, and the missing end of a file that
    /// was cut, count as one packet. A packet that is read twice counts twice.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// True if the file was cut and only silence is left of the track.
    pub(super) fn is_cut_short(&self) -> bool {
        self.is_exhausted
    }

    /// Moves to `frame`, or to the end if that comes first. At the current position this costs nothing, except for
    /// codecs whose decoder does not converge (AAC, Opus): it restarts.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn seek(&mut self, frame: u64) -> Result<()> {
        let frame = frame.min(self.file.info.frames);
        if frame == self.position && (self.file.codec.converges || self.is_fresh()) {
            return Ok(());
        }
        self.position = frame;
        self.restart()
    }

    /// Fills `out` with interleaved samples. Returns the number of frames: fewer than fit only at the end of the track,
    /// 0 only behind it.
    ///
    /// # Errors
    /// If the file cannot be read. The position is then behind the frames that were written to `out`.
    pub fn read(&mut self, out: &mut [f32]) -> Result<usize> {
        let channels = self.channels();
        let left = self.file.info.frames - self.position;
        let wanted = (out.len() / channels).min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut done = 0;
        while done < wanted {
            let rest = &mut out[done * channels..wanted * channels];
            let copied = self.copy_block(rest, channels);
            if copied == 0 {
                self.decode()?;
            }
            done += copied;
            self.position += copied as u64;
        }
        Ok(wanted)
    }

    /// Copies the block's frames from the position on, or silence up to the block's beginning. Returns the number of
    /// frames.
    fn copy_block(&self, out: &mut [f32], channels: usize) -> usize {
        let wanted = out.len() / channels;
        let offset = self.offset();
        if self.is_exhausted || offset < 0 {
            let gap = if self.is_exhausted { wanted } else { wanted.min(clamp(offset.unsigned_abs())) };
            out[..gap * channels].fill(0.0);
            return gap;
        }
        let frames = self.block.len() / channels;
        let from = clamp(offset.unsigned_abs()).min(frames);
        let copied = wanted.min(frames - from);
        out[..copied * channels].copy_from_slice(&self.block[from * channels..(from + copied) * channels]);
        copied
    }

    /// The position relative to the block.
    fn offset(&self) -> i64 {
        signed(self.position).saturating_sub(self.block_start)
    }

    /// True if no packet was decoded since the start or the last seek.
    fn is_fresh(&self) -> bool {
        self.block.is_empty() && !self.is_exhausted
    }

    fn clear(&mut self) {
        self.block.clear();
        self.block_start = i64::MIN;
        self.is_exhausted = false;
    }

    /// Resets the decoder and seeks, so that the next wanted block holds the position.
    fn restart(&mut self) -> Result<()> {
        self.clear();
        if self.file.codec.needs_new_decoder {
            self.decoder = self.file.decoder()?;
        } else {
            self.decoder.reset();
        }
        if self.position >= self.file.info.frames {
            return Ok(());
        }
        let pre_roll = i64::from(self.file.codec.pre_roll(self.file.info.format.rate));
        let target = self.file.origin.saturating_add(signed(self.position)).saturating_sub(pre_roll);
        match self.demuxer.seek(target) {
            Ok(()) => Ok(()),
            Err(symphonia::core::errors::Error::IoError(error)) if !is_end(&error) => {
                Err(SourceError::io(&self.file.path, error))
            }
            Err(_) => {
                self.is_exhausted = true;
                self.damaged += 1;
                Ok(())
            }
        }
    }

    /// Decodes the next packet into the block.
    fn decode(&mut self) -> Result<()> {
        let next = self.demuxer.next().map_err(|error| SourceError::io(&self.file.path, error))?;
        let Some(timed) = next else {
            // The track has more frames than the file, which was cut.
            self.is_exhausted = true;
            self.damaged += 1;
            return Ok(());
        };
        let expected = self.block_start.saturating_add(signed((self.block.len() / self.channels()) as u64));
        self.block.clear();
        if self.decode_packet(&timed).is_err() {
            self.block.clear();
            let is_audible = timed.end().saturating_sub(self.file.origin) > signed(self.position);
            self.damaged += u64::from(is_audible);
        }
        if self.file.gain != 1.0 {
            self.block.iter_mut().for_each(|sample| *sample *= self.file.gain);
        }
        self.block_start = self.place(&timed, expected);
        let is_gap = !self.block.is_empty() && self.block_start > signed(self.position);
        self.damaged += u64::from(is_gap);
        Ok(())
    }

    fn decode_packet(&mut self, timed: &TimedPacket) -> symphonia::core::errors::Result<()> {
        let channels = self.channels();
        guarded(|| {
            let decoded = self.decoder.decode_ref(&timed.packet.as_packet_ref())?;
            if decoded.spec().channels().count() == channels {
                decoded.copy_to_vec_interleaved(&mut self.block);
                return Ok(());
            }
            symphonia::core::errors::decode_error("another number of channels")
        })
    }

    /// Position of the decoded block's first frame. If the block is shorter than the packet, the decoder left out the
    /// packet's beginning.
    fn place(&self, timed: &TimedPacket, expected: i64) -> i64 {
        let decoded = (self.block.len() / self.channels()) as u64;
        let start = timed
            .start
            .saturating_add(signed(timed.frames.saturating_sub(decoded)))
            .saturating_sub(self.file.origin);
        if start.abs_diff(expected) <= self.file.slack { expected } else { start }
    }

    fn channels(&self) -> usize {
        usize::from(self.file.info.format.channels)
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("path", &self.file.path)
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
