//! The records of a running process, shared by the book that changes them and the grants that depend on them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use super::{clock::Clock, record::AccessRecord, refusal::AccessRefusal, state::AccessState};

/// Records, the clock they are judged by, and a signal of their changes.
pub(super) struct LiveRecords {
    clock: Arc<dyn Clock>,
    live: Mutex<Live>,
    changes: watch::Sender<()>,
}

/// The state in memory.
pub(super) struct Live {
    pub(super) state: AccessState,
    /// True if the use of a record changed since the file was written.
    pub(super) unsaved: bool,
}

impl LiveRecords {
    pub(super) fn new(state: AccessState, clock: Arc<dyn Clock>) -> Self {
        Self { clock, live: Mutex::new(Live { state, unsaved: false }), changes: watch::Sender::new(()) }
    }

    /// Each change of the state is complete before the lock is released, so a poisoned lock is usable.
    pub(super) fn lock(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time since 1970.
    pub(super) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Seconds since 1970.
    pub(super) fn seconds(&self) -> u64 {
        self.now().as_secs()
    }

    /// Tells the grants that records have changed.
    pub(super) fn notify(&self) {
        self.changes.send_replace(());
    }

    /// A receiver that sees each change from now on.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Checks that the record is neither revoked nor expired, and that its quota is not used up.
    pub(super) fn check(&self, id: u64) -> Result<(), AccessRefusal> {
        let now = self.seconds();
        let live = self.lock();
        let record = live.state.record(id).ok_or(AccessRefusal::Revoked)?;
        is_valid(record, now).and_then(|()| is_within_quota(record, now, 1))
    }

    /// Checks that the record is neither revoked nor expired. Returns the instant of its expiry.
    pub(super) fn validity(&self, id: u64) -> Result<Option<u64>, AccessRefusal> {
        let now = self.seconds();
        let live = self.lock();
        let record = live.state.record(id).ok_or(AccessRefusal::Revoked)?;
        is_valid(record, now).map(|()| record.bounds.expires)
    }

    /// Counts bytes that are about to be sent.
    ///
    /// # Errors
    /// `Revoked` or `Expired` if the record has ended; `OverQuota` if the bytes exceed the rest of the quota. In each case the
    /// bytes are not counted.
    pub(super) fn charge(&self, id: u64, bytes: u64) -> Result<(), AccessRefusal> {
        let now = self.seconds();
        let mut live = self.lock();
        let record = live.state.record_mut(id).ok_or(AccessRefusal::Revoked)?;
        is_valid(record, now)?;
        is_within_quota(record, now, bytes)?;
        record.usage.add(bytes, record.bounds.quota, now);
        live.unsaved = true;
        Ok(())
    }
}

/// Checks that the record has not expired.
pub(super) fn is_valid(record: &AccessRecord, now: u64) -> Result<(), AccessRefusal> {
    match record.bounds.expires {
        Some(expires) if expires <= now => Err(AccessRefusal::Expired(expires)),
        _ => Ok(()),
    }
}

/// Checks that the quota has room for `bytes` more.
pub(super) fn is_within_quota(record: &AccessRecord, now: u64, bytes: u64) -> Result<(), AccessRefusal> {
    match record.bounds.quota {
        Some(quota) if record.usage.in_period(quota, now).saturating_add(bytes) > quota.bytes => {
            Err(AccessRefusal::OverQuota(quota.period.end(now)))
        }
        _ => Ok(()),
    }
}
