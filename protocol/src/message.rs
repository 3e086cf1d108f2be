use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{ChunkIndex, Position, Rendition, RenditionId, TrackId, WireError};

/// What a stream asks for; the names are those on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `audio.list`: a page of the catalog.
    List,
    /// `audio.get_info`: a track, and the rendition to play it in.
    GetInfo,
    /// `audio.request_chunk`: one chunk's bytes.
    RequestChunk,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::List, Self::GetInfo, Self::RequestChunk];

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::List => "audio.list",
            Self::GetInfo => "audio.get_info",
            Self::RequestChunk => "audio.request_chunk",
        }
    }
}

impl FromStr for Protocol {
    type Err = WireError;

    fn from_str(name: &str) -> Result<Self, WireError> {
        Self::ALL.into_iter().find(|it| it.name() == name).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|it| it.name()).collect();
            let message = format!("no protocol {name:?} here; this node speaks {}", known.join(", "));
            WireError::new(crate::ErrorCode::BadRequest, message)
        })
    }
}

/// What a request is answered with: one JSON value, then the stream ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer<T> {
    /// As asked.
    Ok(T),
    /// Refused.
    Error(WireError),
}

impl<T> From<Result<T, WireError>> for Answer<T> {
    fn from(result: Result<T, WireError>) -> Self {
        match result {
            Ok(value) => Self::Ok(value),
            Err(error) => Self::Error(error),
        }
    }
}

impl<T> From<Answer<T>> for Result<T, WireError> {
    fn from(answer: Answer<T>) -> Self {
        match answer {
            Answer::Ok(value) => Ok(value),
            Answer::Error(error) => Err(error),
        }
    }
}

/// Asks for a page of the catalog.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// How many tracks to pass over.
    #[serde(default)]
    pub offset: u32,
    /// How many to send at most; a node sends [`List::MAX`] at most.
    pub limit: u32,
    /// Only tracks with all of these words in title, artist, album or id, in any case. At most [`List::MAX_SEARCH`] bytes.
    #[serde(default)]
    pub search: String,
}

impl List {
    /// The longest page, in tracks.
    pub const MAX: u32 = 500;
    /// The longest search, in bytes.
    pub const MAX_SEARCH: usize = 200;
    /// The longest answer, in bytes.
    pub const MAX_ANSWER: usize = 1024 * 1024;
}

/// A page of the catalog, in the order that `ls` numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ListPage {
    /// How many tracks match in all.
    pub total: u32,
    /// The tracks from the offset on.
    pub tracks: Vec<Track>,
    /// While the node still looks for tracks: how many it has found so far, in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scanning: Option<u32>,
}

/// A track as a listener sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// Its name within the node.
    pub id: TrackId,
    /// Its number in the whole catalog, from 1.
    pub number: u32,
    /// From its tags, or the file's name without its ending.
    pub title: String,
    /// From its tags, else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub artist: String,
    /// From its tags, else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub album: String,
    /// In milliseconds; from the headers, so that it may be a little off until the track is opened.
    pub duration_ms: u64,
    /// What the file holds.
    pub source: TrackSource,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackSource {
    /// `flac`, `mp3`, `vorbis`, …
    pub codec: String,
    /// Frames per second.
    pub rate: u32,
    /// Samples per frame.
    pub channels: u16,
    /// Bits per sample, where the codec has such a thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<u32>,
}

impl fmt::Display for TrackSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.codec, f64::from(self.rate) / 1000.0)?;
        match self.bits {
            Some(bits) => write!(f, "/{bits} {}ch", self.channels),
            None => write!(f, " {}ch", self.channels),
        }
    }
}

/// Asks how a track would be sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetInfo {
    /// The track.
    pub track: TrackId,
    /// What the client decodes, most wanted first. At most 32.
    pub codecs: Vec<CodecOffer>,
    /// What the client's output takes.
    #[serde(default)]
    pub output: OutputOffer,
    /// What the client knows of the path.
    #[serde(default)]
    pub path: PathReport,
    /// Asks for the chunk that holds this instant as well, in the rendition that the node chooses: it follows the answer's
    /// line on the same stream, so that playing begins one round trip earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then_chunk_at: Option<Position>,
}

impl GetInfo {
    /// The most codecs in one request.
    pub const MAX_CODECS: usize = 32;
    /// The most rates of an output in one request.
    pub const MAX_RATES: usize = 64;
    /// The longest answer, in bytes.
    pub const MAX_ANSWER: usize = 64 * 1024;
}

/// A codec that the client decodes, with its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodecOffer {
    /// The codec's id.
    pub id: String,
    /// The highest bitrate to send, in bit/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<u32>,
}

/// What the client's output takes; an empty list or an absent number is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputOffer {
    /// Rates, in frames per second, at most 64. A wish: the client resamples what does not fit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<u32>,
    /// The most channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u16>,
}

/// What the client knows of the path, for the node's reason and choice.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PathReport {
    /// The kind of path.
    #[serde(default)]
    pub kind: PathKind,
    /// Round-trip time, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<f64>,
    /// Packets lost, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Measured throughput, in bit/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throughput: Option<u64>,
}

/// The kind of path between two nodes; on the wire its name in lower case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathKind {
    /// Within one process.
    Memory,
    /// Within one machine.
    Loopback,
    /// Within a private network.
    Lan,
    /// Through the internet, without a relay.
    Direct,
    /// Through a relay.
    Relayed,
    /// Not known, or a kind that this version does not know. A reader takes `""` and an absent field as this too.
    #[default]
    #[serde(other)]
    Unknown,
}

impl PathKind {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Loopback => "loopback",
            Self::Lan => "lan",
            Self::Direct => "direct",
            Self::Relayed => "relayed",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for PathKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A track and how it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// The track, its duration exact.
    pub track: Track,
    /// What was chosen.
    pub rendition: Rendition,
    /// What else the client could have: one for each other codec that both have.
    #[serde(default)]
    pub alternatives: Vec<Rendition>,
    /// Why, in words.
    pub reason: String,
}

/// Asks for one chunk.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChunkRequest {
    /// Of which rendition.
    pub rendition: RenditionId,
    /// Which chunk.
    pub index: ChunkIndex,
}
