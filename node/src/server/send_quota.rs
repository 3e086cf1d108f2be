//! Bounds of the bytes of chunks that are being sent: one for all callers together, and one for each.
//!
//! A chunk that was evicted from the cache stays in memory while an answer sends it, and a peer that never reads
//! keeps its answers open. So the bytes of one caller, over all its connections, may be at most a quarter
//! ([`SHARE`]) of the free bytes. A caller that is alone gets a fifth of [`CAPACITY`]. Beside others it gets
//! less, so that greedy callers leave room for new ones (dynamic thresholds: Choudhury and Hahne, 1998). One chunk
//! is always allowed, so no caller starves. A chunk counts once for each answer that sends it, although all
//! these answers share its bytes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use media_protocol::WireError;

use super::caller::Caller;

/// Bytes that all callers together share. Tested by `one_caller_gets_a_fifth_and_is_refused_as_busy_after_that`.
const CAPACITY: usize = 256 * 1024 * 1024;
/// Divisor of the free bytes that gives one caller's limit.
/// Tested by `one_caller_gets_a_fifth_and_is_refused_as_busy_after_that`.
const SHARE: usize = 4;
/// Time after which a refused caller may retry. Much of its bytes is sent by then.
/// Tested by `one_caller_gets_a_fifth_and_is_refused_as_busy_after_that`.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The bytes being sent.
#[derive(Debug, Default)]
pub(super) struct SendQuota(Mutex<Reserved>);

#[derive(Debug, Default)]
struct Reserved {
    total: usize,
    /// Reserved bytes by caller. Callers without reserved bytes have no entry.
    by_caller: HashMap<Caller, usize>,
}

/// Reserved bytes of one answer. They are free again when it is dropped.
#[derive(Debug)]
pub(super) struct SendReservation {
    quota: Arc<SendQuota>,
    caller: Caller,
    bytes: usize,
}

impl SendQuota {
    /// Reserves `bytes` for an answer to `caller`.
    ///
    /// # Errors
    /// `Busy` if the caller has a reservation already and this one would exceed its share.
    pub(super) fn reserve(
        self: &Arc<Self>,
        caller: &Caller,
        bytes: usize,
    ) -> Result<SendReservation, WireError> {
        let mut reserved = self.lock();
        let own = reserved.by_caller.get(caller).copied().unwrap_or(0);
        if own > 0 && own + bytes > CAPACITY.saturating_sub(reserved.total) / SHARE {
            let message = format!("{own} bytes of chunks are being sent to this client already");
            return Err(WireError::busy(message, RETRY_AFTER));
        }
        reserved.total += bytes;
        *reserved.by_caller.entry(caller.clone()).or_default() += bytes;
        Ok(SendReservation { quota: Arc::clone(self), caller: caller.clone(), bytes })
    }

    /// Locks the sums. They are consistent after every call, so the lock is usable even after a panic.
    fn lock(&self) -> MutexGuard<'_, Reserved> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SendReservation {
    fn drop(&mut self) {
        let mut reserved = self.quota.lock();
        reserved.total -= self.bytes;
        if let Some(own) = reserved.by_caller.get_mut(&self.caller) {
            *own -= self.bytes;
            if *own == 0 {
                reserved.by_caller.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use media_protocol::ErrorCode;

    use super::*;

    const MIB: usize = 1 << 20;

    /// Reserves chunks of 1 MiB for `caller` until it is refused.
    fn fill(quota: &Arc<SendQuota>, caller: &str) -> Vec<SendReservation> {
        let caller = Caller::peer(caller);
        std::iter::from_fn(|| quota.reserve(&caller, MIB).ok()).collect()
    }

    #[test]
    fn one_caller_gets_a_fifth_and_is_refused_as_busy_after_that() {
        let quota = Arc::<SendQuota>::default();
        let mut held = fill(&quota, "greedy");
        // With 51 MiB reserved, 205 MiB are free, and a quarter of them is 51 MiB.
        assert_eq!(held.len(), 51);
        let error = quota.reserve(&Caller::peer("greedy"), MIB).unwrap_err();
        assert_eq!((error.code, error.retry_after_ms), (ErrorCode::Busy, Some(1000)));
        held.pop();
        assert!(quota.reserve(&Caller::peer("greedy"), MIB).is_ok());
        drop(held);
        let reserved = quota.lock();
        assert_eq!((reserved.total, reserved.by_caller.len()), (0, 0));
    }

    #[test]
    fn many_greedy_callers_leave_room_and_each_gets_one() {
        let quota = Arc::<SendQuota>::default();
        let held: Vec<_> = (0..10).map(|number| fill(&quota, &format!("greedy {number}"))).collect();
        assert!(held.iter().all(|own| !own.is_empty()) && quota.lock().total < 240 * MIB);
        assert!(fill(&quota, "modest").len() > 2);
        let more: Vec<_> = (10..400).map(|number| fill(&quota, &format!("greedy {number}"))).collect();
        assert!(quota.lock().total > 256 * MIB);
        assert!(more[300..].iter().all(|own| own.len() == 1), "one chunk is allowed past all bounds");
    }
}
