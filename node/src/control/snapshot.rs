use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Repeat;

/// State of the player at one instant, with everything that a view needs.
///
/// In JSON, durations are whole milliseconds in fields that end in `_ms`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Index of the current track in the queue, from 0.
    pub index: usize,
    /// Number of tracks in the queue.
    pub count: usize,
    /// Artist and title of the current track.
    pub title: String,
    /// Position in the current track.
    #[serde(rename = "position_ms", with = "milliseconds")]
    pub position: Duration,
    /// Length of the current track; 0 until it is known.
    #[serde(rename = "length_ms", with = "milliseconds")]
    pub length: Duration,
    /// Audio in the jitter buffer.
    #[serde(rename = "buffered_ms", with = "milliseconds")]
    pub buffered: Duration,
    /// Level of the jitter buffer below which the next chunk is requested.
    #[serde(rename = "target_ms", with = "milliseconds")]
    pub target: Duration,
    /// Codec and bitrate of the current track, as `opus 96k`. Empty until they are known.
    pub codec: String,
    /// Reason for that codec, in words.
    pub reason: String,
    /// Kind of the network path: `loopback`, `LAN`, `direct`, `relayed`, `memory`.
    pub path: String,
    /// Number of dropouts since the start.
    pub underruns: u64,
    /// Volume in percent, 0 to 100. Muting does not change it.
    pub volume: u8,
    /// True while the sound is muted.
    #[serde(default)]
    pub muted: bool,
    /// True if the order is random.
    #[serde(default)]
    pub shuffle: bool,
    /// The tracks that the player repeats.
    #[serde(default)]
    pub repeat: Repeat,
    /// True while the player is paused.
    pub paused: bool,
    /// Words for the thing that the player waits for, as in `for the node`. Empty if it does not wait.
    pub waiting: String,
}

/// Durations as whole milliseconds.
mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Programs that show the player's state depend on this form.
    #[test]
    fn the_json_form_is_stable() {
        let snapshot = Snapshot {
            index: 1,
            count: 10,
            title: "Miles Davis – So What".into(),
            position: Duration::from_millis(83_500),
            length: Duration::from_secs(562),
            buffered: Duration::from_millis(1_500),
            target: Duration::from_secs(3),
            codec: "opus 96k".into(),
            reason: "relayed path".into(),
            path: "relayed".into(),
            underruns: 2,
            volume: 80,
            muted: false,
            shuffle: true,
            repeat: Repeat::One,
            paused: true,
            waiting: "for the node".into(),
        };
        let json = concat!(
            r#"{"index":1,"count":10,"title":"Miles Davis – So What","position_ms":83500,"length_ms":562000,"#,
            r#""buffered_ms":1500,"target_ms":3000,"codec":"opus 96k","reason":"relayed path","path":"relayed","#,
            r#""underruns":2,"volume":80,"muted":false,"shuffle":true,"repeat":"one","paused":true,"waiting":"for the node"}"#,
        );
        assert_eq!(serde_json::to_string(&snapshot).unwrap(), json);
        assert_eq!(serde_json::from_str::<Snapshot>(json).unwrap(), snapshot);
    }
}
