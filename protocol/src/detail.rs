//! The details of a track that a client gets on request.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Everything that a node tells about a track beyond [`crate::Track`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrackDetail {
    /// Id of the track's album within the node. Empty if the track belongs to no album.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub album: String,
    /// Number of the track's disc: from the tags, or else from the name of its folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disc: Option<u16>,
    /// Size of the file in bytes.
    pub size: u64,
    /// Mean bitrate of the file in bit/s. `None` if its duration is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<u32>,
    /// Time at which the file came into the library, in seconds since 1970.
    pub added: u64,
    /// The tags of the file.
    pub tags: TrackTags,
}

/// Tags of a track, without those in [`crate::Track`]. An empty list, an absent number and `false` mean that the file does
/// not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrackTags {
    /// All artists of the track.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub artists: Vec<String>,
    /// All artists of the album.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub album_artists: Vec<String>,
    /// Genres.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub genres: Vec<String>,
    /// Composers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub composers: Vec<String>,
    /// Date of this release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// Date of the first release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_date: Option<Date>,
    /// Number of the disc.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disc: Option<u16>,
    /// Number of discs of the album.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disc_total: Option<u16>,
    /// Side of a record: the letter of a track number such as `B2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<char>,
    /// Number of the track on its disc, or on its side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<u16>,
    /// Number of tracks of the disc.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track_total: Option<u16>,
    /// `true` if the album is a compilation of several artists.
    #[serde(skip_serializing_if = "is_false")]
    pub compilation: bool,
    /// `true` if the file holds lyrics.
    #[serde(skip_serializing_if = "is_false")]
    pub lyrics: bool,
    /// `true` if the lyrics have times.
    #[serde(skip_serializing_if = "is_false")]
    pub timed_lyrics: bool,
    /// `true` if the file holds a picture.
    #[serde(skip_serializing_if = "is_false")]
    pub cover: bool,
    /// Forms of names to sort by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<Box<SortNames>>,
    /// Loudness of the track and its album.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loudness: Option<Box<Loudness>>,
    /// Ids of MusicBrainz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub musicbrainz: Option<Box<MusicBrainzIds>>,
}

impl TrackTags {
    /// Greatest number of values of one tag.
    pub const MAX_VALUES: usize = 16;
    /// Greatest length of a text, in characters.
    pub const MAX_TEXT: usize = 200;

    /// Returns the date by which albums are ordered: that of the first release, or else that of this one.
    #[must_use]
    pub fn first_date(&self) -> Option<Date> {
        self.original_date.or(self.date)
    }
}

/// Forms of names to sort by, such as `Davis, Miles`. A text is empty if the file has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SortNames {
    /// Sort name of the title.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Sort name of the artist.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub artist: String,
    /// Sort name of the album.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub album: String,
    /// Sort name of the album's artist.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub album_artist: String,
    /// Sort name of the composer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub composer: String,
}

/// Loudness according to ReplayGain and to EBU R 128. Gains are in thousandths of a decibel, peaks in millionths of full
/// scale.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Loudness {
    /// ReplayGain of the track: the change that brings it to -18 LUFS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track_gain: Option<i32>,
    /// Peak of the track.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track_peak: Option<u32>,
    /// ReplayGain of the album.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub album_gain: Option<i32>,
    /// Peak of the album.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub album_peak: Option<u32>,
    /// `R128_TRACK_GAIN` of an Opus file: the change that brings the track to -23 LUFS, after the output gain of its header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r128_track_gain: Option<i32>,
    /// `R128_ALBUM_GAIN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r128_album_gain: Option<i32>,
}

/// Ids of MusicBrainz. A text is empty if the file has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MusicBrainzIds {
    /// Id of the recording.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub recording: String,
    /// Id of the track on this release.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub track: String,
    /// Id of the release.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub album: String,
    /// Id of the release group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub release_group: String,
    /// Ids of the artists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub artists: Vec<String>,
    /// Ids of the album's artists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub album_artists: Vec<String>,
}

/// A calendar date that may lack its day, or day and month. On the wire it is `1977`, `1977-03` or `1977-03-21`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// A text that is no [`Date`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a date such as 1977-03-21")]
pub struct DateError(String);

impl Date {
    /// Returns the year, 1 to 9999.
    #[must_use]
    pub fn year(self) -> u16 {
        self.year
    }
}

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let error = || DateError(text.chars().take(20).collect());
        let mut parts = text.split('-');
        let mut number = |digits: usize, greatest: u16| match parts.next() {
            None => Some(0),
            Some(part) if part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()) => {
                part.parse().ok().filter(|number| (1..=greatest).contains(number))
            }
            Some(_) => None,
        };
        let year = number(4, 9999).filter(|year| *year > 0).ok_or_else(error)?;
        let month = number(2, 12).and_then(|month| u8::try_from(month).ok()).ok_or_else(error)?;
        let day = number(2, 31).and_then(|day| u8::try_from(day).ok()).ok_or_else(error)?;
        if parts.next().is_some() {
            return Err(error());
        }
        Ok(Self { year, month, day })
    }
}

impl TryFrom<String> for Date {
    type Error = DateError;

    fn try_from(text: String) -> Result<Self, DateError> {
        text.parse()
    }
}

impl From<Date> for String {
    fn from(date: Date) -> Self {
        date.to_string()
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.year)?;
        if self.month > 0 {
            write!(f, "-{:02}", self.month)?;
        }
        if self.day > 0 {
            write!(f, "-{:02}", self.day)?;
        }
        Ok(())
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_come_back_and_others_are_refused() {
        for text in ["1977", "1977-03", "1977-03-21", "0001", "9999-12-31"] {
            assert_eq!(text.parse::<Date>().unwrap().to_string(), text);
        }
        for text in
            ["", "77", "1977-", "1977-3", "1977-13", "1977-00", "1977-03-32", "1977-03-21-1", "0000", "+977"]
        {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
        assert!("1977".parse::<Date>().unwrap() < "1977-03".parse().unwrap());
    }
}
