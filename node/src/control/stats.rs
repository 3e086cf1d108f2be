//! What `--stats FILE` holds: the objectives of one playing, measured.

use std::{io, path::Path, time::Duration};

use serde::Serialize;

use crate::files;

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
    /// The last changes of rendition within a track, the oldest first; [`Stats::SWITCHES`] at most.
    pub switches: Vec<SwitchStats>,
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
    /// For how long in all.
    pub underrun_ms: f64,
    /// How long a person had it paused.
    pub paused_ms: f64,
    /// Requests that left while paused.
    pub requests_while_paused: u64,
    /// Changes of rendition within a track.
    pub rendition_switches: u64,
    /// Connections made after the first.
    pub reconnects: u64,
    /// Requests that failed and were made again.
    pub retries: u64,
    /// Packets that could not be decoded.
    pub damaged_packets: u64,
    /// The most audio that was ever held.
    pub peak_buffer_ms: f64,
}

/// A change of rendition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SwitchStats {
    /// When it was decided, from the command's start, in milliseconds.
    pub at_ms: f64,
    /// Codec and bitrate before.
    pub from: String,
    /// Codec and bitrate after.
    pub to: String,
    /// Why.
    pub reason: String,
}

/// A duration in milliseconds, to the microsecond.
pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

impl Stats {
    /// The most changes of rendition that are kept.
    pub const SWITCHES: usize = 256;

    /// Writes JSON to a file, whole or not at all.
    ///
    /// # Errors
    /// As [`files::write`].
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        files::write(file, &text, false)
    }
}
