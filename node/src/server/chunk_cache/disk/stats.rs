use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::server::counter::Counter;

/// Counts of the disk cache since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DiskStats {
    /// Chunks read from disk instead of encoded.
    pub hits: u64,
    /// Chunks that were missing or damaged.
    pub misses: u64,
    /// Chunks written.
    pub writes: u64,
    /// Chunks not written because the disk was full, too slow, or failed.
    pub unwritten: u64,
    /// Chunks removed to make room for others.
    pub evictions: u64,
    /// Chunks removed because their hash did not match.
    pub damaged: u64,
    /// Bytes on disk at the last listing of the folder, plus those written since.
    pub bytes: u64,
}

/// The counts of [`DiskStats`], which several threads change.
#[derive(Debug, Default)]
pub(super) struct DiskCounters {
    pub(super) hits: Counter,
    pub(super) misses: Counter,
    pub(super) writes: Counter,
    pub(super) unwritten: Counter,
    pub(super) evictions: Counter,
    pub(super) damaged: Counter,
    pub(super) bytes: AtomicU64,
}

impl DiskCounters {
    pub(super) fn snapshot(&self) -> DiskStats {
        DiskStats {
            hits: self.hits.get(),
            misses: self.misses.get(),
            writes: self.writes.get(),
            unwritten: self.unwritten.get(),
            evictions: self.evictions.get(),
            damaged: self.damaged.get(),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}
