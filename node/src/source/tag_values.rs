//! The tags that the tag reader found, as the library needs them.

use std::time::Duration;

use lofty::{file::TaggedFile, prelude::*, tag::Tag};
use media_protocol::{Loudness, MusicBrainzIds, SortNames, TrackTags};

use super::tag_text::{clean, date, flag, gain, has_times, number_of_total, peak, r128_gain, track_number};

/// Tags of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// The title as one line. This and the other texts are `None` if absent or invisible.
    pub title: Option<String>,
    /// The artist of the track; the first one of several.
    pub artist: Option<String>,
    /// The album.
    pub album: Option<String>,
    /// The length, if the headers give it and if a quick check does not contradict them. `None` if only reading the whole
    /// file tells.
    pub duration: Option<Duration>,
    /// All other tags. Texts and lists are as long as the file has them.
    pub more: TrackTags,
}

/// Converts all tags of a file. The format's native kind of tag comes before older ones (ID3v2 before ID3v1).
pub(super) fn tags_of(file: &TaggedFile) -> Tags {
    let primary = file.primary_tag();
    let others = file.tags().iter().filter(|tag| Some(tag.tag_type()) != primary.map(Tag::tag_type));
    let values = TagValues(primary.into_iter().chain(others).collect());
    Tags {
        title: values.text(ItemKey::TrackTitle),
        artist: values.text(ItemKey::TrackArtist),
        album: values.text(ItemKey::AlbumTitle),
        duration: None,
        more: values.more(),
    }
}

/// The tags of a file, the most trustworthy first.
struct TagValues<'a>(Vec<&'a Tag>);

impl TagValues<'_> {
    /// The first value that is not blank.
    fn text(&self, key: ItemKey) -> Option<String> {
        self.0.iter().copied().flat_map(|tag| tag.get_strings(key)).find_map(clean)
    }

    fn text_or_empty(&self, key: ItemKey) -> String {
        self.text(key).unwrap_or_default()
    }

    /// All values of the first tag that has any, without repetitions.
    fn texts(&self, key: ItemKey) -> Vec<String> {
        let of_tag = |tag: &Tag| {
            let mut texts: Vec<String> = Vec::new();
            for text in tag.get_strings(key).filter_map(clean) {
                if !texts.contains(&text) {
                    texts.push(text);
                }
            }
            Some(texts).filter(|texts| !texts.is_empty())
        };
        self.0.iter().copied().find_map(of_tag).unwrap_or_default()
    }

    /// The values of `list`, which names each person apart, or else of `line`.
    fn names(&self, list: ItemKey, line: ItemKey) -> Vec<String> {
        let names = self.texts(list);
        if names.is_empty() { self.texts(line) } else { names }
    }

    fn more(&self) -> TrackTags {
        let (disc, of_discs) =
            self.text(ItemKey::DiscNumber).map_or((None, None), |text| number_of_total(&text));
        let total = |key| self.text(key).and_then(|text| number_of_total(&text).0);
        let number = self.text(ItemKey::TrackNumber).map(|text| track_number(&text)).unwrap_or_default();
        let lyrics = self.text(ItemKey::Lyrics).or_else(|| self.text(ItemKey::UnsyncLyrics));
        let first_date = |keys: &[ItemKey]| keys.iter().find_map(|key| date(&self.text(*key)?));
        TrackTags {
            artists: self.names(ItemKey::TrackArtists, ItemKey::TrackArtist),
            album_artists: self.names(ItemKey::AlbumArtists, ItemKey::AlbumArtist),
            genres: self.texts(ItemKey::Genre),
            composers: self.texts(ItemKey::Composer),
            date: first_date(&[ItemKey::RecordingDate, ItemKey::ReleaseDate, ItemKey::Year]),
            original_date: first_date(&[ItemKey::OriginalReleaseDate]),
            disc,
            disc_total: total(ItemKey::DiscTotal).or(of_discs),
            side: number.side,
            track: number.track,
            track_total: total(ItemKey::TrackTotal).or(number.total),
            compilation: self.text(ItemKey::FlagCompilation).is_some_and(|text| flag(&text)),
            lyrics: lyrics.is_some(),
            timed_lyrics: self.has_timed_lyrics(),
            cover: false,
            sort: self.sort_names(),
            loudness: self.loudness(),
            musicbrainz: self.musicbrainz(),
        }
    }

    fn has_timed_lyrics(&self) -> bool {
        // Not by `text`, which turns lines into one.
        let keys = [ItemKey::Lyrics, ItemKey::UnsyncLyrics];
        self.0.iter().any(|tag| keys.into_iter().any(|key| tag.get_strings(key).any(has_times)))
    }

    fn sort_names(&self) -> Option<Box<SortNames>> {
        let names = SortNames {
            title: self.text_or_empty(ItemKey::TrackTitleSortOrder),
            artist: self.text_or_empty(ItemKey::TrackArtistSortOrder),
            album: self.text_or_empty(ItemKey::AlbumTitleSortOrder),
            album_artist: self.text_or_empty(ItemKey::AlbumArtistSortOrder),
            composer: self.text_or_empty(ItemKey::ComposerSortOrder),
        };
        boxed(names)
    }

    fn loudness(&self) -> Option<Box<Loudness>> {
        let loudness = Loudness {
            track_gain: self.text(ItemKey::ReplayGainTrackGain).and_then(|text| gain(&text)),
            track_peak: self.text(ItemKey::ReplayGainTrackPeak).and_then(|text| peak(&text)),
            album_gain: self.text(ItemKey::ReplayGainAlbumGain).and_then(|text| gain(&text)),
            album_peak: self.text(ItemKey::ReplayGainAlbumPeak).and_then(|text| peak(&text)),
            r128_track_gain: self.text(ItemKey::R128TrackGain).and_then(|text| r128_gain(&text)),
            r128_album_gain: self.text(ItemKey::R128AlbumGain).and_then(|text| r128_gain(&text)),
        };
        boxed(loudness)
    }

    fn musicbrainz(&self) -> Option<Box<MusicBrainzIds>> {
        let ids = MusicBrainzIds {
            recording: self.text_or_empty(ItemKey::MusicBrainzRecordingId),
            track: self.text_or_empty(ItemKey::MusicBrainzTrackId),
            album: self.text_or_empty(ItemKey::MusicBrainzReleaseId),
            release_group: self.text_or_empty(ItemKey::MusicBrainzReleaseGroupId),
            artists: self.texts(ItemKey::MusicBrainzArtistId),
            album_artists: self.texts(ItemKey::MusicBrainzReleaseArtistId),
        };
        boxed(ids)
    }
}

/// `None` for a value without content.
fn boxed<T: Default + PartialEq>(value: T) -> Option<Box<T>> {
    (value != T::default()).then(|| Box::new(value))
}
