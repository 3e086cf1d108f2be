//! Packets by position, from any container.

use std::{fs::File, io::ErrorKind, ops::Range, path::PathBuf, sync::Arc};

use symphonia::core::{
    codecs::audio::AudioCodecParameters,
    errors::{Error, Result},
    formats::{
        FormatId, FormatReader, SeekMode, SeekTo,
        well_known::{FORMAT_ID_CAF, FORMAT_ID_FLAC, FORMAT_ID_OGG},
    },
    units::Timestamp,
};

use super::{
    container,
    error::{guarded, is_end},
    frame_stream::{Checkpoints, FrameStream},
    packet::{Clock, TimedPacket},
    read_limits::ReadLimits,
    timeline::{Anchors, Timeline},
};

/// Damaged packets in a row after which the rest of a file is abandoned.
const MAX_FAILURES: u32 = 64;

/// Bytes that are read for one packet, at most. More of them are damage, and the end of what can be played from here
/// on. Bounds the time in which an encoder thread looks for a packet. No test fixes the value.
const MAX_SCANNED: u64 = 16 << 20;
/// The same for one seek in a container whose reader searches for packets. No test fixes the value.
const MAX_SEARCHED: u64 = 64 << 20;

/// The packets of one track. After an error or the end it returns nothing more until the next seek.
///
/// A damaged table of a few bytes can claim 2^32 packets. An undamaged file delivers no byte twice between two seeks, and at
/// least one byte for each packet. So the packets between two seeks may have as many bytes as the container has. After that
/// the demuxer reports the end.
pub(super) struct Demuxer {
    packets: Packets,
    track: u32,
    clock: Clock,
    failures: u32,
    opener: Opener,
    /// Size of the container in bytes.
    container_bytes: u64,
    /// Bytes that packets may still take before the next seek.
    budget: u64,
}

enum Packets {
    /// The container has an index or exact time stamps.
    Indexed(Box<dyn FormatReader>),
    /// The container has rounded time stamps.
    Rounded(Box<dyn FormatReader>, Timeline),
    /// The container is nothing but packets.
    Bare(FrameStream),
}

/// Positions that all readers of a container share.
#[derive(Clone)]
pub(super) enum SeekIndex {
    /// The container has an index or exact time stamps.
    InContainer,
    /// The container has rounded time stamps.
    Anchors(Arc<Anchors>),
    /// The container is nothing but packets.
    Checkpoints(Arc<Checkpoints>),
}

/// The place of a container, to open it again.
#[derive(Clone)]
pub(super) struct Opener {
    pub(super) path: PathBuf,
    pub(super) id: FormatId,
    pub(super) range: Range<u64>,
}

impl Opener {
    fn open(&self) -> Result<Box<dyn FormatReader>> {
        container::open(File::open(&self.path)?, self.id, &self.range)
    }
}

impl Demuxer {
    /// The packets of `track` in the container that `opener` opens and `format` reads.
    pub(super) fn new(
        opener: Opener,
        format: Box<dyn FormatReader>,
        track: u32,
        clock: Clock,
        params: &AudioCodecParameters,
        index: SeekIndex,
    ) -> Self {
        let packets = match index {
            SeekIndex::InContainer => Packets::Indexed(format),
            SeekIndex::Anchors(anchors) => {
                Packets::Rounded(format, Timeline::new(anchors, params.clone(), clock))
            }
            SeekIndex::Checkpoints(checkpoints) => {
                Packets::Bare(FrameStream::new(format, clock, checkpoints))
            }
        };
        let container_bytes = opener.range.end.saturating_sub(opener.range.start);
        Self { packets, track, clock, failures: 0, opener, container_bytes, budget: container_bytes }
    }

    /// Moves to a packet that begins at or before `frame`, or to the first one.
    ///
    /// # Errors
    /// If the file cannot be read, or if no such packet can be found.
    pub(super) fn seek(&mut self, frame: i64) -> Result<()> {
        self.failures = 0;
        self.budget = self.container_bytes;
        match &mut self.packets {
            Packets::Bare(stream) => guarded(|| stream.seek(frame)),
            Packets::Indexed(format) => {
                // Symphonia's reader of CAF seeks forward to a wrong packet, and not at all behind the last one.
                if self.opener.id == FORMAT_ID_CAF {
                    *format = self.opener.open()?;
                }
                // Symphonia's reader of FLAC loses the last packet of a short file that it has read to the end before.
                if self.opener.id == FORMAT_ID_FLAC && frame <= 0 {
                    *format = self.opener.open()?;
                    return Ok(());
                }
                let mut seek = || seek_back(format.as_mut(), self.track, self.clock, frame);
                if !matches!(self.opener.id, FORMAT_ID_FLAC | FORMAT_ID_OGG) {
                    return seek();
                }
                let sought = ReadLimits::of_bytes(MAX_SEARCHED).run(seek);
                sought.unwrap_or_else(|_| Err(Error::IoError(ErrorKind::UnexpectedEof.into())))
            }
            Packets::Rounded(format, timeline) => {
                let sought = guarded(|| timeline.seek(format.as_mut(), self.track, frame));
                if matches!(sought, Ok(true)) {
                    return Ok(());
                }
                *format = self.opener.open()?;
                match sought {
                    Ok(_) => Ok(()),
                    // Without an index, as in a live recording, Symphonia seeks forward only.
                    Err(_) => guarded(|| timeline.seek(format.as_mut(), self.track, frame)).map(drop),
                }
            }
        }
    }

    /// Completes the checkpoints of a file that is nothing but packets. The position is undefined afterwards.
    pub(super) fn build_seek_index(&mut self) -> Result<()> {
        match &mut self.packets {
            Packets::Bare(stream) => guarded(|| stream.build_checkpoints()),
            Packets::Indexed(_) | Packets::Rounded(..) => Ok(()),
        }
    }

    /// Moves to the last checkpoint of a file that is nothing but packets. Does nothing in other containers.
    pub(super) fn skip_to_last_checkpoint(&mut self) -> Result<()> {
        match &mut self.packets {
            Packets::Bare(stream) => guarded(|| stream.skip_to_last_checkpoint()),
            Packets::Indexed(_) | Packets::Rounded(..) => Ok(()),
        }
    }

    /// Returns the next packet, or `None` if no further packet can be read. Skips damage.
    ///
    /// # Errors
    /// Only if the file cannot be read.
    pub(super) fn next(&mut self) -> std::io::Result<Option<TimedPacket>> {
        while self.failures < MAX_FAILURES && self.budget > 0 {
            let read = || match &mut self.packets {
                Packets::Bare(stream) => stream.next(),
                Packets::Rounded(format, timeline) => timeline.next(format.as_mut(), self.track),
                Packets::Indexed(format) => {
                    let packet = format.next_packet()?;
                    Ok(packet.map(|packet| TimedPacket::new(packet, self.clock)))
                }
            };
            let limits = ReadLimits::of_bytes(MAX_SCANNED);
            let Ok(next) = limits.run(|| guarded(read)) else { break };
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
