//! Frames of one link.

use std::{ops::Range, sync::Arc};

use media_plugin_sdk::AudioFormat;
use symphonia::core::codecs::audio::AudioDecoder;

use super::{
    Result, SourceError, codecs,
    conversion::FrameReader,
    demux::Demuxer,
    error::{guarded, is_end},
    link::Link,
    mpeg_header::MpegHeader,
    packet::TimedPacket,
};
use crate::convert::Remix;

/// Reads the frames of one link from any position and decodes on demand. Holds the frames of one packet.
pub(super) struct LinkReader {
    link: Arc<Link>,
    demuxer: Demuxer,
    decoder: Box<dyn AudioDecoder>,
    /// The decoded packet, interleaved.
    block: Vec<f32>,
    /// Number of channels of the packets so far, for a decoder that must be replaced if the number changes.
    packet_channels: Option<u16>,
    /// Position of the block's first frame: at or before `position`, or behind it if the file has a gap.
    block_start: i64,
    /// The next frame to return.
    position: u64,
    /// True if the file ended before the track did.
    is_exhausted: bool,
    damaged: u64,
    /// Frames whose silence counts.
    watched: Range<u64>,
    silenced: u64,
}

impl LinkReader {
    pub(super) fn new(link: Arc<Link>) -> Result<Self> {
        let demuxer = link.demuxer()?;
        let decoder = link.decoder()?;
        let mut reader = Self {
            link,
            demuxer,
            decoder,
            packet_channels: None,
            block: Vec::new(),
            block_start: 0,
            position: 0,
            is_exhausted: false,
            damaged: 0,
            watched: 0..u64::MAX,
            silenced: 0,
        };
        reader.clear();
        Ok(reader)
    }

    /// Number of packets that became silence because they cannot be decoded. A gap, and the missing end of a file that
    /// was cut, count as one packet. A packet that is read twice counts twice.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Counts the silence within the frames `range` from now on.
    pub(super) fn watch_silence(&mut self, range: Range<u64>) {
        self.watched = range;
        self.silenced = 0;
    }

    /// Number of watched frames that were silence in place of damaged or missing data.
    pub(super) fn silenced(&self) -> u64 {
        self.silenced
    }

    /// Moves to `frame`, or to the end if that comes first. A seek to the current position costs nothing, except with
    /// a codec that does not converge (AAC, Opus): its decoder restarts.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn seek(&mut self, frame: u64) -> Result<()> {
        let frame = frame.min(self.link.frames);
        if frame == self.position && (self.link.codec.converges || self.is_fresh()) {
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
    pub(super) fn read(&mut self, out: &mut [f32]) -> Result<usize> {
        let channels = self.channels();
        let left = self.link.frames - self.position;
        let wanted = (out.len() / channels).min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut done = 0;
        while done < wanted {
            let rest = &mut out[done * channels..wanted * channels];
            let offset = self.offset();
            let is_silence = self.is_exhausted || offset < 0;
            let copied = if is_silence {
                self.fill_silence(rest, channels, offset)
            } else {
                self.copy_block(rest, channels, offset)
            };
            if copied == 0 {
                self.decode()?;
            }
            done += copied;
            self.position += copied as u64;
        }
        Ok(wanted)
    }

    /// Writes silence up to the block's beginning, which lies `offset` frames after the position, or without end behind the
    /// last block. Returns the number of frames.
    fn fill_silence(&mut self, out: &mut [f32], channels: usize, offset: i64) -> usize {
        let wanted = out.len() / channels;
        let gap = if self.is_exhausted { wanted } else { wanted.min(clamp(offset.unsigned_abs())) };
        out[..gap * channels].fill(0.0);
        let end = self.position.saturating_add(gap as u64).min(self.watched.end);
        self.silenced += end.saturating_sub(self.position.max(self.watched.start));
        gap
    }

    /// Copies the block's frames from the position on, which lies `offset` frames into the block. Returns the number of frames.
    fn copy_block(&self, out: &mut [f32], channels: usize, offset: i64) -> usize {
        let wanted = out.len() / channels;
        let frames = self.block.len() / channels;
        let from = clamp(offset.unsigned_abs()).min(frames);
        let copied = wanted.min(frames - from);
        out[..copied * channels].copy_from_slice(&self.block[from * channels..(from + copied) * channels]);
        copied
    }

    /// Position relative to the first frame of the block.
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

    /// Resets the decoder and moves the demuxer back by the pre-roll, so that the frame at `position` decodes exactly.
    fn restart(&mut self) -> Result<()> {
        self.clear();
        if self.link.codec.needs_new_decoder || self.packet_channels.take().is_some() {
            self.decoder = self.link.decoder()?;
        } else {
            self.decoder.reset();
        }
        if self.position >= self.link.frames {
            return Ok(());
        }
        let pre_roll = i64::from(self.link.pre_roll());
        let target = self.link.origin.saturating_add(signed(self.position)).saturating_sub(pre_roll);
        match self.demuxer.seek(target) {
            Ok(()) => Ok(()),
            Err(symphonia::core::errors::Error::IoError(error)) if !is_end(&error) => {
                Err(SourceError::io(&self.link.path, error))
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
        let next = self.demuxer.next().map_err(|error| SourceError::io(&self.link.path, error))?;
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
            let is_audible = timed.end().saturating_sub(self.link.origin) > signed(self.position);
            self.damaged += u64::from(is_audible);
        }
        if self.link.gain != 1.0 {
            self.block.iter_mut().for_each(|sample| *sample *= self.link.gain);
        }
        self.block_start = self.place(&timed, expected);
        let is_gap = !self.block.is_empty() && self.block_start > signed(self.position);
        self.damaged += u64::from(is_gap);
        Ok(())
    }

    fn decode_packet(&mut self, timed: &TimedPacket) -> symphonia::core::errors::Result<()> {
        self.replace_decoder_for(&timed.packet.data)?;
        let channels = guarded(|| {
            let decoded = self.decoder.decode_ref(&timed.packet.as_packet_ref())?;
            decoded.copy_to_vec_interleaved(&mut self.block);
            Ok(decoded.spec().channels().count() as u16)
        })?;
        let wanted = self.link.format.channels;
        if channels == wanted {
            return Ok(());
        }
        let Ok(remix) = Remix::new(channels, wanted) else {
            return symphonia::core::errors::decode_error("a packet has too many channels");
        };
        let frames = self.block.len() / usize::from(channels);
        let mut mixed = vec![0.0; frames * usize::from(wanted)];
        remix.process(&self.block, &mut mixed);
        self.block = mixed;
        Ok(())
    }

    /// Replaces the decoder if `packet` has another number of channels than the packets before, which Symphonia's decoder
    /// of MPEG audio does not accept.
    fn replace_decoder_for(&mut self, packet: &[u8]) -> symphonia::core::errors::Result<()> {
        if !self.link.codec.may_change_channels {
            return Ok(());
        }
        let Some(header) = MpegHeader::parse(packet) else { return Ok(()) };
        let previous = self.packet_channels.replace(header.channels);
        if previous.is_some_and(|previous| previous != header.channels) {
            self.decoder = codecs::decoder(&self.link.params)?;
        }
        Ok(())
    }

    /// Position of the decoded block's first frame. If the block of a lossy codec is shorter than its packet, the decoder left
    /// out the beginning of the packet, since that overlaps with a packet it has not seen. A short block of a lossless codec
    /// lacks its end. Of a codec with a long start, a longer block also has frames from before the packet.
    fn place(&self, timed: &TimedPacket, expected: i64) -> i64 {
        let decoded = (self.block.len() / self.channels()) as u64;
        let mut missing = if self.link.codec.is_lossy { signed(timed.frames) - signed(decoded) } else { 0 };
        if !self.link.codec.has_long_start {
            missing = missing.max(0);
        }
        let start = timed.start.saturating_add(missing).saturating_sub(self.link.origin);
        if start.abs_diff(expected) <= self.link.slack { expected } else { start }
    }

    fn channels(&self) -> usize {
        usize::from(self.link.format.channels)
    }
}

impl FrameReader for LinkReader {
    fn format(&self) -> AudioFormat {
        self.link.format
    }

    fn seek(&mut self, frame: u64) -> Result<()> {
        Self::seek(self, frame)
    }

    fn read(&mut self, out: &mut [f32]) -> Result<usize> {
        Self::read(self, out)
    }

    fn is_cut_short(&self) -> bool {
        self.is_exhausted
    }
}

fn signed(frames: u64) -> i64 {
    i64::try_from(frames).unwrap_or(i64::MAX)
}

fn clamp(frames: u64) -> usize {
    usize::try_from(frames).unwrap_or(usize::MAX)
}
