use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// Error for text that is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {what}: {allowed} allowed")]
pub struct IdError {
    what: &'static str,
    allowed: &'static str,
}

pub(crate) fn is_word(text: &str, longest: usize) -> bool {
    text.len() <= longest && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Id of a track within a node: 1 to 64 characters of `[a-z0-9-]`. It does not reveal the place of the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TrackId(String);

impl FromStr for TrackId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.is_empty() || !is_word(text, 64) {
            return Err(IdError { what: "a track id", allowed: "1 to 64 of a-z, 0-9 and -" });
        }
        Ok(Self(text.into()))
    }
}

impl TrackId {
    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Id of one track in one codec format: `track.codec.rate.channels.params`.
///
/// The id contains all parameters that change the bytes. So a node can answer a chunk request from the id
/// alone, even after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RenditionId {
    /// The track.
    pub track: TrackId,
    /// Id of the codec, 1 to 32 characters of `[a-z0-9-]`.
    pub codec: String,
    /// Frames per second.
    pub rate: u32,
    /// Samples per frame.
    pub channels: u16,
    /// Parameters as the codec defines them: one text of 0 to 32 characters of `[a-z0-9-]`.
    pub params: String,
}

impl FromStr for RenditionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError { what: "a rendition id", allowed: "track.codec.rate.channels.params" };
        let mut parts = text.split('.');
        let mut part = || parts.next().ok_or(error);
        let id = Self {
            track: part()?.parse()?,
            codec: part()?.into(),
            rate: part()?.parse().map_err(|_| error)?,
            channels: part()?.parse().map_err(|_| error)?,
            params: part()?.into(),
        };
        let is_valid = parts.next().is_none()
            && !id.codec.is_empty()
            && is_word(&id.codec, 32)
            && is_word(&id.params, 32)
            && id.rate > 0
            && id.channels > 0
            && is_written_as(&id, text);
        if is_valid { Ok(id) } else { Err(error) }
    }
}

/// Compares the text form of an id with a text, without a copy of it: a node reads an id for each chunk.
fn is_written_as(id: &RenditionId, text: &str) -> bool {
    struct Rest<'a>(&'a str);

    impl fmt::Write for Rest<'_> {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
            Ok(())
        }
    }

    let mut rest = Rest(text);
    write!(rest, "{id}").is_ok() && rest.0.is_empty()
}

impl fmt::Display for RenditionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { track, codec, rate, channels, params } = self;
        write!(f, "{track}.{codec}.{rate}.{channels}.{params}")
    }
}

impl fmt::Display for TrackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! as_text {
    ($id:ty) => {
        impl TryFrom<String> for $id {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$id> for String {
            fn from(id: $id) -> Self {
                id.to_string()
            }
        }
    };
}
as_text!(TrackId);
as_text!(RenditionId);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_id_comes_back(
            track in "[a-z0-9-]{1,64}",
            codec in "[a-z0-9-]{1,32}",
            rate in 1_u32..,
            channels in 1_u16..,
            params in "[a-z0-9-]{0,32}",
        ) {
            let id = RenditionId { track: track.parse().unwrap(), codec, rate, channels, params };
            prop_assert_eq!(id.to_string().parse(), Ok(id.clone()));
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<RenditionId>(&json).unwrap(), id);
        }
    }

    #[test]
    fn an_id_is_written_in_one_way_only() {
        assert!("t.pcm.44100.2.".parse::<RenditionId>().is_ok());
        let long = "a".repeat(65);
        let bad = [
            "",
            "t",
            "t.pcm.44100.2",
            "t.pcm.44100.2.s16.",
            ".pcm.44100.2.s16",
            "t..44100.2.s16",
            "t.pcm.0.2.s16",
            "t.pcm.44100.0.s16",
            "t.pcm.044100.2.s16",
            "t.pcm.+44100.2.s16",
            "t.pcm.44100.65536.s16",
            "t.pcm.4294967296.2.s16",
            "t.PCM.44100.2.s16",
            "t.pcm.44100.2.s 16",
            "t/u.pcm.44100.2.s16",
            &format!("{long}.pcm.44100.2.s16"),
            &format!("t.{long}.44100.2.s16"),
            &format!("t.pcm.44100.2.{long}"),
        ];
        for text in bad {
            assert!(text.parse::<RenditionId>().is_err(), "{text}");
        }
    }
}
