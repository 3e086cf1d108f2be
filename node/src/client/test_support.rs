//! Fixtures of the client's unit tests.

pub(super) mod net;
pub(super) mod scripted_node;

use media_protocol::{Info, Rendition, Track, TrackSource, chunk_count, frames_per_chunk};

/// A track in a rendition shaped like Opus: 20 ms packets at 48 kHz, a lead-in and a crossfade.
pub(super) fn info(rate: u32, channels: u16, frames: u64) -> Info {
    let id = "0123456789abcdef".parse().unwrap();
    let source = TrackSource { codec: "flac".into(), rate, channels, bits: Some(16) };
    let track = Track {
        id,
        number: 1,
        title: "A track".into(),
        artist: String::new(),
        album: String::new(),
        duration_ms: frames * 1000 / u64::from(rate),
        away: false,
        source,
        detail: None,
    };
    let rendition = Rendition {
        id: format!("0123456789abcdef.test.{rate}.{channels}.x").parse().unwrap(),
        bitrate: 96_000,
        lossless: false,
        config: Vec::new(),
        frames,
        chunks: chunk_count(frames, rate).unwrap(),
        frames_per_chunk: frames_per_chunk(rate),
        packet_frames: 960,
        lead_in: 1_272,
        crossfade: 480,
        continuous: false,
        joinable: false,
    };
    Info { track, rendition, alternatives: Vec::new(), reason: "it is a test".into() }
}
