use bytes::Bytes;
use media_protocol::{ChunkIndex, ErrorCode, Rendition, WireError, chunk};

use super::progress::{ChunkProgress, PacketBatch};
use crate::{library::OpenTrack, server::negotiate::packet_cut::PacketCut};

/// Copies the packets of chunk `index` from the file and publishes them. Returns the end of the chunk that is not
/// published yet.
///
/// # Errors
/// `Unreadable` if the file fails; `Internal` if the packets exceed the size limit of a chunk.
pub(super) fn copy(
    track: &OpenTrack,
    rendition: &Rendition,
    cut: &PacketCut,
    index: ChunkIndex,
    progress: &ChunkProgress,
) -> Result<Bytes, WireError> {
    let numbers = cut.packets(index);
    let mut packets = track.opus_packets(cut.stream, u64::try_from(numbers.start).unwrap_or(0))?;
    let frames = u32::try_from(rendition.frames_in(index)).unwrap_or(u32::MAX);
    let writer = chunk::ChunkWriter::new(index, frames, rendition.is_last(index));
    let mut batch = PacketBatch::new(progress, writer);
    let mut room = rendition.max_chunk_bytes().saturating_sub(chunk::HEADER + chunk::TRAILER);
    let too_large = || {
        let message = format!("chunk {index} of {:?} exceeds the size limit of a chunk", track.title());
        WireError::new(ErrorCode::Internal, message)
    };
    for number in numbers {
        let packet: Box<[u8]> = if number < 0 {
            cut.stream.silent_packet.into()
        } else {
            let next = packets.next_packet().map_err(|error| track.unreadable(&error))?;
            next.ok_or_else(|| track.cut_short(index))?
        };
        room = room.checked_sub(chunk::PACKET_PREFIX + packet.len()).ok_or_else(too_large)?;
        batch.add(&packet).map_err(|_| too_large())?;
    }
    Ok(batch.end())
}
