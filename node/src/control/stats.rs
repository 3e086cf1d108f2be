//! Statistics of one play session, for `--stats FILE`.

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use media_plugin_sdk::transport::Path as TransportPath;
use serde::Serialize;

use crate::{client, files};

/// Statistics of one play session. Fields that end in `_ms` are times in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Stats {
    /// The last audible track: id, artist and title.
    pub track: String,
    /// Id of the transport.
    pub transport: String,
    /// Kind of the network path at the end: `loopback`, `LAN`, `direct`, `relayed`, `memory`.
    pub path: String,
    /// Codec of the last track.
    pub codec: String,
    /// Nominal bitrate of that codec, in bit/s.
    pub bitrate: u32,
    /// Reason for that codec: the node's reason, or the reason for the last change.
    pub reason: String,
    /// Time to create the local endpoint of the transport.
    pub bind_ms: f64,
    /// Time from dialling to the end of the handshake.
    pub connect_ms: f64,
    /// Time from the start of the process to the first frame written to the output; `null` without one.
    pub first_audio_ms: Option<f64>,
    /// Frames written to the output.
    pub frames_played: u64,
    /// Tracks that ended, including failed ones.
    pub tracks_ended: u64,
    /// Chunks received completely.
    pub chunks: u64,
    /// Requests sent for tracks and chunks.
    pub requests: u64,
    /// Received bytes of chunks, with their headers and trailers.
    pub bytes_received: u64,
    /// Number of times the output had no frames in the middle of a track.
    pub underruns: u64,
    /// Total duration of the underruns.
    pub underrun_ms: f64,
    /// Number of underruns that the sound system reported.
    pub xruns: u64,
    /// Total duration of pauses.
    pub paused_ms: f64,
    /// Requests sent while paused.
    pub requests_while_paused: u64,
    /// Changes of rendition within a track.
    pub rendition_switches: u64,
    /// The last 256 of these changes.
    pub switches: Vec<Switch>,
    /// Changes of the network path.
    pub path_changes: u64,
    /// The last 256 changes of the network path.
    pub paths: Vec<PathChange>,
    /// Connections made after the first.
    pub reconnects: u64,
    /// Retries scheduled after a failed request.
    pub retries: u64,
    /// Requests that were abandoned because no byte arrived within the stall timeout.
    pub stalls: u64,
    /// Received packets that could not be decoded and became silence.
    pub damaged_packets: u64,
    /// Time of the tracks that was silence because it could not be decoded, by the machine that could not.
    pub silenced_ms: Silenced,
    /// Highest level of the jitter buffer.
    pub peak_buffer_ms: f64,
    /// Last start level: the level of the jitter buffer at which sound starts, or resumes after an underrun.
    pub start_ms: f64,
    /// Last target level of the jitter buffer.
    pub target_ms: f64,
    /// The last 256 changes of the target level.
    pub targets: Vec<Target>,
    /// Time spent at each level of the jitter buffer.
    pub level_ms: LevelTimes,
}

/// Time that was silence in place of damaged or missing audio.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Silenced {
    /// The node's file is damaged, or was cut.
    pub node: f64,
    /// This machine rejected the node's packets.
    pub this_machine: f64,
}

impl Silenced {
    pub(super) fn new(loss: client::AudioLoss) -> Self {
        Self { node: ms(loss.node), this_machine: ms(loss.this_machine) }
    }
}

/// A change of rendition within a track.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Switch {
    /// Time since the start of the process.
    pub at_ms: f64,
    /// Former codec and nominal bitrate in bit/s, as `opus 96000`.
    pub from: String,
    /// New codec and nominal bitrate, from the next chunk on.
    pub to: String,
    /// Reason, in words.
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

/// A change of the network path.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PathChange {
    /// Time since the start of the process.
    pub at_ms: f64,
    /// Former kind and remote address.
    pub from: String,
    /// New kind and remote address.
    pub to: String,
    /// Round-trip time of the new path, if it was known at the change.
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

/// A change of the target level of the jitter buffer.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Target {
    /// Time since the start of the process.
    pub at_ms: f64,
    /// New target level.
    pub target_ms: f64,
    /// Reason, in words.
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

/// Playback time, by the level of the jitter buffer at that time, in milliseconds. It consists of the frames written to the
/// output and of the underruns. At the end of the last track the buffer runs empty, which is no problem.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct LevelTimes {
    /// Empty.
    pub empty: f64,
    /// Less than 0.5 s.
    pub below_500: f64,
    /// 0.5 s to less than 1 s.
    pub below_1000: f64,
    /// 1 s to less than 2 s.
    pub below_2000: f64,
    /// 2 s to less than 3 s.
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

/// Converts a duration to milliseconds, in steps of 1 µs.
pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

impl Stats {
    /// Writes the statistics to a file as JSON.
    ///
    /// # Errors
    /// Those of [`files::write`].
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        files::write(file, &text, false)
    }
}
