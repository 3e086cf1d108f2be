use std::ops::Range;

use bytes::Bytes;
use media_plugin_sdk::{Encoding, PluginError};
use media_protocol::{ChunkIndex, ErrorCode, WireError, chunk};

use super::{
    passthrough_chunk::copy,
    progress::{ChunkProgress, PacketBatch},
};
use crate::{library::OpenTrack, server::negotiate::plan::RenditionPlan};

/// Divisor of a second that gives the length of a last chunk that may have no audio at all: 1/10 s. The length in
/// headers is seldom exact, so the file may end shortly before that chunk. The node refuses a longer chunk
/// without audio as cut short. Tested by `a_tenth_of_a_second_may_be_missing_at_the_end`.
const TOLERANCE: u32 = 10;

/// The last bytes of a chunk, which are not published, and its loss.
pub(super) struct ChunkEnd {
    pub(super) bytes: Bytes,
    /// Number of the chunk's own frames that are silence because the file is damaged.
    pub(super) silenced: u32,
}

/// Encodes chunk `index` from the source, or copies its packets. Its bytes depend only on the track's
/// content, the rendition and the index. Publishes packets as they are encoded. Returns the end of the chunk.
/// Calls `is_abandoned` before every packet, and returns `None` if it is true.
///
/// # Errors
/// `OutOfRange`; `Unreadable` if the file fails, or ends before the chunk begins; `CodecFailed` if the codec
/// fails.
pub(super) fn encode(
    track: &OpenTrack,
    plan: &RenditionPlan,
    index: ChunkIndex,
    progress: &ChunkProgress,
    is_abandoned: impl Fn() -> bool,
) -> Result<Option<ChunkEnd>, WireError> {
    let RenditionPlan { codec, encoding, rendition, passthrough } = plan;
    let chunk_frames = rendition.frames_in(index);
    if chunk_frames == 0 {
        let message =
            format!("chunk {index} is past the end of {:?}, which has {}", track.title(), rendition.chunks);
        return Err(WireError::new(ErrorCode::OutOfRange, message));
    }
    if let Some(cut) = passthrough {
        // A file with damage is not copied.
        let bytes = copy(track, rendition, cut, index, progress)?;
        return Ok(Some(ChunkEnd { bytes, silenced: 0 }));
    }
    let last = rendition.is_last(index);
    let format = encoding.choice.format;
    let first = index.first_frame(rendition.id.rate).0;
    let range = encoder_input(encoding, first, chunk_frames, last);
    let mut reader = track.reader(range.start, format.rate)?;
    reader.watch_silence(track.source_frames(first..first + chunk_frames, rendition.id.rate));
    let mut window = track.window(&mut reader, format, range.clone())?;

    let failed = |error: &PluginError| {
        let message =
            format!("{} cannot encode chunk {index} of {:?}: {error}", rendition.id.codec, track.title());
        WireError::new(ErrorCode::CodecFailed, message)
    };
    let writer = chunk::ChunkWriter::new(index, u32::try_from(chunk_frames).unwrap_or(u32::MAX), last);
    let mut packets = PacketSink {
        room: rendition.max_chunk_bytes().saturating_sub(chunk::HEADER + chunk::TRAILER),
        packet: vec![0; encoding.max_packet_bytes as usize],
        batch: PacketBatch::new(progress, writer),
    };

    let mut encoder = codec.encoder(&encoding.choice).map_err(|error| failed(&error))?;
    let mut pcm = vec![0.0; format.samples(encoding.packet_frames as usize)];
    let input_frames = range.end.abs_diff(range.start);
    let mut left = input_frames;
    while left > 0 && !is_abandoned() {
        let frames = left.min(u64::from(encoding.packet_frames));
        let pcm = &mut pcm[..format.samples(frames as usize)];
        // The window has the same range, so it fills the packet.
        window.read(pcm).map_err(|error| track.unreadable(&error))?;
        let is_first = left == input_frames;
        if is_first && window.is_cut_short() && chunk_frames > u64::from(rendition.id.rate / TOLERANCE) {
            return Err(track.cut_short(index));
        }
        packets.write(|packet| encoder.encode(pcm, packet)).map_err(|error| failed(&error))?;
        left -= frames;
    }
    let is_complete = left == 0;
    while is_complete && packets.write(|packet| encoder.flush(packet)).map_err(|error| failed(&error))? {}
    drop(window);
    let silenced = track.frames_at(reader.silenced(), rendition.id.rate).min(chunk_frames);
    if reader.damaged() > 0 {
        let damaged = reader.damaged();
        tracing::warn!(
            track = track.title(),
            chunk = index.0,
            packets = damaged,
            silenced,
            "damaged packets became silence"
        );
    } else {
        track.keep(reader);
    }
    let silenced = u32::try_from(silenced).unwrap_or(u32::MAX);
    Ok(is_complete.then(|| ChunkEnd { bytes: packets.batch.end(), silenced }))
}

/// The frames, at the rendition's rate, that the encoder needs for a chunk of `frames` frames from `first` on: those
/// frames with lead-in, lookahead and crossfade. Frames outside of the track are silence.
fn encoder_input(encoding: &Encoding, first: u64, frames: u64, last: bool) -> Range<i64> {
    let signed = |frame: u64| i64::try_from(frame).unwrap_or(i64::MAX);
    let start = signed(first) - i64::from(encoding.lead_in);
    let tail = u64::from(encoding.lookahead) + if last { 0 } else { u64::from(encoding.crossfade) };
    let mut length = u64::from(encoding.lead_in) + frames + tail;
    if encoding.whole_packets {
        length = length.next_multiple_of(u64::from(encoding.packet_frames).max(1));
    }
    start..start.saturating_add(signed(length))
}

/// Publishes an encoder's packets. Fails if they have more bytes than a client accepts for a chunk.
struct PacketSink<'a> {
    room: usize,
    packet: Vec<u8>,
    batch: PacketBatch<'a>,
}

impl PacketSink<'_> {
    /// Adds the packet that `encode` writes. Returns true if it wrote one.
    fn write(
        &mut self,
        encode: impl FnOnce(&mut [u8]) -> Result<usize, PluginError>,
    ) -> Result<bool, PluginError> {
        let bytes = encode(&mut self.packet)?;
        if bytes == 0 {
            return Ok(false);
        }
        let too_large = || PluginError::Failed("it writes more than a chunk may hold".into());
        self.room = self.room.checked_sub(chunk::PACKET_PREFIX + bytes).ok_or_else(too_large)?;
        let packet = self.packet.get(..bytes).ok_or_else(too_large)?;
        self.batch.add(packet).map_err(|error| PluginError::Failed(error.to_string()))?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use media_plugin_sdk::{AudioFormat, Choice};

    use super::*;

    #[test]
    fn the_encoder_input_has_lead_in_tail_and_whole_packets() {
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
            joinable: false,
        };
        assert_eq!(encoder_input(&encoding, 144_000, 144_000, false), 143_040..143_040 + 152 * 960);
        assert_eq!(encoder_input(&encoding, 0, 1000, true), -960..-960 + 3 * 960);
        encoding.whole_packets = false;
        assert_eq!(encoder_input(&encoding, 0, 1000, true), -960..1312);
        assert_eq!(encoder_input(&encoding, 0, 1000, false), -960..1792);
    }
}
