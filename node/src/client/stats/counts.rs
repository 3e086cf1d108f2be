//! What is counted of a playing by its fetching side.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use media_protocol::Rendition;

use super::event_log::EventLog;

/// What was counted, apart from [`crate::client::Progress`].
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Requests sent.
    pub requests: u64,
    /// Chunks received whole.
    pub chunks: u64,
    /// Bytes of chunks received, framing included.
    pub bytes_received: u64,
    /// Requests sent while paused; always 0 unless there is a bug.
    pub requests_while_paused: u64,
    /// Requests that failed and were made again.
    pub retries: u64,
    /// Those of them that were given up because nothing came for too long.
    pub stalls: u64,
    /// Changes of rendition within a track.
    pub switches: EventLog<RenditionChange>,
    /// Changes of the target.
    pub targets: EventLog<TargetChange>,
    /// The most that the buffer held.
    pub peak_buffer: Duration,
}

/// A change of rendition within a track.
#[derive(Debug, Clone)]
pub struct RenditionChange {
    /// When it was decided.
    pub at: Instant,
    /// In what the track came before.
    pub from: Arc<Rendition>,
    /// In what it comes from the next chunk on.
    pub to: Arc<Rendition>,
    /// Why, in words.
    pub reason: String,
}

/// A change of how much is held.
#[derive(Debug, Clone)]
pub struct TargetChange {
    /// When.
    pub at: Instant,
    /// The new target.
    pub target: Duration,
    /// Why, in words.
    pub reason: &'static str,
}
