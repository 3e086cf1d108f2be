//! Packets whose time stamps are rounded, as in Matroska.
//!
//! A time stamp in milliseconds does not tell the exact frame at which a packet begins. So packets are placed one after
//! another by their own lengths. A time stamp counts only if it is off by more than a packet. The position of a packet then
//! depends on all packets before it, so all readers begin at the same [`Anchors`]. The node learns them when it opens the
//! file and reads through it once.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use symphonia::core::{
    codecs::audio::{AudioCodecParameters, well_known::CODEC_ID_VORBIS},
    errors::{Error, Result},
    formats::{FormatReader, SeekMode, SeekTo},
    units::Timestamp,
};

use super::{
    codecs,
    packet::{Clock, TimedPacket},
    vorbis_blocks::VorbisBlocks,
};

/// Packets between two anchors: 10 s of Opus.
const DISTANCE: u32 = 512;

/// Positions of some packets, shared by all readers of a file.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    /// Time stamp of the first packet, which lies at position 0.
    first_ticks: OnceLock<i64>,
    known: Mutex<Vec<Anchor>>,
}

/// Time stamp, first frame and length in frames of a packet. No earlier packet has the same time stamp.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    ticks: i64,
    frame: i64,
    frames: u64,
}

impl Anchors {
    fn learn(&self, anchor: Anchor) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.last().is_none_or(|last| last.frame < anchor.frame && last.ticks < anchor.ticks) {
            known.push(anchor);
        }
    }

    /// The last anchor at or before `frame`.
    fn before(&self, frame: i64) -> Option<Anchor> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let count = known.partition_point(|anchor| anchor.frame <= frame);
        count.checked_sub(1).map(|last| known[last])
    }
}

/// Places the packets of one reader.
pub(super) struct Timeline {
    anchors: Arc<Anchors>,
    params: AudioCodecParameters,
    /// Block sizes of Vorbis, whose packets overlap; `None` for other codecs.
    blocks: Option<VorbisBlocks>,
    /// Block size of the previous packet of Vorbis; 0 before the first.
    previous_block: u64,
    clock: Clock,
    /// Position behind the last packet; `None` before the first.
    end: Option<i64>,
    last_ticks: i64,
    since_anchor: u32,
    /// A packet that a seek has read.
    pending: Option<TimedPacket>,
}

impl Timeline {
    pub(super) fn new(anchors: Arc<Anchors>, params: AudioCodecParameters, clock: Clock) -> Self {
        let headers = params.extra_data.as_deref().filter(|_| params.codec == CODEC_ID_VORBIS);
        Self {
            blocks: headers.and_then(VorbisBlocks::parse),
            anchors,
            params,
            previous_block: 0,
            clock,
            end: None,
            last_ticks: i64::MIN,
            since_anchor: DISTANCE,
            pending: None,
        }
    }

    /// Frames of a packet, if its bytes tell.
    fn frames_of(&mut self, packet: &[u8]) -> Option<u64> {
        let Some(blocks) = &self.blocks else { return codecs::frames_of_packet(&self.params, packet) };
        let block = blocks.block(packet)?;
        let previous = std::mem::replace(&mut self.previous_block, block);
        // Only the overlap with the block before is finished. The first block has none.
        Some(if previous == 0 { 0 } else { (previous + block) / 4 })
    }

    /// Number of frames by which the time stamp of a packet of `frames` frames may be off. With Vorbis this is a long block at
    /// least, since programs disagree on the length of the first packet.
    fn tolerance(&self, frames: u64) -> u64 {
        let block = self.blocks.as_ref().map_or(0, VorbisBlocks::longest);
        frames.max(block).max(self.clock.slack().unsigned_abs())
    }

    /// Returns the next packet of `track`, or `None` at the end.
    pub(super) fn next(&mut self, format: &mut dyn FormatReader, track: u32) -> Result<Option<TimedPacket>> {
        if let Some(packet) = self.pending.take() {
            return Ok(Some(packet));
        }
        loop {
            let Some(packet) = format.next_packet()? else { return Ok(None) };
            if packet.track_id != track {
                continue;
            }
            let ticks = packet.pts.get();
            let frames = self.frames_of(&packet.data);
            let mut timed = TimedPacket::new(packet, self.clock);
            timed.frames = frames.unwrap_or(timed.frames);
            let first_ticks = *self.anchors.first_ticks.get_or_init(|| ticks);
            timed.start = self.clock.frames(ticks.saturating_sub(first_ticks));
            let tolerance = self.tolerance(timed.frames);
            timed.start = match self.end {
                Some(end) if timed.start.abs_diff(end) <= tolerance => end,
                _ => timed.start,
            };
            self.end = Some(timed.end());
            if self.since_anchor >= DISTANCE && ticks > self.last_ticks {
                self.anchors.learn(Anchor { ticks, frame: timed.start, frames: timed.frames });
                self.since_anchor = 0;
            }
            self.since_anchor += 1;
            self.last_ticks = ticks;
            return Ok(Some(timed));
        }
    }

    /// Moves to the last anchor at or before `frame`. Returns false if there is none; the caller must then open the container
    /// again.
    pub(super) fn seek(&mut self, format: &mut dyn FormatReader, track: u32, frame: i64) -> Result<bool> {
        self.pending = None;
        self.end = None;
        self.previous_block = 0;
        self.last_ticks = i64::MAX;
        let Some(anchor) = self.anchors.before(frame).filter(|anchor| anchor.ticks > 0) else {
            self.last_ticks = i64::MIN;
            return Ok(false);
        };
        let to = SeekTo::Timestamp { ts: Timestamp::new(anchor.ticks), track_id: track };
        format.seek(SeekMode::Accurate, to)?;
        while let Some(packet) = format.next_packet()? {
            if packet.track_id != track || packet.pts.get() < anchor.ticks {
                continue;
            }
            if packet.pts.get() > anchor.ticks {
                break;
            }
            // Stores the block size of Vorbis, on which the length of the next packet depends.
            self.frames_of(&packet.data);
            let mut timed = TimedPacket::new(packet, self.clock);
            timed.frames = anchor.frames;
            timed.start = anchor.frame;
            self.end = Some(timed.end());
            self.pending = Some(timed);
            return Ok(true);
        }
        Err(Error::SeekError(symphonia::core::errors::SeekErrorKind::OutOfRange))
    }
}
