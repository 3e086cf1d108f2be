//! What `--stats FILE` holds: the objectives of one playing, measured.

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use media_plugin_sdk::transport::Path as TransportPath;
use serde::Serialize;

use crate::{client, files};

/// One playing, from start to end. Times in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Stats {
    /// The last track that was heard: id, artist and title.
    pub track: String,
    /// The transport's id.
    pub transport: String,
    /// What the bytes travelled: `loopback`, `LAN`, `direct`, `relayed`, `memory`.
    pub path: String,
    /// The codec of the last track.
    pub codec: String,
    /// Its nominal bitrate, in bit/s.
    pub bitrate: u32,
    /// Why that codec, in the node's words, or in those of the last change.
    pub reason: String,
    /// Making the local end of the transport.
    pub bind_ms: f64,
    /// From dialling to the end of the handshake.
    pub connect_ms: f64,
    /// From the process's start to the first frame handed to the output; `null` if there was none.
    pub first_audio_ms: Option<f64>,
    /// Frames handed to the output.
    pub frames_played: u64,
    /// Tracks that ended, be it by a failure.
    pub tracks_ended: u64,
    /// Chunks received whole.
    pub chunks: u64,
    /// Requests sent for tracks and chunks.
    pub requests: u64,
    /// Bytes of chunks received, framing included.
    pub bytes_received: u64,
    /// How often the output ran dry in the middle of a track.
    pub underruns: u64,
    /// For how long in all: the time to fill the buffer again.
    pub underrun_ms: f64,
    /// How often the sound system itself said that it ran out of frames.
    pub xruns: u64,
    /// How long a person had it paused.
    pub paused_ms: f64,
    /// Requests that left while paused.
    pub requests_while_paused: u64,
    /// Changes of rendition within a track.
    pub rendition_switches: u64,
    /// The last 256 of them.
    pub switches: Vec<Switch>,
    /// How often the bytes began to travel another way.
    pub path_changes: u64,
    /// The last 256 of those changes.
    pub paths: Vec<PathChange>,
    /// Connections made after the first.
    pub reconnects: u64,
    /// Requests that failed and were made again.
    pub retries: u64,
    /// Those of them that were given up because nothing came for too long.
    pub stalls: u64,
    /// Packets that could not be decoded.
    pub damaged_packets: u64,
    /// The most audio that was ever held.
    pub peak_buffer_ms: f64,
    /// How much had to be held for sound to begin, or to go on after an underrun, the last time.
    pub start_ms: f64,
    /// Below how much held the next chunk was asked for in the end.
    pub target_ms: f64,
    /// The last 256 changes of it.
    pub targets: Vec<Target>,
    /// For how long how much was held.
    pub level_ms: LevelTimes,
}

/// A change of rendition within a track.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Switch {
    /// Since the command's start.
    pub at_ms: f64,
    /// Codec and nominal bitrate in bit/s before, as `opus 96000`.
    pub from: String,
    /// The same from the next chunk on.
    pub to: String,
    /// Why, in words.
    pub reason: String,
}

impl Switch {
    pub(super) fn new(switched: &client::RenditionChange, began: Instant) -> Self {
        let name = |it: &media_protocol::Rendition| format!("{} {}", it.id.codec, it.bitrate);
        Self {
            at_ms: ms(switched.at.saturating_duration_since(began)),
            from: name(&switched.from),
            to: name(&switched.to),
            reason: switched.reason.clone(),
        }
    }
}

/// The bytes began to travel another way.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PathChange {
    /// Since the command's start.
    pub at_ms: f64,
    /// Kind and address before.
    pub from: String,
    /// Kind and address since.
    pub to: String,
    /// The round trip since, where it was known at once.
    pub rtt_ms: Option<f64>,
}

impl PathChange {
    pub(super) fn new(change: &client::PathChange, began: Instant) -> Self {
        let name = |path: &TransportPath| format!("{} {}", path.kind, path.remote);
        Self {
            at_ms: ms(change.at.into_std().saturating_duration_since(began)),
            from: name(&change.from),
            to: name(&change.to),
            rtt_ms: change.to.rtt.map(ms),
        }
    }
}

/// A change of how much is held.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Target {
    /// Since the command's start.
    pub at_ms: f64,
    /// The new target.
    pub target_ms: f64,
    /// Why, in words.
    pub reason: String,
}

impl Target {
    pub(super) fn new(change: &client::TargetChange, began: Instant) -> Self {
        Self {
            at_ms: ms(change.at.saturating_duration_since(began)),
            target_ms: ms(change.target),
            reason: change.reason.into(),
        }
    }
}

/// Time on the playback clock (frames handed to the output, and the time in which it was dry) by what the buffer held. At the
/// end of the last track it runs empty as it should.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct LevelTimes {
    /// Nothing.
    pub empty: f64,
    /// Less than 0.5 s.
    pub below_500: f64,
    /// From 0.5 s to less than 1 s.
    pub below_1000: f64,
    /// From 1 s to less than 2 s.
    pub below_2000: f64,
    /// From 2 s to less than 3 s.
    pub below_3000: f64,
    /// 3 s and more.
    pub from_3000: f64,
}

impl LevelTimes {
    pub(super) fn new(levels: client::LevelHistogram) -> Self {
        let [empty, below_500, below_1000, below_2000, below_3000, from_3000] = levels.times().map(ms);
        Self { empty, below_500, below_1000, below_2000, below_3000, from_3000 }
    }
}

/// A duration in milliseconds, to the microsecond.
pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

impl Stats {
    /// Writes JSON to a file, whole or not at all.
    ///
    /// # Errors
    /// As [`files::write`].
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        files::write(file, &text, false)
    }
}
