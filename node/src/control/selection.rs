//! Which tracks are played, and where the player stands among them.

use media_protocol::{Track, TrackId};

/// Nothing in the catalog fits what a person typed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no track {wanted:?} on this node: give a number from 1 to {count}, an id, or words of its title (see `media-node ls`)"
)]
pub struct NoSuchTrack {
    wanted: String,
    count: u32,
}

/// The tracks that `wanted` names, in that order, each by number, id or words of its title, artist and album; all of them
/// when it is empty. Words may name several. The node has `count` tracks, of which `catalog` may be a part.
///
/// # Errors
/// The first that names nothing.
pub fn select(catalog: &[Track], count: u32, wanted: &[String]) -> Result<Vec<Track>, NoSuchTrack> {
    if wanted.is_empty() {
        return Ok(catalog.to_vec());
    }
    let mut selected = Vec::new();
    for wanted in wanted {
        let found = find(catalog, wanted);
        if found.is_empty() {
            return Err(NoSuchTrack { wanted: wanted.clone(), count });
        }
        selected.extend(found);
    }
    Ok(selected)
}

fn find(catalog: &[Track], wanted: &str) -> Vec<Track> {
    let number = wanted.parse::<u32>().ok();
    let exact = |track: &&Track| Some(track.number) == number || track.id.as_str() == wanted;
    if let Some(track) = catalog.iter().find(exact) {
        return vec![track.clone()];
    }
    let words: Vec<_> = wanted.split_whitespace().map(str::to_lowercase).collect();
    let fits = |track: &&Track| {
        let text = format!("{} {} {}", track.title, track.artist, track.album).to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    if words.is_empty() { Vec::new() } else { catalog.iter().filter(fits).cloned().collect() }
}

/// A place in the playlist that follows the player's events. An event confirms the place that was asked for, and only then
/// can another move on to the next; so a late event of what was played before moves nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cursor {
    pub(super) index: usize,
    confirmed: bool,
}

impl Cursor {
    pub(super) fn at(index: usize) -> Self {
        Self { index, confirmed: false }
    }

    /// Takes an event of `track`. Returns whether the cursor is on it now.
    pub(super) fn follow(&mut self, playlist: &[Track], track: &TrackId) -> bool {
        if !self.confirmed {
            self.confirmed = playlist.get(self.index).is_some_and(|it| it.id == *track);
            return self.confirmed;
        }
        // Tracks in between could not be played.
        match playlist.iter().skip(self.index + 1).position(|it| it.id == *track) {
            Some(ahead) => {
                self.index += 1 + ahead;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use media_protocol::TrackSource;

    use super::*;

    fn catalog() -> Vec<Track> {
        let source = TrackSource { codec: "flac".into(), rate: 44_100, channels: 2, bits: Some(16) };
        ["Blue in Green", "So What", "Blue Monday", "1984"]
            .iter()
            .zip(1..)
            .map(|(title, number)| Track {
                id: format!("id-{number}").parse().unwrap(),
                number,
                title: (*title).into(),
                artist: if number < 3 { "Miles Davis".into() } else { String::new() },
                album: String::new(),
                duration_ms: 1000,
                source: source.clone(),
            })
            .collect()
    }

    fn numbers(wanted: &[&str]) -> Result<Vec<u32>, NoSuchTrack> {
        let wanted: Vec<_> = wanted.iter().map(ToString::to_string).collect();
        Ok(select(&catalog(), 4, &wanted)?.iter().map(|track| track.number).collect())
    }

    #[test]
    fn selects_by_number_id_and_words() {
        assert_eq!(numbers(&[]).unwrap(), [1, 2, 3, 4]);
        assert_eq!(numbers(&["3", "id-1"]).unwrap(), [3, 1]);
        assert_eq!(numbers(&["blue"]).unwrap(), [1, 3]);
        assert_eq!(numbers(&["GREEN miles"]).unwrap(), [1]);
        assert_eq!(numbers(&["1984"]).unwrap(), [4], "a number that is none may be a title");
    }

    #[test]
    fn says_what_it_could_not_find() {
        let error = numbers(&["1", "nothing like it"]).unwrap_err().to_string();
        assert!(error.contains("nothing like it") && error.contains("1 to 4"), "{error}");
        assert!(numbers(&["5"]).is_err() && numbers(&[" "]).is_err() && numbers(&["0"]).is_err());
    }

    #[test]
    fn cursor_follows_repeated_tracks_and_ignores_late_events() {
        let tracks = catalog();
        let list = [tracks[0].clone(), tracks[0].clone(), tracks[1].clone()];
        let mut cursor = Cursor::at(0);
        for expected in [0, 1] {
            assert!(cursor.follow(&list, &list[0].id));
            assert_eq!(cursor.index, expected);
        }
        assert!(!cursor.follow(&list, &list[0].id));
        cursor = Cursor::at(2);
        assert!(!cursor.follow(&list, &list[0].id), "an event of before the jump");
        assert!(cursor.follow(&list, &list[2].id));
    }
}
