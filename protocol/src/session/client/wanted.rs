//! The chunk that is wanted, and the track it is of.

use std::{sync::Arc, time::Duration};

use super::{ClientAction, Delivery, Situation, Switch};
use crate::{ChunkIndex, FrameIndex, Info, PathReport, Position, Rendition, TrackId};

/// A track that is being fetched.
#[derive(Debug, Clone)]
pub(super) struct Playing {
    pub(super) track: TrackId,
    /// All renditions that fit together; the session may change between them at any border.
    pub(super) all: Arc<[Arc<Rendition>]>,
    pub(super) rendition: Arc<Rendition>,
    /// Why it comes in that one: the node's words, or those of the last change.
    pub(super) reason: Arc<str>,
}

/// A chunk that is wanted or under way.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) playing: Playing,
    pub(super) index: ChunkIndex,
    /// Packets of this chunk that were delivered before it was asked for again.
    pub(super) delivered: u64,
    /// Packets that came on the present request, and their bytes.
    pub(super) seen: u64,
    pub(super) bytes: u64,
    /// What is there of the packet after them, in bytes.
    pub(super) part: u64,
    /// When the present request was sent, and when its header came.
    pub(super) sent: Duration,
    pub(super) header: Option<Duration>,
    /// Whether what comes now is none of it that can be read.
    pub(super) is_behind: bool,
    /// Whether its start was told.
    pub(super) started: bool,
    /// What of it came in other renditions before it was asked for in this one, from its border on. No number of frames, which
    /// would be rounded from rate to rate.
    pub(super) had: Position,
}

impl Playing {
    pub(super) fn new(info: &Info, failed: &[String]) -> Self {
        let rendition = Arc::new(info.rendition.clone());
        // An alternative that is malformed, or not the same track cut at the same instants, is none.
        let fits = |it: &&Rendition| {
            let is_same = it.id.track == info.track.id && it.chunks == rendition.chunks;
            it.check().is_ok() && is_same && !failed.contains(&it.id.codec)
        };
        let others = info.alternatives.iter().filter(fits).cloned().map(Arc::new);
        let all = std::iter::once(Arc::clone(&rendition)).chain(others).collect();
        Self { track: info.track.id.clone(), all, rendition, reason: info.reason.as_str().into() }
    }

    pub(super) fn situation<'a>(
        &'a self,
        now: Duration,
        held: Duration,
        target: Duration,
        path: &'a PathReport,
    ) -> Situation<'a> {
        Situation { now, buffer_level: held, target, current: &self.rendition, all: &self.all, path }
    }

    pub(super) fn switch(&mut self, Switch { to, reason }: Switch) -> Option<ClientAction> {
        let to = self.all.get(to).filter(|to| to.id != self.rendition.id)?;
        let from = std::mem::replace(&mut self.rendition, Arc::clone(to));
        self.reason = reason.as_str().into();
        Some(ClientAction::Switched { from, to: Arc::clone(to), reason })
    }
}

impl Wanted {
    pub(super) fn new(playing: Playing, index: ChunkIndex) -> Self {
        let zero = Duration::ZERO;
        Self {
            playing,
            index,
            delivered: 0,
            seen: 0,
            bytes: 0,
            part: 0,
            sent: zero,
            header: None,
            is_behind: false,
            started: false,
            had: Position::START,
        }
    }

    /// The same in frames of this rendition.
    pub(super) fn had_frames(&self) -> u64 {
        let rendition = &self.playing.rendition;
        self.had.frame(rendition.id.rate).0.min(rendition.frames_in(self.index))
    }

    /// What of the chunk was delivered in any rendition, from its border on.
    pub(super) fn audible(&self) -> Position {
        let rendition = &self.playing.rendition;
        let decoded = self.delivered.saturating_mul(u64::from(rendition.packet_frames));
        let kept = decoded.saturating_sub(u64::from(rendition.lead_in));
        let kept = FrameIndex(kept.min(rendition.frames_in(self.index)));
        if kept.0 > self.had_frames() { Position::of_frame(kept, rendition.id.rate) } else { self.had }
    }

    pub(super) fn delivery(&self, now: Duration) -> Delivery {
        let header = self.header.unwrap_or(now);
        Delivery {
            head_of_line_blocked: self.is_behind,
            bytes: self.bytes + self.part,
            waited: header.saturating_sub(self.sent),
            took: now.saturating_sub(header),
        }
    }
}
