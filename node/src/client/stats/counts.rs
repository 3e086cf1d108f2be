//! Counters of the session.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use media_protocol::Rendition;

use super::event_log::EventLog;

/// Counters of the session. `Progress` has those of the playback thread.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Requests sent.
    pub requests: u64,
    /// Complete chunks received.
    pub chunks: u64,
    /// Bytes of chunks received, with their framing.
    pub bytes_received: u64,
    /// Requests sent while paused. Anything but 0 is a bug.
    pub requests_while_paused: u64,
    /// Retries scheduled after a failed request.
    pub retries: u64,
    /// Requests abandoned by a timeout.
    pub stalls: u64,
    /// Changes of rendition within a track.
    pub switches: EventLog<RenditionChange>,
    /// Changes of the target level.
    pub targets: EventLog<TargetChange>,
    /// Highest level of the jitter buffer.
    pub peak_buffer: Duration,
}

/// Change of rendition within a track.
#[derive(Debug, Clone)]
pub struct RenditionChange {
    /// Instant of the decision.
    pub at: Instant,
    /// Rendition before.
    pub from: Arc<Rendition>,
    /// Rendition of the next chunk.
    pub to: Arc<Rendition>,
    /// Reason, in words.
    pub reason: String,
}

/// Change of the target level.
#[derive(Debug, Clone)]
pub struct TargetChange {
    /// Instant of the change.
    pub at: Instant,
    /// The new target level.
    pub target: Duration,
    /// Reason, in words.
    pub reason: &'static str,
}
