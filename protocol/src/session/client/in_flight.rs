//! The chunk that the client fetches, and the track it belongs to.

use std::{sync::Arc, time::Duration};

use super::{
    action::ClientAction,
    rate_choice::{Delivery, Situation, Switch},
};
use crate::{ChunkIndex, FrameIndex, Info, PathReport, Position, Rendition, TrackId};

/// A track that the client fetches.
#[derive(Debug, Clone)]
pub(super) struct TrackInFlight {
    pub(super) id: TrackId,
    /// Renditions with the same chunk borders. The session may change between them at any border.
    pub(super) renditions: Arc<[Arc<Rendition>]>,
    /// Rendition of the next chunk.
    pub(super) rendition: Arc<Rendition>,
    /// Reason for that rendition: the node's, or the one of the last switch.
    pub(super) reason: Arc<str>,
    /// True from a renegotiation of the track until its next whole chunk.
    pub(super) renegotiated: bool,
}

/// A chunk that the client requests now or next.
#[derive(Debug, Clone)]
pub(super) struct ChunkInFlight {
    pub(super) track: TrackInFlight,
    pub(super) index: ChunkIndex,
    /// Packets delivered so far, by all requests for the chunk together.
    pub(super) packets_delivered: u64,
    /// Whole packets received on the present request.
    pub(super) packets_received: u64,
    /// Bytes of these packets.
    pub(super) bytes_received: u64,
    /// Bytes received of the packet after them.
    pub(super) partial_bytes: u64,
    /// Time when the present request was sent.
    pub(super) requested_at: Duration,
    /// Time when its header came.
    pub(super) header_at: Option<Duration>,
    /// Silenced frames, as the present request reports them.
    pub(super) silenced: u32,
    /// Tells if the connection carries bytes, but none that this request can read.
    pub(super) head_of_line_blocked: bool,
    /// True if [`ClientAction::ChunkStart`] was sent.
    pub(super) started: bool,
    /// Part of the chunk that was delivered in other renditions, as a time from the chunk's start. A number of
    /// frames would be rounded at each change of rate.
    pub(super) resume_at: Position,
}

impl TrackInFlight {
    /// Returns the track in the rendition that the node chose, without renditions that are invalid, of a failed codec, or with
    /// other chunk borders.
    pub(super) fn new(info: &Info, failed_codecs: &[String]) -> Self {
        Self::starting_in(&info.rendition, info, failed_codecs)
    }

    /// As [`TrackInFlight::new`], in another valid rendition of `info`.
    pub(super) fn starting_in(rendition: &Rendition, info: &Info, failed_codecs: &[String]) -> Self {
        let rendition = Arc::new(rendition.clone());
        let fits = |other: &&Rendition| {
            let is_same = other.id.track == info.track.id && other.chunks == rendition.chunks;
            other.check().is_ok() && is_same && !failed_codecs.contains(&other.id.codec)
        };
        let shared = |other: &Rendition| {
            if other.id == rendition.id { Arc::clone(&rendition) } else { Arc::new(other.clone()) }
        };
        let all = std::iter::once(&info.rendition).chain(&info.alternatives);
        let renditions = all.filter(|other| other.id == rendition.id || fits(other)).map(shared).collect();
        let reason = info.reason.as_str().into();
        Self { id: info.track.id.clone(), renditions, rendition, reason, renegotiated: false }
    }

    pub(super) fn situation<'a>(
        &'a self,
        now: Duration,
        buffer_level: Duration,
        target: Duration,
        path: &'a PathReport,
    ) -> Situation<'a> {
        Situation { now, buffer_level, target, current: &self.rendition, all: &self.renditions, path }
    }

    /// Changes the rendition. Returns `None` if `switch` names the present one or none at all.
    pub(super) fn switch(&mut self, Switch { to, reason }: Switch) -> Option<ClientAction> {
        let to = self.renditions.get(to).filter(|to| to.id != self.rendition.id)?;
        let from = std::mem::replace(&mut self.rendition, Arc::clone(to));
        self.reason = reason.as_str().into();
        Some(ClientAction::Switched { from, to: Arc::clone(to), reason })
    }
}

impl ChunkInFlight {
    pub(super) fn new(track: TrackInFlight, index: ChunkIndex) -> Self {
        Self {
            track,
            index,
            packets_delivered: 0,
            packets_received: 0,
            bytes_received: 0,
            partial_bytes: 0,
            requested_at: Duration::ZERO,
            header_at: None,
            silenced: 0,
            head_of_line_blocked: false,
            started: false,
            resume_at: Position::START,
        }
    }

    /// Begins a new request for the chunk. Packets delivered before stay delivered.
    pub(super) fn restart(&mut self, now: Duration) {
        self.packets_received = 0;
        self.bytes_received = 0;
        self.partial_bytes = 0;
        self.requested_at = now;
        self.header_at = None;
        self.silenced = 0;
        self.head_of_line_blocked = false;
    }

    /// Returns the action that announces the chunk.
    pub(super) fn start(&self) -> ClientAction {
        let rendition = Arc::clone(&self.track.rendition);
        let from = FrameIndex(self.index.first_frame(rendition.id.rate).0 + self.resume_frame());
        ClientAction::ChunkStart {
            index: self.index,
            from,
            rendition,
            reason: Arc::clone(&self.track.reason),
        }
    }

    /// `resume_at` in frames of the chunk's rendition.
    fn resume_frame(&self) -> u64 {
        let rendition = &self.track.rendition;
        self.resume_at.frame(rendition.id.rate).0.min(rendition.frames_in(self.index))
    }

    /// Part of the chunk that was delivered, in this rendition or in others, as a time from the chunk's start.
    pub(super) fn delivered_to(&self) -> Position {
        let rendition = &self.track.rendition;
        let decoded = self.packets_delivered.saturating_mul(u64::from(rendition.packet_frames));
        let kept = decoded.saturating_sub(u64::from(rendition.lead_in));
        let kept = FrameIndex(kept.min(rendition.frames_in(self.index)));
        if kept.0 > self.resume_frame() {
            Position::of_frame(kept, rendition.id.rate)
        } else {
            self.resume_at
        }
    }

    /// Returns the delivery of the present request up to `now`.
    pub(super) fn delivery(&self, now: Duration) -> Delivery {
        let header_at = self.header_at.unwrap_or(now);
        Delivery {
            head_of_line_blocked: self.head_of_line_blocked,
            bytes: self.bytes_received + self.partial_bytes,
            waited: header_at.saturating_sub(self.requested_at),
            took: now.saturating_sub(header_at),
        }
    }
}
