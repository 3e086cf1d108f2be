//! What the server counts.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use media_plugin_sdk::transport::PathKind;
use media_protocol::{ErrorCode, Protocol};
use serde::{Serialize, Serializer};

use super::{CacheStats, DiskStats, EncoderStats};

/// Requests that came in, refused ones included, by protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// `audio.list`
    pub list: u64,
    /// `audio.get_info`
    pub get_info: u64,
    /// `audio.request_chunk`
    pub request_chunk: u64,
    /// Any other name.
    pub unknown: u64,
}

/// Bytes of chunks that went one kind of way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ChunkBytes {
    /// The codec's id.
    pub codec: String,
    /// The kind of path when the chunk was sent: `memory`, `loopback`, `LAN`, `direct`, `relayed`, `unknown`.
    pub path: &'static str,
    /// Handed to the transport, framing included.
    pub bytes: u64,
}

/// What a server did since it was started. The figures are read one after the other, not at one instant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ServerStats {
    /// Peers connected now.
    pub peers: usize,
    /// Peers that were connected in all.
    pub peers_served: u64,
    /// Peers that were turned away because there was no room.
    pub peers_turned_away: u64,
    /// Requests that came in.
    pub requests: Requests,
    /// Bytes of answers that were handed to the transport.
    pub bytes_sent: u64,
    /// Those of chunks, by codec and kind of path.
    pub chunk_bytes: Vec<ChunkBytes>,
    /// Requests refused, by kind (`ErrorCode` as on the wire), those of chunks that failed while they were encoded included:
    /// one for each peer that was told, while [`EncoderStats::failed`] counts chunks.
    pub refusals: BTreeMap<&'static str, u64>,
    /// What the encoder threads spent on chunks, all together; in JSON `encode_ms`, in milliseconds.
    #[serde(rename = "encode_ms", serialize_with = "millis")]
    pub encode_time: Duration,
    /// What was encoded.
    pub encoder: EncoderStats,
    /// What was kept.
    pub cache: CacheStats,
    /// What was kept on disk; zeros without [`super::ServerConfig::disk_cache`].
    pub disk: DiskStats,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) peers_served: Counter,
    pub(super) peers_turned_away: Counter,
    pub(super) bytes_sent: Counter,
    requests: [Counter; Protocol::ALL.len()],
    unknown: Counter,
    refusals: [Counter; CODES.len()],
    /// By codec and path: bounded, since the codecs are those of the registry.
    chunks: Mutex<BTreeMap<(String, &'static str), Arc<Counter>>>,
}

impl Counters {
    /// Counts a request for the protocol of that name.
    pub(super) fn request(&self, protocol: &str) {
        let known = protocol.parse().ok().and_then(|it: Protocol| self.requests.get(it as usize));
        known.unwrap_or(&self.unknown).add(1);
    }

    /// Counts a refusal.
    pub(super) fn refusal(&self, code: ErrorCode) {
        let place = CODES.iter().position(|(it, _)| *it == code);
        self.refusals[place.unwrap_or(CODES.len() - 1)].add(1);
    }

    /// Counts bytes of chunks in a codec of the registry. To be asked for once a chunk, as it takes a lock.
    pub(super) fn chunk_bytes(&self, codec: &str, path: PathKind) -> Arc<Counter> {
        let mut chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(chunks.entry((codec.to_owned(), path.as_str())).or_default())
    }

    /// What is counted here; the rest is left at its default.
    pub(super) fn snapshot(&self) -> ServerStats {
        let of = |protocol: Protocol| self.requests.get(protocol as usize).map_or(0, Counter::get);
        let requests = Requests {
            list: of(Protocol::List),
            get_info: of(Protocol::GetInfo),
            request_chunk: of(Protocol::RequestChunk),
            unknown: self.unknown.get(),
        };
        let chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        let chunks = chunks.iter().map(|((codec, path), bytes)| ChunkBytes {
            codec: codec.clone(),
            path,
            bytes: bytes.get(),
        });
        let refusals = CODES.iter().zip(&self.refusals).map(|((_, name), count)| (*name, count.get()));
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

/// The kinds of refusal by their names on the wire; the last stands for all others.
const CODES: [(ErrorCode, &str); 10] = [
    (ErrorCode::BadRequest, "bad_request"),
    (ErrorCode::UnknownTrack, "unknown_track"),
    (ErrorCode::UnknownRendition, "unknown_rendition"),
    (ErrorCode::OutOfRange, "out_of_range"),
    (ErrorCode::NoCommonCodec, "no_common_codec"),
    (ErrorCode::Unreadable, "unreadable"),
    (ErrorCode::CodecFailed, "codec_failed"),
    (ErrorCode::Busy, "busy"),
    (ErrorCode::Internal, "internal"),
    (ErrorCode::Unknown, "unknown"),
];

fn millis<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_micros() as f64 / 1000.0)
}

/// Counts up; nothing else depends on its value, so no order is needed.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, many: u64) {
        self.0.fetch_add(many, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
