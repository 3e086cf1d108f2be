use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{ChunkIndex, Position, Rendition, RenditionId, TrackDetail, TrackId, WireError};

/// Protocol of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `audio.list`: a page of the library.
    List,
    /// `audio.get_info`: a track and its renditions.
    GetInfo,
    /// `audio.request_chunk`: the bytes of one chunk.
    RequestChunk,
}

impl Protocol {
    /// All protocols.
    pub const ALL: [Self; 3] = [Self::List, Self::GetInfo, Self::RequestChunk];

    /// Returns the name on the wire.
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
        Self::ALL.into_iter().find(|protocol| protocol.name() == name).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|protocol| protocol.name()).collect();
            let message = format!("unknown protocol {name:?}; this node has {}", known.join(", "));
            WireError::new(crate::ErrorCode::BadRequest, message)
        })
    }
}

/// Answer to a request, as one JSON value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer<T> {
    /// The requested data.
    Ok(T),
    /// The refusal.
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

/// Request for a page of the library.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Number of tracks to skip.
    #[serde(default)]
    pub offset: u32,
    /// Greatest number of tracks to send. A node never sends more than [`List::MAX`].
    pub limit: u32,
    /// Words that a track must have in its tags, or its whole id. At most [`List::MAX_SEARCH`] bytes.
    #[serde(default)]
    pub search: String,
    /// Requests [`Track::detail`], and the matches of a search in order of relevance.
    #[serde(default, skip_serializing_if = "is_false")]
    pub detail: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl List {
    /// Greatest number of tracks in a page.
    pub const MAX: u32 = 500;
    /// Greatest length of a search, in bytes.
    pub const MAX_SEARCH: usize = 200;
    /// Greatest length of an answer, in bytes.
    pub const MAX_ANSWER: usize = 1024 * 1024;
}

/// A page of the library: in the order of the track numbers, or in order of relevance for a search with
/// [`List::detail`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ListPage {
    /// Number of all tracks that match.
    pub total: u32,
    /// The tracks, starting at the offset.
    pub tracks: Vec<Track>,
    /// Number of all tracks found so far, while the node scans its library.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scanning: Option<u32>,
}

/// Description of a track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// Id of the track within the node.
    pub id: TrackId,
    /// Number of the track in the whole library, from 1.
    pub number: u32,
    /// Title from the tags, or else the file name without its extension.
    pub title: String,
    /// Artist from the tags, or else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub artist: String,
    /// Album from the tags, or else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub album: String,
    /// Duration in milliseconds; 0 if the node does not know it yet.
    pub duration_ms: u64,
    /// True if the disk with the file is away. The node answers `busy` for such a track until the disk is back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub away: bool,
    /// Format of the file.
    pub source: TrackSource,
    /// Further tags and facts, if the client asks for them with [`List::detail`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Box<TrackDetail>>,
}

/// Format of an audio file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackSource {
    /// The codec: `flac`, `mp3`, `vorbis`, …
    pub codec: String,
    /// Frames per second.
    pub rate: u32,
    /// Samples per frame.
    pub channels: u16,
    /// Bits per sample, if the codec has a fixed number.
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

/// Request for a track and its renditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetInfo {
    /// The track.
    pub track: TrackId,
    /// Codecs that the client decodes, the preferred one first. At most [`GetInfo::MAX_CODECS`].
    pub codecs: Vec<CodecOffer>,
    /// Formats that the client's output accepts.
    #[serde(default)]
    pub output: OutputOffer,
    /// Path between client and node, as the client knows it.
    #[serde(default)]
    pub path: PathReport,
    /// Requests the chunk that contains this instant too, in the rendition that the node chooses. It follows
    /// the answer on the same stream, so playback starts one round trip earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then_chunk_at: Option<Position>,
    /// Requests [`ChunkMessage::report_loss`] for that chunk.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub report_loss: bool,
}

impl GetInfo {
    /// Greatest number of codecs in one request.
    pub const MAX_CODECS: usize = 32;
    /// Greatest number of output rates in one request.
    pub const MAX_RATES: usize = 64;
    /// Greatest length of an answer, in bytes.
    pub const MAX_ANSWER: usize = 64 * 1024;
}

/// A codec that the client decodes, with the highest bitrate it wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodecOffer {
    /// Id of the codec.
    pub id: String,
    /// Highest bitrate, in bit/s; `None` for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<u32>,
}

/// Formats that the client's output accepts. An empty list or an absent number means no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputOffer {
    /// Preferred rates, in frames per second. At most [`GetInfo::MAX_RATES`] entries. The client resamples other rates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<u32>,
    /// Greatest number of channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u16>,
}

/// Path between client and node, as the client knows it. The node uses it for its choice and the reason.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PathReport {
    /// Kind of the path.
    #[serde(default)]
    pub kind: PathKind,
    /// Round-trip time, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<f64>,
    /// Share of lost packets, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Measured throughput, in bit/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throughput: Option<u64>,
}

/// Kind of path between two nodes.
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
    /// Unknown path. A reader takes an absent field, `""` and unknown names as this one.
    #[default]
    #[serde(other)]
    Unknown,
}

impl PathKind {
    /// Returns the name on the wire.
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

/// A track and its renditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// The track, with its exact duration.
    pub track: Track,
    /// The rendition that the node chose.
    pub rendition: Rendition,
    /// Other renditions that the client can request, in the order of its offers. Left out are offers that the
    /// node cannot make or that give the same rendition again, lossless ones beside a passthrough, and the last
    /// ones if the answer would grow too large.
    #[serde(default)]
    pub alternatives: Vec<Rendition>,
    /// Reason for the choice, in words.
    pub reason: String,
}

/// Request for one chunk, as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ChunkLine")]
pub struct ChunkMessage {
    /// Name of the chunk.
    #[serde(flatten)]
    pub request: ChunkRequest,
    /// Requests the number of frames that are silence because the file is damaged. The node sends it as the loss part of the
    /// chunk's stream, unless it is 0.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub report_loss: bool,
}

/// The line of a [`ChunkMessage`], to read it. A node reads one for each chunk, and flattened fields would be copied before they are
/// read.
#[derive(Deserialize)]
struct ChunkLine {
    rendition: RenditionId,
    index: ChunkIndex,
    #[serde(default)]
    report_loss: bool,
}

impl From<ChunkLine> for ChunkMessage {
    fn from(fields: ChunkLine) -> Self {
        let ChunkLine { rendition, index, report_loss } = fields;
        Self { request: ChunkRequest { rendition, index }, report_loss }
    }
}

/// Name of one chunk, by which a client requests it and a node remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChunkRequest {
    /// Rendition of the chunk.
    pub rendition: RenditionId,
    /// Index of the chunk.
    pub index: ChunkIndex,
}
