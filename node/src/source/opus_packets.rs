//! The packets of an Ogg Opus file, unchanged, for a client that decodes Opus.

use std::sync::Arc;

use symphonia::core::{codecs::audio::well_known::CODEC_ID_OPUS, errors::Error};

use super::{Result, SourceError, codecs, demux::Demuxer, error::is_end, link::Link, packet::TimedPacket};

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
    /// Frames between the start of the first packet and the track's first frame; at most 1 s.
    pub skip: u32,
    /// The mean bitrate of the packets alone, in bit/s.
    pub bitrate: u32,
    /// A packet with the length and kind of the first packet, but without audio data. A new decoder returns silence for it and
    /// stays in its initial state.
    pub silent_packet: [u8; 2],
}

impl OpusStream {
    /// Bytes of the longest packet.
    pub const MAX_PACKET: usize = codecs::MAX_OPUS_PACKET;

    /// Reads the whole file. `None` if the packets without their container would sound different, or if they cannot be cut
    /// into chunks: with gain, more than two channels, packets of different lengths, or gaps.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn find(link: &Link) -> Result<Option<Self>> {
        if !is_plain(link) {
            return Ok(None);
        }
        let mut demuxer = link.demuxer()?;
        let mut failure = None;
        let next = || {
            demuxer.next().unwrap_or_else(|error| {
                failure = Some(error);
                None
            })
        };
        let found = Self::of_packets(link, next);
        match failure {
            Some(error) => Err(SourceError::io(&link.path, error)),
            None => Ok(found),
        }
    }

    /// The stream of these packets, which are all of `link`.
    fn of_packets(link: &Link, mut next_packet: impl FnMut() -> Option<TimedPacket>) -> Option<Self> {
        let first = next_packet()?;
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
            next = next_packet();
        }
        let skip = u32::try_from(link.origin.checked_sub(start)?).ok().filter(|skip| *skip <= RATE)?;
        // If the container trims a packet or more at the end, the positions of the packets on the last page are ambiguous.
        let over = end.checked_sub(link.origin)?.checked_sub_unsigned(link.frames)?;
        let is_whole = start >= 0 && (0..i64::from(packet_frames)).contains(&over);
        let bits = u128::from(bytes) * 8 * u128::from(RATE);
        let bitrate = u32::try_from(bits / u128::from(end.abs_diff(start)).max(1)).ok()?;
        is_whole.then_some(Self { packet_frames, packets, skip, bitrate, silent_packet })
    }
}

/// True if the file is Ogg Opus of one or two channels (mapping family 0) without gain (RFC 7845, section 5.1).
fn is_plain(link: &Link) -> bool {
    let family = link.params.extra_data.as_deref().and_then(|head| head.get(18));
    let is_opus = link.params.codec == CODEC_ID_OPUS && link.container == "ogg";
    is_opus && family == Some(&0) && link.gain == 1.0 && (1..=2).contains(&link.format.channels)
}

/// Frames of a packet at 48 kHz. `None` for a malformed packet, and if 3 s is no multiple of its length.
fn frames_in(packet: &[u8]) -> Option<u32> {
    codecs::opus_frames(packet).filter(|frames| (3 * RATE).is_multiple_of(*frames))
}

/// A packet of the same configuration whose frames have no bytes (RFC 6716, section 3.2.5).
fn silent_packet(packet: &[u8]) -> Option<[u8; 2]> {
    Some([packet.first()? | 3, codecs::opus_frame_count(packet)?])
}

/// Reader of the packets of an [`OpusStream`]. For one user at a time, on a thread that may block on the disk.
pub struct OpusPackets {
    link: Arc<Link>,
    stream: OpusStream,
    demuxer: Demuxer,
    /// Number of the next packet.
    next: u64,
    /// The next packet, if a seek has read it.
    found: Option<TimedPacket>,
}

impl OpusPackets {
    pub(super) fn new(link: Arc<Link>, stream: OpusStream, first: u64) -> Result<Self> {
        let demuxer = link.demuxer()?;
        let mut packets = Self { link, stream, demuxer, next: first, found: None };
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
        let first = self.link.origin.saturating_sub(i64::from(self.stream.skip));
        let frames = packet.saturating_mul(u64::from(self.stream.packet_frames));
        first.saturating_add_unsigned(frames)
    }

    /// Moves to packet number `next`. Symphonia computes the positions of the packets on a page backwards, from the end
    /// position of the page. The end of the last page is trimmed, so its packets seem to begin at impossible positions. In
    /// that case, and if the seek ends behind its target, it is repeated from 1 s, 2 s, 4 s, ... before the target.
    fn seek(&mut self) -> Result<()> {
        let (first, target) = (self.start_of(0), self.start_of(self.next));
        let mut back = 0i64;
        loop {
            let at = target.saturating_sub(back).max(first);
            match self.demuxer.seek(at) {
                Ok(()) => {}
                Err(Error::IoError(error)) if !is_end(&error) => {
                    return Err(SourceError::io(&self.link.path, error));
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
        self.demuxer.next().map_err(|error| SourceError::io(&self.link.path, error))
    }

    fn damaged(&self) -> SourceError {
        let cause = format!("Opus packet {} has moved or is gone", self.next);
        SourceError::Damaged { path: self.link.path.clone(), cause }
    }
}

impl std::fmt::Debug for OpusPackets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpusPackets")
            .field("path", &self.link.path)
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
