//! Packets by position, from any container.

use std::sync::Arc;

use symphonia::core::{
    errors::{Error, Result},
    formats::{FormatReader, SeekMode, SeekTo},
    units::Timestamp,
};

use super::{
    error::{guarded, is_end},
    frame_stream::{Checkpoints, FrameStream},
    packet::{Clock, TimedPacket},
};

/// Damaged packets in a row after which the rest of a file is abandoned.
const MAX_FAILURES: u32 = 64;

/// The packets of one track. After an error or the end it returns nothing more until the next seek.
///
/// Tables of a few bytes may claim 2^32 packets. A sound file delivers no byte twice between two seeks, and at least one
/// byte for each packet. So all packets between two seeks may take as many bytes as the file has; further packets are
/// taken for the end.
pub(super) struct Demuxer {
    packets: Packets,
    track: u32,
    clock: Clock,
    failures: u32,
    /// Size of the file in bytes.
    file_bytes: u64,
    /// Bytes that packets may still take before the next seek.
    budget: u64,
}

enum Packets {
    /// The container has an index or time stamps.
    Indexed(Box<dyn FormatReader>),
    /// The file is nothing but packets.
    Bare(FrameStream),
}

impl Demuxer {
    /// The packets of `track` in a file of `file_bytes` bytes. `checkpoints` belong to a file that is nothing but
    /// packets.
    pub(super) fn new(
        file_bytes: u64,
        format: Box<dyn FormatReader>,
        track: u32,
        clock: Clock,
        checkpoints: Option<Arc<Checkpoints>>,
    ) -> Self {
        let packets = match checkpoints {
            None => Packets::Indexed(format),
            Some(checkpoints) => Packets::Bare(FrameStream::new(format, clock, checkpoints)),
        };
        Self { packets, track, clock, failures: 0, file_bytes, budget: file_bytes }
    }

    /// Moves to a packet that begins at or before `frame`, or to the first one.
    ///
    /// # Errors
    /// If the file cannot be read, or if no such packet can be found.
    pub(super) fn seek(&mut self, frame: i64) -> Result<()> {
        self.failures = 0;
        self.budget = self.file_bytes;
        match &mut self.packets {
            Packets::Bare(stream) => guarded(|| stream.seek(frame)),
            Packets::Indexed(format) => seek_back(format.as_mut(), self.track, self.clock, frame),
        }
    }

    /// Completes the checkpoints of a file that is nothing but packets. The position is undefined afterwards.
    pub(super) fn build_seek_index(&mut self) -> Result<()> {
        match &mut self.packets {
            Packets::Bare(stream) => guarded(|| stream.build_checkpoints()),
            Packets::Indexed(_) => Ok(()),
        }
    }

    /// Skips the packets whose length in frames is known without reading them.
    pub(super) fn skip_to_last_checkpoint(&mut self) -> Result<()> {
        match &mut self.packets {
            Packets::Bare(stream) => guarded(|| stream.skip_to_last_checkpoint()),
            Packets::Indexed(_) => Ok(()),
        }
    }

    /// Returns the next packet, or `None` if no further packet can be read. Skips damage.
    ///
    /// # Errors
    /// Only if the file cannot be read.
    pub(super) fn next(&mut self) -> std::io::Result<Option<TimedPacket>> {
        while self.failures < MAX_FAILURES && self.budget > 0 {
            let next = guarded(|| match &mut self.packets {
                Packets::Bare(stream) => stream.next(),
                Packets::Indexed(format) => {
                    let packet = format.next_packet()?;
                    Ok(packet.map(|packet| TimedPacket::new(packet, self.clock)))
                }
            });
            let bytes = match &next {
                Ok(Some(timed)) => timed.packet.data.len() as u64,
                _ => 0,
            };
            self.budget = self.budget.saturating_sub(bytes.max(1));
            match next {
                Ok(Some(timed)) if timed.packet.track_id != self.track => {}
                Ok(Some(timed)) => {
                    self.failures = 0;
                    return Ok(Some(timed));
                }
                Ok(None) | Err(Error::ResetRequired) => break,
                Err(Error::IoError(error)) if is_end(&error) => break,
                Err(Error::IoError(error)) => return Err(error),
                Err(_) => self.failures += 1,
            }
        }
        self.failures = MAX_FAILURES;
        Ok(None)
    }
}

/// Seeks to `frame`, or to ever earlier positions (1 s, 2 s, 4 s, ... before it) until a seek succeeds. Symphonia's
/// search fails if it meets the end of the file: in the last packets of a FLAC, and in a file that was cut.
fn seek_back(format: &mut dyn FormatReader, track_id: u32, clock: Clock, frame: i64) -> Result<()> {
    let mut back = 0i64;
    loop {
        let frame = frame.saturating_sub(back).max(0);
        let ts = Timestamp::new(clock.ticks(frame));
        match guarded(|| format.seek(SeekMode::Accurate, SeekTo::Timestamp { ts, track_id })) {
            Ok(_) => return Ok(()),
            Err(Error::IoError(error)) if !is_end(&error) => return Err(Error::IoError(error)),
            Err(error) if frame == 0 => return Err(error),
            Err(_) => back = back.saturating_mul(2).max(i64::from(clock.rate())),
        }
    }
}
