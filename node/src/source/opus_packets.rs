//! The packets of an Ogg Opus file, unchanged, for a client that decodes Opus.

use std::sync::Arc;

use symphonia::core::{codecs::audio::well_known::CODEC_ID_OPUS, errors::Error};

use super::{
    Result, SourceError, demux::Demuxer, error::is_end, packet::TimedPacket, source_file::SourceFile,
};

/// Frames per second of the Opus timeline.
const RATE: u32 = 48_000;

/// A gapless stream of Opus packets of equal length; only the last may be shorter. Packet `n` begins at the track's frame
/// `n * packet_frames - skip`, at 48 kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusStream {
    /// Frames in a packet: 120 to 5760.
    pub packet_frames: u32,
    /// Number of packets.
    pub packets: u64,
    /// Frames of the first packets that precede the track; at most 1 s.
    pub skip: u32,
    /// The mean bitrate of the packets alone, in bit/s.
    pub bitrate: u32,
    /// A packet of the first one's length and kind without data. A new decoder returns silence for it and keeps its
    /// initial state.
    pub silent_packet: [u8; 2],
}

impl OpusStream {
    /// Bytes of the longest packet: 48 frames of 1275 bytes with their lengths (RFC 6716, section 3.4).
    pub const MAX_PACKET: usize = 2 + 48 * (1275 + 2);

    /// Reads the whole file. `None` if the packets alone do not sound like the file, or cannot be cut into chunks: gain,
    /// more than two channels, packets of different lengths, gaps.
    pub(super) fn find(file: &SourceFile) -> Option<Self> {
        if !is_plain(file) {
            return None;
        }
        let mut demuxer = file.demuxer().ok()?;
        let first = demuxer.next().ok()??;
        let (start, packet_frames) = (first.start, frames_in(&first.packet.data)?);
        let silent_packet = silent_packet(&first.packet.data)?;
        let (mut packets, mut bytes, mut end, mut next) = (0u64, 0u64, start, Some(first));
        let mut length = packet_frames;
        while let Some(TimedPacket { start, frames, packet }) = next {
            // Only the last packet may be shorter.
            let is_next = start == end && length == packet_frames;
            length = frames_in(&packet.data)
                .filter(|found| *found <= packet_frames && u64::from(*found) == frames)?;
            if !is_next {
                return None;
            }
            packets += 1;
            bytes += packet.data.len() as u64;
            end = end.checked_add_unsigned(frames)?;
            next = demuxer.next().ok()?;
        }
        let skip = u32::try_from(file.origin.checked_sub(start)?).ok().filter(|skip| *skip <= RATE)?;
        // Trimming a packet or more at the end would make positions on the last page ambiguous.
        let over = end.checked_sub(file.origin)?.checked_sub_unsigned(file.info.frames)?;
        let is_whole = start >= 0 && (0..i64::from(packet_frames)).contains(&over);
        let bits = u128::from(bytes) * 8 * u128::from(RATE);
        let bitrate = u32::try_from(bits / u128::from(end.abs_diff(start)).max(1)).ok()?;
        is_whole.then_some(Self { packet_frames, packets, skip, bitrate, silent_packet })
    }
}

/// True if the file is Ogg Opus of one or two channels (mapping family 0) without gain (RFC 7845, section 5.1).
fn is_plain(file: &SourceFile) -> bool {
    let family = file.params.extra_data.as_deref().and_then(|head| head.get(18));
    let is_opus = file.params.codec == CODEC_ID_OPUS && file.info.container == "ogg";
    is_opus && family == Some(&0) && file.gain == 1.0 && (1..=2).contains(&file.info.format.channels)
}

/// Frames of a packet at 48 kHz; `None` for a malformed packet and for a length of which 3 s is no multiple.
fn frames_in(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first().filter(|_| packet.len() <= OpusStream::MAX_PACKET)?;
    // RFC 6716, table 2: length of one Opus frame.
    let frame = match toc >> 3 {
        config @ ..12 => [480, 960, 1920, 2880][usize::from(config % 4)],
        config @ 12..16 => [480, 960][usize::from(config % 2)],
        config => 120 << (config % 4),
    };
    let frames = frame * u32::from(count_in(packet)?);
    ((1..=5760).contains(&frames) && (3 * RATE).is_multiple_of(frames)).then_some(frames)
}

/// Number of Opus frames in a packet (RFC 6716, section 3.2).
fn count_in(packet: &[u8]) -> Option<u8> {
    match packet.first()? & 3 {
        0 => Some(1),
        1 | 2 => Some(2),
        _ => packet.get(1).map(|count| count & 0x3f),
    }
}

/// A packet of the same configuration whose frames have no bytes (RFC 6716, section 3.2.5).
fn silent_packet(packet: &[u8]) -> Option<[u8; 2]> {
    Some([packet.first()? | 3, count_in(packet)?])
}

/// Reader of the packets of an [`OpusStream`]. For one user at a time, on a thread that may block on the disk.
pub struct OpusPackets {
    file: Arc<SourceFile>,
    stream: OpusStream,
    demuxer: Demuxer,
    /// Number of the next packet.
    next: u64,
    /// The next packet, if a seek has read it.
    found: Option<TimedPacket>,
}

impl OpusPackets {
    pub(super) fn new(file: Arc<SourceFile>, stream: OpusStream, first: u64) -> Result<Self> {
        let demuxer = file.demuxer()?;
        let mut packets = Self { file, stream, demuxer, next: first, found: None };
        if first > 0 {
            packets.seek()?;
        }
        Ok(packets)
    }

    /// Returns the next packet, or `None` after the last.
    ///
    /// # Errors
    /// If the file cannot be read or was modified.
    pub fn next_packet(&mut self) -> Result<Option<Box<[u8]>>> {
        if self.next >= self.stream.packets {
            return Ok(None);
        }
        let next = match self.found.take() {
            Some(found) => Some(found),
            None => self.read()?,
        };
        let packet =
            next.filter(|timed| timed.start == self.start_of(self.next)).ok_or_else(|| self.damaged())?;
        self.next += 1;
        Ok(Some(packet.packet.data))
    }

    /// Position of a packet on the codec's timeline.
    fn start_of(&self, packet: u64) -> i64 {
        let first = self.file.origin.saturating_sub(i64::from(self.stream.skip));
        let frames = packet.saturating_mul(u64::from(self.stream.packet_frames));
        first.saturating_add_unsigned(frames)
    }

    /// Moves to packet number `next`. Symphonia computes the positions of a page's packets backwards from the page's end
    /// position. That of the last page is trimmed, so its packets seem to lie between possible positions. In that case,
    /// and if the seek overshoots, the seek is repeated from ever further before the target.
    fn seek(&mut self) -> Result<()> {
        let (first, target) = (self.start_of(0), self.start_of(self.next));
        let mut back = 0i64;
        loop {
            let at = target.saturating_sub(back).max(first);
            match self.demuxer.seek(at) {
                Ok(()) => {}
                Err(Error::IoError(error)) if !is_end(&error) => {
                    return Err(SourceError::io(&self.file.path, error));
                }
                Err(_) if at == first => return Err(self.damaged()),
                Err(_) => {}
            }
            let step = i64::from(self.stream.packet_frames);
            let mut next = self.read()?;
            next = next.filter(|timed| timed.start <= target && (timed.start - first) % step == 0);
            while next.as_ref().is_some_and(|timed| timed.start < target) {
                next = self.read()?;
            }
            if next.as_ref().is_some_and(|timed| timed.start == target) {
                self.found = next;
                return Ok(());
            }
            if at == first {
                return Err(self.damaged());
            }
            back = back.saturating_mul(2).max(i64::from(RATE));
        }
    }

    fn read(&mut self) -> Result<Option<TimedPacket>> {
        self.demuxer.next().map_err(|error| SourceError::io(&self.file.path, error))
    }

    fn damaged(&self) -> SourceError {
        let cause = format!("Opus packet {} has moved or is gone", self.next);
        SourceError::Damaged { path: self.file.path.clone(), cause }
    }
}

impl std::fmt::Debug for OpusPackets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpusPackets")
            .field("path", &self.file.path)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packets_length_is_read_from_its_first_bytes() {
        let toc = |config: u8, code: u8| (config << 3) | code;
        for (packet, frames) in [
            (&[toc(0, 0)][..], Some(480)),
            (&[toc(3, 0)], Some(2880)),
            (&[toc(3, 1)], Some(5760)),
            (&[toc(12, 0)], Some(480)),
            (&[toc(13, 2)], Some(1920)),
            (&[toc(16, 0)], Some(120)),
            (&[toc(31, 0)], Some(960)),
            (&[toc(31, 3), 3], Some(2880)),
            (&[toc(31, 3), 0b1100_0110], Some(5760)),
            (&[toc(16, 3), 48], Some(5760)),
            (&[toc(31, 3), 4], None),
            (&[toc(31, 3), 0], None),
            (&[toc(31, 3), 7], None),
            (&[toc(3, 3), 63], None),
            (&[toc(31, 3)], None),
            (&[], None),
        ] {
            assert_eq!(frames_in(packet), frames, "{packet:?}");
        }
        let silent = silent_packet(&[toc(19, 1), 1, 2]).unwrap();
        assert_eq!((silent, frames_in(&silent)), ([toc(19, 3), 2], Some(1920)));
        assert_eq!(frames_in(&vec![0; OpusStream::MAX_PACKET]), Some(480));
        assert_eq!(frames_in(&vec![0; OpusStream::MAX_PACKET + 1]), None);
    }
}
