//! Tracks for tests.

use media_protocol::{TrackSource, TrackTags};

use super::track_file::{FileEntry, TrackFile};

/// A track file with this path and size, on an album.
pub(super) fn track_file(path: &str, size: u64) -> TrackFile {
    TrackFile {
        entry: FileEntry { path: path.into(), size, modified: 5 },
        id: format!("id-{size}").parse().unwrap(),
        title: format!("Title {size}"),
        artist: String::new(),
        album: "Album".into(),
        duration_ms: 1000,
        source: TrackSource { codec: "flac".into(), rate: 44_100, channels: 2, bits: Some(16) },
        added: 7,
        tags: TrackTags::default(),
    }
}
