//! The artist, albums or tracks that a person's words name.

use std::collections::HashSet;

use media_protocol::Track;

use super::{
    album::{Album, albums, tags},
    fold::fold,
    query::{Match, Query},
};

/// The meaning of words in a library.
#[derive(Debug, Clone, PartialEq)]
pub enum Named {
    /// An artist, with all albums that hold tracks of the artist, by date. Of an album by several artists, only the artist's
    /// tracks.
    Artist(String, Vec<Album>),
    /// One album.
    Album(Album),
    /// Several albums that the words fit equally well, or the albums of several artists.
    Albums(Vec<Album>),
    /// Tracks, the best match first.
    Tracks(Vec<Track>),
}

impl Named {
    /// Finds the meaning of a query. `found` are the tracks of a search for it, with details, in order of relevance.
    ///
    /// A name that fits better wins. Of equal ones, an artist comes before an album, and an album before a track.
    #[must_use]
    pub fn new(query: &Query, found: Vec<Track>) -> Self {
        let all = albums(found.iter().cloned());
        for degree in [Match::Exact, Match::Phrase, Match::Prefix, Match::Words] {
            let named = artists(query, degree, &found, &all).or_else(|| albums_named(query, degree, &all));
            if let Some(named) = named.or_else(|| titles(query, degree, &found)) {
                return named;
            }
        }
        Self::Tracks(found)
    }

    /// The tracks in the order in which they are played. `None` if the words name several albums.
    #[must_use]
    pub fn into_tracks(self) -> Option<Vec<Track>> {
        match self {
            Self::Artist(_, albums) => Some(albums.into_iter().flat_map(|album| album.tracks).collect()),
            Self::Album(album) => Some(album.tracks),
            Self::Albums(_) => None,
            Self::Tracks(tracks) => Some(tracks),
        }
    }
}

/// The names of the artists of a track and of its album.
fn artist_names(track: &Track) -> impl Iterator<Item = &str> {
    let lists = tags(track).map(|tags| [&tags.album_artists, &tags.artists]);
    let names = lists.into_iter().flatten().flatten().map(String::as_str);
    names.chain([track.artist.as_str()]).filter(|name| !name.is_empty())
}

fn artists(query: &Query, degree: Match, found: &[Track], all: &[Album]) -> Option<Named> {
    let mut fitting: Vec<(String, String)> = Vec::new();
    let of_albums = all.iter().map(|album| album.artist.as_str());
    for name in of_albums.chain(found.iter().flat_map(artist_names)) {
        if query.match_name(name) == Some(degree) {
            let folded = fold(name);
            if fitting.iter().all(|(other, _)| *other != folded) {
                fitting.push((folded, name.to_owned()));
            }
        }
    }
    let is_theirs = |name: &str| fitting.iter().any(|(folded, _)| *folded == fold(name));
    match fitting.as_slice() {
        [] => None,
        [(_, name)] => {
            let mut albums = part_of(all.to_vec(), is_theirs);
            albums.sort_by_key(|album| (album.id.is_empty(), album.date.is_none(), album.date));
            Some(Named::Artist(name.clone(), albums))
        }
        _ => Some(Named::Albums(part_of(all.to_vec(), is_theirs))),
    }
}

/// The albums of some artists, and the artists' own tracks of other albums.
fn part_of(albums: Vec<Album>, is_theirs: impl Fn(&str) -> bool) -> Vec<Album> {
    let theirs = albums.into_iter().map(|mut album| {
        if !is_theirs(&album.artist) {
            album.tracks.retain(|track| artist_names(track).any(&is_theirs));
        }
        album
    });
    theirs.filter(|album| !album.tracks.is_empty()).collect()
}

fn albums_named(query: &Query, degree: Match, all: &[Album]) -> Option<Named> {
    let fits = |album: &Album| {
        let title = query.match_name(&album.title);
        // `queen greatest hits` names the album and its artist.
        let by_artist = || query.match_name(&format!("{} {}", album.artist, album.title));
        title == Some(degree)
            || (degree == Match::Words
                && title.is_none()
                && names_title(query, album)
                && by_artist().is_some())
    };
    let with_title = all.iter().filter(|album| !album.id.is_empty());
    let mut fitting: Vec<_> = with_title.filter(|album| fits(album)).cloned().collect();
    match fitting.len() {
        0 => None,
        1 => fitting.pop().map(Named::Album),
        _ => Some(Named::Albums(fitting)),
    }
}

/// Returns whether a word of the query is in the album's title and not in its artist's name, so that the words do not name
/// the artist alone.
fn names_title(query: &Query, album: &Album) -> bool {
    query.match_name(&album.artist).is_none() && query.has_word_in(&album.title)
}

fn titles(query: &Query, degree: Match, found: &[Track]) -> Option<Named> {
    let mut seen = HashSet::new();
    let fits =
        |track: &&Track| query.match_name(&track.title) == Some(degree) && seen.insert(track.id.clone());
    let fitting: Vec<_> = found.iter().filter(fits).cloned().collect();
    (!fitting.is_empty() && degree != Match::Words).then_some(Named::Tracks(fitting))
}
