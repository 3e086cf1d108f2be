//! The packets of an Ogg Opus file as they are, for a listener that decodes them itself.

use std::sync::Arc;

use symphonia::core::{codecs::audio::well_known::CODEC_ID_OPUS, errors::Error};

use super::{
    Result, SourceError,
    demux::{Demux, Timed},
    error::is_end,
    open::Inner,
};

/// Frames per second of everything in Opus.
const RATE: u32 = 48_000;

/// A stream of Opus packets without a hole, all of one length but the last, which may be shorter. Packet `n` holds the track's frames from
/// `n * packet_frames - skip` on, at 48 kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusStream {
    /// Frames in a packet: 120 to 5760.
    pub packet_frames: u32,
    /// How many packets there are.
    pub packets: u64,
    /// Frames before the track's first; at most 1 s.
    pub skip: u32,
    /// The mean bitrate of the packets alone, in bit/s.
    pub bitrate: u32,
    /// A packet of the same length and kind as the first without data in it; a decoder as new gives silence for it and
    /// stays as new.
    pub nothing: [u8; 2],
}

impl OpusStream {
    /// The longest packet: 48 frames of 1275 bytes with their lengths (RFC 6716, section 3.4).
    pub const MAX_PACKET: usize = 2 + 48 * (1275 + 2);

    /// Looks through the whole file. `None` where its packets, handed on, would not give what the file does, or where they
    /// can't be cut into chunks: gain, more than two channels, packets of several lengths, holes.
    pub(super) fn find(inner: &Inner) -> Option<Self> {
        if !is_plain(inner) {
            return None;
        }
        let mut demux = inner.demux().ok()?;
        let first = demux.next().ok()??;
        let (start, packet_frames) = (first.start, frames_in(&first.packet.data)?);
        let nothing = nothing(&first.packet.data)?;
        let (mut packets, mut bytes, mut end, mut next) = (0u64, 0u64, start, Some(first));
        let mut length = packet_frames;
        while let Some(Timed { start, frames, packet }) = next {
            // The last may be shorter: after that one comes none.
            let is_next = start == end && length == packet_frames;
            length = frames_in(&packet.data).filter(|it| *it <= packet_frames && u64::from(*it) == frames)?;
            if !is_next {
                return None;
            }
            packets += 1;
            bytes += packet.data.len() as u64;
            end = end.checked_add_unsigned(frames)?;
            next = demux.next().ok()?;
        }
        let skip = u32::try_from(inner.origin.checked_sub(start)?).ok().filter(|skip| *skip <= RATE)?;
        // What is cut off at the end is less than a packet; otherwise positions on the last page could not be told.
        let over = end.checked_sub(inner.origin)?.checked_sub_unsigned(inner.info.frames)?;
        let is_whole = start >= 0 && (0..i64::from(packet_frames)).contains(&over);
        let bits = u128::from(bytes) * 8 * u128::from(RATE);
        let bitrate = u32::try_from(bits / u128::from(end.abs_diff(start)).max(1)).ok()?;
        is_whole.then_some(Self { packet_frames, packets, skip, bitrate, nothing })
    }
}

/// One or two channels of Opus in Ogg (mapping family 0), played at the volume that they are stored in (RFC 7845, section
/// 5.1).
fn is_plain(inner: &Inner) -> bool {
    let family = inner.params.extra_data.as_deref().and_then(|head| head.get(18));
    let is_opus = inner.params.codec == CODEC_ID_OPUS && inner.info.container == "ogg";
    is_opus && family == Some(&0) && inner.gain == 1.0 && (1..=2).contains(&inner.info.format.channels)
}

/// How many frames a packet holds at 48 kHz; `None` for what is no packet, or one of a length that does not make up 3 s.
fn frames_in(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first().filter(|_| packet.len() <= OpusStream::MAX_PACKET)?;
    // RFC 6716, table 2: the length of one of its frames.
    let frame = match toc >> 3 {
        config @ ..12 => [480, 960, 1920, 2880][usize::from(config % 4)],
        config @ 12..16 => [480, 960][usize::from(config % 2)],
        config => 120 << (config % 4),
    };
    let frames = frame * u32::from(count_in(packet)?);
    ((1..=5760).contains(&frames) && (3 * RATE).is_multiple_of(frames)).then_some(frames)
}

/// How many of Opus' own frames a packet is made of (RFC 6716, section 3.2).
fn count_in(packet: &[u8]) -> Option<u8> {
    match packet.first()? & 3 {
        0 => Some(1),
        1 | 2 => Some(2),
        _ => packet.get(1).map(|count| count & 0x3f),
    }
}

/// A packet like this one whose frames have no bytes (RFC 6716, section 3.2.5).
fn nothing(packet: &[u8]) -> Option<[u8; 2]> {
    Some([packet.first()? | 3, count_in(packet)?])
}

/// Packets of an [`OpusStream`], one after the other. One user at a time, on any thread that may block on the disk.
pub struct OpusPackets {
    inner: Arc<Inner>,
    stream: OpusStream,
    demux: Demux,
    /// The number of the next packet.
    next: u64,
    /// The next packet, if a search came upon it.
    found: Option<Timed>,
}

impl OpusPackets {
    pub(super) fn new(inner: Arc<Inner>, stream: OpusStream, first: u64) -> Result<Self> {
        let demux = inner.demux()?;
        let mut packets = Self { inner, stream, demux, next: first, found: None };
        if first > 0 {
            packets.seek()?;
        }
        Ok(packets)
    }

    /// The next packet; `None` after the last.
    ///
    /// # Errors
    /// When the file cannot be read or is not what it was.
    pub fn next_packet(&mut self) -> Result<Option<Box<[u8]>>> {
        if self.next >= self.stream.packets {
            return Ok(None);
        }
        let next = match self.found.take() {
            Some(found) => Some(found),
            None => self.read()?,
        };
        let packet = next.filter(|it| it.start == self.start_of(self.next)).ok_or_else(|| self.damaged())?;
        self.next += 1;
        Ok(Some(packet.packet.data))
    }

    /// Where a packet begins on the codec's timeline.
    fn start_of(&self, packet: u64) -> i64 {
        let first = self.inner.origin.saturating_sub(i64::from(self.stream.skip));
        let frames = packet.saturating_mul(u64::from(self.stream.packet_frames));
        first.saturating_add_unsigned(frames)
    }

    /// Goes to the next packet. A page that is met in the middle of the stream tells its packets' places by its end; that of
    /// the last page is not the end of its packets, so they seem to lie between where packets can. Then, and where the
    /// search overshoots, it begins ever further before the target.
    fn seek(&mut self) -> Result<()> {
        let (first, target) = (self.start_of(0), self.start_of(self.next));
        let mut back = 0i64;
        loop {
            let at = target.saturating_sub(back).max(first);
            match self.demux.seek(at) {
                Ok(()) => {}
                Err(Error::IoError(error)) if !is_end(&error) => {
                    return Err(SourceError::io(&self.inner.path, error));
                }
                Err(_) if at == first => return Err(self.damaged()),
                Err(_) => {}
            }
            let step = i64::from(self.stream.packet_frames);
            let mut next = self.read()?.filter(|it| it.start <= target && (it.start - first) % step == 0);
            while next.as_ref().is_some_and(|it| it.start < target) {
                next = self.read()?;
            }
            if next.as_ref().is_some_and(|it| it.start == target) {
                self.found = next;
                return Ok(());
            }
            if at == first {
                return Err(self.damaged());
            }
            back = back.saturating_mul(2).max(i64::from(RATE));
        }
    }

    fn read(&mut self) -> Result<Option<Timed>> {
        self.demux.next().map_err(|error| SourceError::io(&self.inner.path, error))
    }

    fn damaged(&self) -> SourceError {
        let cause = format!("packet {} is not where it was", self.next);
        SourceError::Damaged { path: self.inner.path.clone(), cause }
    }
}

impl std::fmt::Debug for OpusPackets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpusPackets")
            .field("path", &self.inner.path)
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
        let nothing = nothing(&[toc(19, 1), 1, 2]).unwrap();
        assert_eq!((nothing, frames_in(&nothing)), ([toc(19, 3), 2], Some(1920)));
        assert_eq!(frames_in(&vec![0; OpusStream::MAX_PACKET]), Some(480));
        assert_eq!(frames_in(&vec![0; OpusStream::MAX_PACKET + 1]), None);
    }
}
