//! The tracks that a command line selects.

use media_protocol::Track;

/// Error for a selector that matches no track.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no track {selector:?} on this node; give a number from 1 to {count}, an id, or words of its title (see `media-node ls`)"
)]
pub struct NoSuchTrack {
    selector: String,
    count: u32,
}

/// Selects tracks of a catalog, in the order of the selectors. A selector is a number, an id, or words of title, artist and
/// album; words may match several tracks. Without selectors, all tracks are selected.
///
/// `catalog` may hold only some of the node's tracks. `count` is the number of all its tracks, for the error message.
///
/// # Errors
/// The first selector that matches no track.
pub fn select(catalog: &[Track], count: u32, selectors: &[String]) -> Result<Vec<Track>, NoSuchTrack> {
    if selectors.is_empty() {
        return Ok(catalog.to_vec());
    }
    let mut selected = Vec::new();
    for selector in selectors {
        let found = find(catalog, selector);
        if found.is_empty() {
            return Err(NoSuchTrack { selector: selector.clone(), count });
        }
        selected.extend(found);
    }
    Ok(selected)
}

fn find(catalog: &[Track], selector: &str) -> Vec<Track> {
    let number = selector.parse::<u32>().ok();
    let exact = |track: &&Track| Some(track.number) == number || track.id.as_str() == selector;
    if let Some(track) = catalog.iter().find(exact) {
        return vec![track.clone()];
    }
    let words: Vec<_> = selector.split_whitespace().map(str::to_lowercase).collect();
    let matches = |track: &&Track| {
        let text = format!("{} {} {}", track.title, track.artist, track.album).to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    if words.is_empty() { Vec::new() } else { catalog.iter().filter(matches).cloned().collect() }
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
                away: false,
                source: source.clone(),
                detail: None,
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
        assert_eq!(numbers(&["1984"]).unwrap(), [4], "a number that no track has may be a title");
    }

    #[test]
    fn says_what_it_could_not_find() {
        let error = numbers(&["1", "nothing like it"]).unwrap_err().to_string();
        assert!(error.contains("nothing like it") && error.contains("1 to 4"), "{error}");
        assert!(numbers(&["5"]).is_err() && numbers(&[" "]).is_err() && numbers(&["0"]).is_err());
    }
}
