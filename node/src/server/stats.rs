//! What the server counts.

use std::sync::atomic::{AtomicU64, Ordering};

use media_protocol::Protocol;

use super::{CacheStats, EncoderStats};

/// Requests that came in, refused ones included, by protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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

/// What a server did since it was started. The figures are read one after the other, not at one instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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
    /// What was encoded.
    pub encoder: EncoderStats,
    /// What was kept.
    pub cache: CacheStats,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) peers_served: Counter,
    pub(super) peers_turned_away: Counter,
    pub(super) bytes_sent: Counter,
    requests: [Counter; Protocol::ALL.len()],
    unknown: Counter,
}

impl Counters {
    /// Counts a request for the protocol of that name.
    pub(super) fn request(&self, protocol: &str) {
        let known = protocol.parse().ok().and_then(|it: Protocol| self.requests.get(it as usize));
        known.unwrap_or(&self.unknown).add(1);
    }

    pub(super) fn snapshot(&self, peers: usize, encoder: EncoderStats, cache: CacheStats) -> ServerStats {
        let of = |protocol: Protocol| self.requests.get(protocol as usize).map_or(0, Counter::get);
        let requests = Requests {
            list: of(Protocol::List),
            get_info: of(Protocol::GetInfo),
            request_chunk: of(Protocol::RequestChunk),
            unknown: self.unknown.get(),
        };
        ServerStats {
            peers,
            peers_served: self.peers_served.get(),
            peers_turned_away: self.peers_turned_away.get(),
            requests,
            bytes_sent: self.bytes_sent.get(),
            encoder,
            cache,
        }
    }
}

/// Counts up; nothing else depends on its value, so no order is needed.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, many: u64) {
        self.0.fetch_add(many, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
