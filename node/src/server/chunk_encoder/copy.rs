//! One chunk of packets as they lie in the file.

use bytes::Bytes;
use media_protocol::{ChunkIndex, ErrorCode, Rendition, WireError, chunk};

use super::live::{Batch, LiveChunk};
use crate::server::{catalog::OpenTrack, negotiate::Cut};

/// Publishes the packets of chunk `index`, which has `frames` frames. Returns the chunk's end, which is not
/// published.
///
/// # Errors
/// `Unreadable` when the file fails; `Internal` when it holds more than a chunk may.
pub(super) fn copy(
    track: &OpenTrack,
    rendition: &Rendition,
    cut: &Cut,
    index: ChunkIndex,
    live: &LiveChunk,
) -> Result<Bytes, WireError> {
    let numbers = cut.packets(index);
    let mut packets = track.opus_packets(cut.stream, u64::try_from(numbers.start).unwrap_or(0))?;
    let frames = u32::try_from(rendition.frames_in(index)).unwrap_or(u32::MAX);
    let writer = chunk::ChunkWriter::new(index, frames, rendition.is_last(index));
    let mut batch = Batch::new(live, writer);
    let mut room = rendition.max_chunk_bytes().saturating_sub(chunk::HEADER + chunk::TRAILER);
    let too_much = || {
        let message = format!("chunk {index} of {:?} is larger than a chunk may be", track.title());
        WireError::new(ErrorCode::Internal, message)
    };
    for number in numbers {
        let packet = match number {
            ..0 => cut.stream.nothing.into(),
            _ => packets
                .next_packet()
                .map_err(|it| track.unreadable(&it))?
                .ok_or_else(|| track.cut_short(index))?,
        };
        let packet: Box<[u8]> = packet;
        room = room.checked_sub(chunk::PACKET_PREFIX + packet.len()).ok_or_else(too_much)?;
        batch.add(&packet).map_err(|_| too_much())?;
    }
    Ok(batch.end())
}
