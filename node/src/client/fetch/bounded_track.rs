//! Tracks as a node describes them, with texts of bounded length.

use media_protocol::Track;

use crate::text_line::{is_visible, text_line};

/// Columns of a title, an artist, an album or a codec, at most; nodes cut them to 200 characters. Test
/// `texts_of_a_track_are_bounded`.
const MAX_COLUMNS: usize = 200;
/// Title of a track whose own would not be seen.
const NO_TITLE: &str = "(no title)";

/// Bounds the texts of a track from a node.
pub(super) fn bounded(mut track: Track) -> Track {
    for text in [&mut track.title, &mut track.artist, &mut track.album, &mut track.source.codec] {
        *text = text_line(text, MAX_COLUMNS);
        // A text that was cut keeps the memory of the whole one otherwise.
        text.shrink_to_fit();
    }
    if !is_visible(&track.title) {
        track.title = NO_TITLE.into();
    }
    track
}

#[cfg(test)]
mod tests {
    use media_protocol::TrackSource;

    use super::*;

    #[test]
    fn texts_of_a_track_are_bounded() {
        let track = Track {
            id: "a".parse().unwrap(),
            number: 1,
            title: "\u{200b}".repeat(200_000),
            artist: "x".repeat(680_000),
            album: "a\nb".into(),
            duration_ms: 1,
            source: TrackSource { codec: "y".repeat(9999), rate: 44_100, channels: 2, bits: None },
        };
        let bounded = bounded(track);
        assert_eq!(bounded.title, "(no title)");
        assert_eq!(bounded.artist, format!("{}…", "x".repeat(199)));
        assert_eq!(bounded.album, "a\u{FFFD}b");
        assert_eq!(bounded.source.codec.chars().count(), 200);
    }
}
