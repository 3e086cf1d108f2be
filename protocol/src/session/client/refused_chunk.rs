use super::in_flight::{ChunkInFlight, TrackInFlight};
use crate::{ChunkIndex, Info, Position, Rendition, WireError};

/// A chunk that the node refused because it does not know the rendition. The client negotiates the track again.
#[derive(Debug, Clone)]
pub(super) struct RefusedChunk {
    /// The track as it was negotiated before.
    pub(super) track: TrackInFlight,
    /// Part of the chunk that was delivered, as a time from the chunk's start.
    resume_at: Position,
    index: ChunkIndex,
    /// Reason for another rendition, in words.
    pub(super) reason: String,
}

impl RefusedChunk {
    pub(super) fn new(chunk: &ChunkInFlight, error: &WireError) -> Self {
        Self {
            track: chunk.track.clone(),
            resume_at: chunk.delivered_to(),
            index: chunk.index,
            reason: format!("the node no longer makes {} ({error})", chunk.track.rendition.id),
        }
    }

    /// First instant of the track that is missing.
    pub(super) fn position(&self) -> Position {
        let rate = self.track.rendition.id.rate;
        let first = Position::of_frame(self.index.first_frame(rate), rate);
        Position(first.0.saturating_add(self.resume_at.0))
    }

    /// Returns the chunk to request after the new negotiation: in the same codec and bitrate if `info` has them, or else in the
    /// rendition that the node chose.
    pub(super) fn renegotiated(&self, info: &Info, failed_codecs: &[String]) -> ChunkInFlight {
        let refused = &self.track.rendition;
        let is_alike = |other: &&Rendition| {
            let is_valid = other.check().is_ok() && other.id.track == info.track.id;
            is_valid && other.id.codec == refused.id.codec && other.bitrate == refused.bitrate
        };
        let alike = std::iter::once(&info.rendition).chain(&info.alternatives).find(is_alike);
        let mut track = TrackInFlight::starting_in(alike.unwrap_or(&info.rendition), info, failed_codecs);
        if track.rendition.id != refused.id {
            track.reason = self.reason.as_str().into();
        }
        track.renegotiated = true;
        ChunkInFlight { resume_at: self.resume_at, ..ChunkInFlight::new(track, self.index) }
    }
}
