//! Albums, formed from tracks with [`media_protocol::Track::detail`].

use std::{cmp::Ordering, collections::HashMap};

use media_protocol::{Date, Track, TrackTags};

use super::{album_index::VARIOUS, common_artist::common_artist, disc_name::in_title, fold::fold};

/// An album with its tracks in the order of disc, side, track number, and place in the library. Tracks of one artist without
/// album make an album without title.
#[derive(Debug, Clone, PartialEq)]
pub struct Album {
    /// Id within the node; empty for tracks without album.
    pub id: String,
    /// The title; empty for tracks without album.
    pub title: String,
    /// The artist of the whole album: from the tags, or else that of all tracks, or else `Various Artists`.
    pub artist: String,
    /// Date of the first release, or else of this one.
    pub date: Option<Date>,
    /// The tracks.
    pub tracks: Vec<Track>,
    order: AlbumOrder,
}

/// Place of an album among others: by artist, albums before tracks without one, by date and title. Albums without artist
/// come last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct AlbumOrder {
    has_no_artist: bool,
    artist: String,
    /// Albums of artists with one name for sorting stay together.
    folded_artist: String,
    has_no_title: bool,
    has_no_date: bool,
    date: Option<Date>,
    title: String,
    first: u32,
}

impl Album {
    /// Total length in milliseconds.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        self.tracks.iter().fold(0, |sum, track| sum.saturating_add(track.duration_ms))
    }

    fn new(id: String, mut tracks: Vec<Track>) -> Self {
        tracks.sort_by(compare_tracks);
        let tags = || tracks.iter().filter_map(tags);
        let artist = album_artist(&tracks);
        let first = tracks.first();
        let title = first.map(|track| track.album.as_str()).filter(|_| !id.is_empty()).unwrap_or_default();
        let title = in_title(title).map_or(title, |(without_disc, _)| without_disc).to_owned();
        let date = tags().filter_map(TrackTags::first_date).min();
        let sort_title =
            tags().find_map(|tags| tags.sort.as_ref().map(|sort| &sort.album).filter(|it| !it.is_empty()));
        let order = AlbumOrder {
            has_no_artist: artist.is_empty(),
            artist: sort_artist(&artist, &tracks),
            folded_artist: fold(&artist),
            has_no_title: id.is_empty(),
            has_no_date: date.is_none(),
            date,
            title: sort_name(sort_title.unwrap_or(&title)),
            first: first.map_or(0, |track| track.number),
        };
        Self { id, title, artist, date, tracks, order }
    }
}

/// Forms the albums of tracks, ordered by artist and date. Tracks without detail have no album.
#[must_use]
pub fn albums(tracks: impl IntoIterator<Item = Track>) -> Vec<Album> {
    let mut groups: HashMap<(String, String), Vec<Track>> = HashMap::new();
    for track in tracks {
        let id = track.detail.as_ref().map(|detail| detail.album.clone()).unwrap_or_default();
        let artist = if id.is_empty() { fold(&track.artist) } else { String::new() };
        groups.entry((id, artist)).or_default().push(track);
    }
    let mut albums: Vec<_> = groups.into_iter().map(|((id, _), tracks)| Album::new(id, tracks)).collect();
    // One album's tags may have a name for sorting, another one's of the same artist may not.
    let mut names: HashMap<String, String> = HashMap::new();
    for album in &albums {
        let name = names.entry(album.order.folded_artist.clone()).or_insert_with(|| sort_name(&album.artist));
        if *name == sort_name(&album.artist) {
            name.clone_from(&album.order.artist);
        }
    }
    for album in &mut albums {
        if let Some(name) = names.get(&album.order.folded_artist) {
            album.order.artist.clone_from(name);
        }
    }
    albums.sort_by(|a, b| a.order.cmp(&b.order));
    albums
}

/// The tags of a track that came with its details.
pub(super) fn tags(track: &Track) -> Option<&TrackTags> {
    track.detail.as_ref().map(|detail| &detail.tags)
}

fn compare_tracks(a: &Track, b: &Track) -> Ordering {
    let place = |track: &Track| {
        let detail = track.detail.as_deref();
        let tags = detail.map(|detail| &detail.tags);
        (
            detail.and_then(|detail| detail.disc).unwrap_or(1),
            tags.and_then(|tags| tags.side),
            tags.and_then(|tags| tags.track).unwrap_or(u16::MAX),
            track.number,
        )
    };
    place(a).cmp(&place(b))
}

fn album_artist(tracks: &[Track]) -> String {
    let named = tracks.iter().filter_map(tags).find(|tags| !tags.album_artists.is_empty());
    if let Some(named) = named {
        return named.album_artists.join(", ");
    }
    let folded: Vec<_> = tracks.iter().map(|track| fold(&track.artist)).collect();
    if folded.iter().all(String::is_empty) {
        return String::new();
    }
    let Some(common) = common_artist(folded.iter().map(String::as_str)) else { return VARIOUS.into() };
    let named = tracks.iter().zip(&folded).find(|(_, folded)| *folded == common);
    named.map(|(track, _)| track.artist.clone()).unwrap_or_default()
}

/// The name by which the artist of an album is sorted.
fn sort_artist(artist: &str, tracks: &[Track]) -> String {
    let sort = tracks.iter().filter_map(|track| tags(track)?.sort.as_deref().map(|sort| (track, sort)));
    let given = sort.filter_map(|(track, sort)| match (&sort.album_artist, &sort.artist) {
        (name, _) if !name.is_empty() => Some(name.as_str()),
        // The track's artist is the album's.
        (_, name) if !name.is_empty() && fold(&track.artist) == fold(artist) => Some(name.as_str()),
        _ => None,
    });
    let given = given.map(sort_name).next();
    given.unwrap_or_else(|| sort_name(artist))
}

/// The folded form of a name without an article at its beginning or end.
pub(super) fn sort_name(name: &str) -> String {
    let folded = fold(name);
    let without = folded.strip_prefix("the ").or_else(|| folded.strip_suffix(" the"));
    without.filter(|rest| !rest.is_empty()).map_or_else(|| folded.clone(), str::to_owned)
}
