//! One chunk, from the source to the wire. A pure function of the track's content, the rendition and the index.

use std::ops::Range;

use bytes::Bytes;
use media_plugin_sdk::{Encoding, PluginError};
use media_protocol::{ChunkIndex, ErrorCode, WireError, chunk};

use super::{
    copy,
    live::{Batch, LiveChunk},
};
use crate::server::{catalog::OpenTrack, negotiate::Plan};

/// What may be missing at a track's end without a word, in parts of a second: headers are seldom exact.
const TOLERANCE: u32 = 10;

/// Encodes chunk `index`, publishing packets as they are made. Returns the chunk's end, which is not published; `None`
/// where it `gives_way`, which is asked before every packet.
///
/// # Errors
/// `OutOfRange`; `Unreadable` when the file fails, or ends before the chunk begins; `CodecFailed` when the codec does.
pub(super) fn encode(
    track: &OpenTrack,
    plan: &Plan,
    index: ChunkIndex,
    live: &LiveChunk,
    gives_way: impl Fn() -> bool,
) -> Result<Option<Bytes>, WireError> {
    let Plan { codec, encoding, rendition, passes } = plan;
    let frames = rendition.frames_in(index);
    if frames == 0 {
        let message =
            format!("chunk {index} is past the end of {:?}, which has {}", track.title(), rendition.chunks);
        return Err(WireError::new(ErrorCode::OutOfRange, message));
    }
    if let Some(cut) = passes {
        return copy::copy(track, rendition, cut, index, live).map(Some);
    }
    let last = rendition.is_last(index);
    let range = span(encoding, index.first_frame(rendition.id.rate).0, frames, last);
    let mut reader = track.reader(range.start, encoding.choice.format.rate)?;
    let mut window = track.window(&mut reader, encoding.choice.format, range.clone())?;

    let failed = |error: &PluginError| {
        let message =
            format!("{} cannot encode chunk {index} of {:?}: {error}", rendition.id.codec, track.title());
        WireError::new(ErrorCode::CodecFailed, message)
    };
    let frames = u32::try_from(frames).unwrap_or(u32::MAX);
    let writer = chunk::ChunkWriter::new(index, frames, last);
    let room = rendition.max_chunk_bytes().saturating_sub(chunk::HEADER + chunk::TRAILER);
    let packet = vec![0; encoding.max_packet_bytes as usize];
    let mut packets = Packets { room, packet, batch: Batch::new(live, writer) };

    let mut encoder = codec.encoder(&encoding.choice).map_err(|it| failed(&it))?;
    let mut pcm = vec![0.0; encoding.choice.format.samples(encoding.packet_frames as usize)];
    let mut left = range.end.abs_diff(range.start);
    while left > 0 && !gives_way() {
        let frames = left.min(u64::from(encoding.packet_frames));
        let pcm = &mut pcm[..encoding.choice.format.samples(frames as usize)];
        // The range ends where `left` does, so the window fills it.
        window.read(pcm).map_err(|it| track.unreadable(&it))?;
        let is_first = left == range.end.abs_diff(range.start);
        if is_first
            && window.is_cut_short()
            && rendition.frames_in(index) > u64::from(rendition.id.rate / TOLERANCE)
        {
            return Err(track.cut_short(index));
        }
        packets.write(|packet| encoder.encode(pcm, packet)).map_err(|it| failed(&it))?;
        left -= frames;
    }
    let is_whole = left == 0;
    while is_whole && packets.write(|packet| encoder.flush(packet)).map_err(|it| failed(&it))? {}
    drop(window);
    if reader.damaged() > 0 {
        let (track, packets) = (track.title(), reader.damaged());
        tracing::warn!(track, chunk = index.0, packets, "damaged packets became silence");
    } else {
        track.keep(reader);
    }
    Ok(is_whole.then(|| packets.batch.end()))
}

/// The frames, at the rendition's rate, that the encoder is fed for the `frames` frames from `first` on; those outside
/// of the track are silence.
fn span(encoding: &Encoding, first: u64, frames: u64, last: bool) -> Range<i64> {
    let signed = |it: u64| i64::try_from(it).unwrap_or(i64::MAX);
    let start = signed(first) - i64::from(encoding.lead_in);
    let tail = u64::from(encoding.lookahead) + if last { 0 } else { u64::from(encoding.crossfade) };
    let mut fed = u64::from(encoding.lead_in) + frames + tail;
    if encoding.whole_packets {
        fed = fed.next_multiple_of(u64::from(encoding.packet_frames).max(1));
    }
    start..start.saturating_add(signed(fed))
}

/// Publishes packets, as many bytes of them as a client takes for honest.
struct Packets<'a> {
    room: usize,
    packet: Vec<u8>,
    batch: Batch<'a>,
}

impl Packets<'_> {
    /// Takes the packet that `encode` writes, and publishes what is due. Returns whether there was one.
    fn write(
        &mut self,
        encode: impl FnOnce(&mut [u8]) -> Result<usize, PluginError>,
    ) -> Result<bool, PluginError> {
        let bytes = encode(&mut self.packet)?;
        if bytes == 0 {
            return Ok(false);
        }
        let too_much = || PluginError::Failed("it writes more than a chunk may hold".into());
        self.room = self.room.checked_sub(chunk::PACKET_PREFIX + bytes).ok_or_else(too_much)?;
        let packet = self.packet.get(..bytes).ok_or_else(too_much)?;
        self.batch.add(packet).map_err(|it| PluginError::Failed(it.to_string()))?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use media_plugin_sdk::{AudioFormat, Choice};

    use super::*;

    #[test]
    fn the_span_has_lead_in_tail_and_whole_packets() {
        let format = AudioFormat { rate: 48_000, channels: 2 };
        let mut encoding = Encoding {
            choice: Choice { format, params: String::new() },
            bitrate: 96_000,
            config: Vec::new(),
            packet_frames: 960,
            whole_packets: true,
            lead_in: 960,
            lookahead: 312,
            crossfade: 480,
            max_packet_bytes: 4000,
        };
        assert_eq!(span(&encoding, 144_000, 144_000, false), 143_040..143_040 + 152 * 960);
        assert_eq!(span(&encoding, 0, 1000, true), -960..-960 + 3 * 960);
        encoding.whole_packets = false;
        assert_eq!(span(&encoding, 0, 1000, true), -960..1312);
        assert_eq!(span(&encoding, 0, 1000, false), -960..1792);
    }
}
