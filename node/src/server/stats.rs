//! Statistics of a server.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use media_plugin_sdk::transport::PathKind;
use media_protocol::{ErrorCode, Protocol};
use serde::{Serialize, Serializer};

use super::{
    chunk_cache::{CacheStats, DiskStats},
    chunk_encoder::EncoderStats,
    counter::Counter,
};

/// Numbers of received requests by protocol, including refused ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// `audio.list`
    pub list: u64,
    /// `audio.get_info`
    pub get_info: u64,
    /// `audio.request_chunk`
    pub request_chunk: u64,
    /// Any other protocol name.
    pub unknown: u64,
}

/// Bytes of chunks sent in one codec over one kind of path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ChunkBytes {
    /// Codec id.
    pub codec: String,
    /// Kind of path at the time of sending: `memory`, `loopback`, `LAN`, `direct`, `relayed`, `unknown`.
    pub path: &'static str,
    /// Bytes handed to the transport, with the chunks' headers and trailers.
    pub bytes: u64,
}

/// Statistics since the server's start. The server reads the figures one after another, so they may belong to slightly
/// different instants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ServerStats {
    /// Number of connections now.
    pub peers: usize,
    /// Number of connections since the start.
    pub peers_served: u64,
    /// Number of connections turned away because the server was full.
    pub peers_turned_away: u64,
    /// Received requests.
    pub requests: Requests,
    /// Bytes of answers handed to the transport.
    pub bytes_sent: u64,
    /// The part of these bytes that belongs to chunks, by codec and kind of path.
    pub chunk_bytes: Vec<ChunkBytes>,
    /// Number of refusals by `ErrorCode`, named as on the wire. A chunk that fails counts here once for each peer that
    /// requested it, and once in [`EncoderStats::failed`].
    pub refusals: BTreeMap<&'static str, u64>,
    /// Time that all encoder threads spent on chunks. In JSON: `encode_ms`, in milliseconds.
    #[serde(rename = "encode_ms", serialize_with = "millis")]
    pub encode_time: Duration,
    /// Counts of the encoder threads.
    pub encoder: EncoderStats,
    /// The cache in memory.
    pub cache: CacheStats,
    /// The cache on disk. All figures are 0 without [`super::ServerConfig::disk_cache`].
    pub disk: DiskStats,
}

/// The counts of [`ServerStats`] that grow with connections and requests.
#[derive(Debug, Default)]
pub(super) struct ServerCounters {
    pub(super) peers_served: Counter,
    pub(super) peers_turned_away: Counter,
    pub(super) bytes_sent: Counter,
    requests: [Counter; Protocol::ALL.len()],
    unknown: Counter,
    refusals: [Counter; CODES.len()],
    /// Bytes of chunks by codec and kind of path. The number of entries is bounded, since only codecs of the registry
    /// have one.
    chunks: Mutex<BTreeMap<(String, &'static str), Arc<Counter>>>,
}

impl ServerCounters {
    /// Counts a request by its protocol's name.
    pub(super) fn request(&self, protocol: &str) {
        let known = protocol.parse().ok().and_then(|known: Protocol| self.requests.get(known as usize));
        known.unwrap_or(&self.unknown).add(1);
    }

    /// Counts a refusal.
    pub(super) fn refusal(&self, code: ErrorCode) {
        let position = CODES.iter().position(|(known, _)| *known == code);
        self.refusals[position.unwrap_or(CODES.len() - 1)].add(1);
    }

    /// The counter of chunk bytes for a codec of the registry and a kind of path. Takes a lock, so callers should call
    /// it once a chunk, not once a packet.
    pub(super) fn chunk_bytes(&self, codec: &str, path: PathKind) -> Arc<Counter> {
        let mut chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(chunks.entry((codec.to_owned(), path.as_str())).or_default())
    }

    /// The statistics that are counted here. All others have their defaults.
    pub(super) fn snapshot(&self) -> ServerStats {
        let count = |protocol: Protocol| self.requests.get(protocol as usize).map_or(0, Counter::get);
        let requests = Requests {
            list: count(Protocol::List),
            get_info: count(Protocol::GetInfo),
            request_chunk: count(Protocol::RequestChunk),
            unknown: self.unknown.get(),
        };
        let chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        let chunks = chunks.iter().map(|((codec, path), bytes)| ChunkBytes {
            codec: codec.clone(),
            path,
            bytes: bytes.get(),
        });
        let refusals = CODES.iter().zip(&self.refusals).map(|((_, name), counter)| (*name, counter.get()));
        ServerStats {
            chunk_bytes: chunks.collect(),
            refusals: refusals.collect(),
            peers_served: self.peers_served.get(),
            peers_turned_away: self.peers_turned_away.get(),
            requests,
            bytes_sent: self.bytes_sent.get(),
            ..ServerStats::default()
        }
    }
}

/// Refusal codes with their names on the wire. The last one counts all others.
const CODES: [(ErrorCode, &str); 14] = [
    (ErrorCode::BadRequest, "bad_request"),
    (ErrorCode::UnknownTrack, "unknown_track"),
    (ErrorCode::UnknownRendition, "unknown_rendition"),
    (ErrorCode::OutOfRange, "out_of_range"),
    (ErrorCode::NoCommonCodec, "no_common_codec"),
    (ErrorCode::Unreadable, "unreadable"),
    (ErrorCode::CodecFailed, "codec_failed"),
    (ErrorCode::Busy, "busy"),
    (ErrorCode::OutOfScope, "out_of_scope"),
    (ErrorCode::OverQuota, "over_quota"),
    (ErrorCode::Expired, "expired"),
    (ErrorCode::Revoked, "revoked"),
    (ErrorCode::Internal, "internal"),
    (ErrorCode::Unknown, "unknown"),
];

fn millis<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_micros() as f64 / 1000.0)
}
