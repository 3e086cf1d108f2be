//! Tracks as a node describes them, with texts of bounded length.

use media_protocol::{Track, TrackDetail, TrackTags};

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
    if let Some(detail) = &mut track.detail {
        bound_detail(detail);
    }
    track
}

/// Bounds the lists and texts of the details.
fn bound_detail(detail: &mut TrackDetail) {
    let TrackTags { artists, album_artists, genres, composers, sort, musicbrainz, .. } = &mut detail.tags;
    let mut lists = vec![artists, album_artists, genres, composers];
    let mut texts = vec![&mut detail.album];
    if let Some(sort) = sort {
        texts.extend([&mut sort.title, &mut sort.artist, &mut sort.album]);
        texts.extend([&mut sort.album_artist, &mut sort.composer]);
    }
    if let Some(ids) = musicbrainz {
        texts.extend([&mut ids.recording, &mut ids.track, &mut ids.album, &mut ids.release_group]);
        lists.extend([&mut ids.artists, &mut ids.album_artists]);
    }
    for list in lists {
        list.truncate(TrackTags::MAX_VALUES);
        list.shrink_to_fit();
        texts.extend(list.iter_mut());
    }
    for text in texts {
        *text = text_line(text, MAX_COLUMNS);
        text.shrink_to_fit();
    }
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
            away: false,
            source: TrackSource { codec: "y".repeat(9999), rate: 44_100, channels: 2, bits: None },
            detail: Some(Box::new(TrackDetail {
                album: "z".repeat(9999),
                tags: TrackTags { genres: vec!["g".repeat(9999); 9999], ..TrackTags::default() },
                ..TrackDetail::default()
            })),
        };
        let bounded = bounded(track);
        assert_eq!(bounded.title, "(no title)");
        assert_eq!(bounded.artist, format!("{}…", "x".repeat(199)));
        assert_eq!(bounded.album, "a\u{FFFD}b");
        assert_eq!(bounded.source.codec.chars().count(), 200);
        let detail = bounded.detail.unwrap();
        assert_eq!((detail.album.chars().count(), detail.tags.genres.len()), (200, TrackTags::MAX_VALUES));
        assert_eq!(detail.tags.genres[0].chars().count(), 200);
    }
}
