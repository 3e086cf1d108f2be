use std::ops::Range;

use media_plugin_sdk::{AudioFormat, Choice, Encoding};
use media_protocol::{CHUNK_SECONDS, ChunkIndex};

use crate::source::OpusStream;

/// Rate of Opus in frames per second.
const RATE: u32 = 48_000;
/// Least number of frames before a chunk that a decoder must decode to converge: 80 ms (RFC 7845, section 4.6).
/// They matter only if decoding begins with this chunk, as after a seek or a change of rendition.
const LEAD_IN: u32 = 3840;
/// Least number of frames after a chunk, for a fade into another rendition.
const TAIL: u32 = 960;

/// Division of a file's Opus packets into chunks. Each chunk has enough packets around it to be decoded alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct PacketCut {
    pub(in crate::server) stream: OpusStream,
    /// Frames before the chunk's first one in the chunk's packets.
    lead_in: u32,
    /// Frames after the chunk's last one in the chunk's packets.
    tail: u32,
}

impl PacketCut {
    /// Divides a stream. A chunk lasts a whole number of packets, so all chunk borders lie at the same offset within
    /// a packet. The lead-in of the first chunk reaches back at least to the first packet of the stream.
    pub(super) fn new(stream: OpusStream) -> Self {
        let OpusStream { packet_frames, skip, .. } = stream;
        let before = skip % packet_frames;
        let lead_in = before.saturating_add((skip.max(LEAD_IN) - before).next_multiple_of(packet_frames));
        let after = (packet_frames - before) % packet_frames;
        let tail = after + TAIL.saturating_sub(after).next_multiple_of(packet_frames);
        Self { stream, lead_in, tail }
    }

    /// The numbers of the packets of chunk `index`. Negative numbers stand for silent packets before the stream.
    pub(in crate::server) fn packets(&self, index: ChunkIndex) -> Range<i64> {
        let step = i64::from(self.stream.packet_frames);
        let chunk = i64::from(RATE * CHUNK_SECONDS);
        let border = i64::from(index.0) * chunk + i64::from(self.stream.skip);
        let last = i64::try_from(self.stream.packets).unwrap_or(i64::MAX);
        let end = (border + chunk + i64::from(self.tail)) / step;
        (border - i64::from(self.lead_in)).div_euclid(step)..end.min(last)
    }

    /// The encoding of these packets. `params` takes the place of a codec's parameters.
    pub(super) fn encoding(&self, config: Vec<u8>, format: AudioFormat, params: &str) -> Encoding {
        Encoding {
            choice: Choice { format, params: params.into() },
            bitrate: self.stream.bitrate,
            config,
            packet_frames: self.stream.packet_frames,
            whole_packets: true,
            lead_in: self.lead_in,
            lookahead: 0,
            crossfade: self.tail,
            max_packet_bytes: OpusStream::MAX_PACKET as u32,
            joinable: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(packet_frames: u32, skip: u32, packets: u64) -> PacketCut {
        PacketCut::new(OpusStream { packet_frames, packets, skip, bitrate: 96_000, silent_packet: [3, 1] })
    }

    #[test]
    fn packets_cover_lead_in_chunk_and_tail() {
        for packet_frames in [120, 240, 480, 960, 1920, 2880, 4800, 5760] {
            for skip in [0, 1, 120, 312, 960, 3840, 3841, 6000] {
                let cut = cut(packet_frames, skip, 10_000_000);
                for index in [0, 1, 7, 1000] {
                    let step = i64::from(packet_frames);
                    let first = i64::from(index) * 144_000;
                    let Range { start, end } = cut.packets(ChunkIndex(index));
                    let at = |packet: i64| packet * step - i64::from(skip);
                    assert_eq!(at(start), first - i64::from(cut.lead_in));
                    assert_eq!(at(end), first + 144_000 + i64::from(cut.tail));
                    assert!(index > 0 || start <= 0, "the first chunk has all that comes before it");
                }
                let least = skip.max(LEAD_IN);
                assert!((least..least + packet_frames).contains(&cut.lead_in), "{packet_frames} {skip}");
                assert!((TAIL..TAIL + packet_frames).contains(&cut.tail), "{packet_frames} {skip}");
            }
        }
    }

    #[test]
    fn the_usual_file_takes_six_packets_more_per_chunk() {
        let cut = cut(960, 312, 158);
        assert_eq!((cut.lead_in, cut.tail), (4152, 1608));
        assert_eq!(cut.packets(ChunkIndex(0)), -4..152);
        assert_eq!(cut.packets(ChunkIndex(1)), 146..158);
    }
}
