//! Bounds of the work that waits for the disk: one for all callers together, and one for each.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinError, spawn_blocking},
};

use super::caller::Caller;

/// Searches and openings of tracks at once: enough to keep a slow disk busy, few enough to leave the
/// processors to the encoders. More wait in the order of their arrival. Tested by
/// `a_greedy_caller_does_not_delay_others`.
const TOTAL: usize = 8;
/// Searches and openings of one caller at once. Its further requests wait without taking a slot.
/// Tested by `a_greedy_caller_does_not_delay_others`.
const PER_CALLER: usize = 2;

/// Slots for work of one kind on blocking threads: searches, or openings of tracks. No kind waits for
/// another.
#[derive(Debug)]
pub(super) struct DiskSlots {
    all: Arc<Semaphore>,
    /// Slots of each caller whose work runs or waits, and of some callers without work.
    by_caller: Mutex<HashMap<Caller, Arc<Semaphore>>>,
}

impl DiskSlots {
    pub(super) fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(TOTAL)), by_caller: Mutex::default() }
    }

    /// Runs the `work` of `caller` on a blocking thread when a slot is free. Work that has begun runs to its end
    /// and holds its slot until then, even if this future is dropped.
    ///
    /// # Errors
    /// If the work panicked or the runtime shuts down.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        caller: &Caller,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let slot = self.acquire(caller).await;
        let work = move || {
            let _held = slot;
            work()
        };
        spawn_blocking(work).await
    }

    /// Waits for the turn of `caller`. Work may run until the slot is dropped.
    pub(super) async fn acquire(&self, caller: &Caller) -> DiskSlot {
        // `acquire_owned` fails only on a closed semaphore, and these are never closed.
        let own = self.slots_of(caller).acquire_owned().await.ok();
        let all = Arc::clone(&self.all).acquire_owned().await.ok();
        DiskSlot { _held: (own, all) }
    }

    fn slots_of(&self, caller: &Caller) -> Arc<Semaphore> {
        let mut by_caller = self.by_caller.lock().unwrap_or_else(PoisonError::into_inner);
        // Work that runs or waits holds a reference to its caller's semaphore. The others can go.
        by_caller.retain(|_, slots| Arc::strong_count(slots) > 1);
        let slots = by_caller.entry(caller.clone());
        Arc::clone(slots.or_insert_with(|| Arc::new(Semaphore::new(PER_CALLER))))
    }
}

/// A slot for one work, of its caller and of all.
#[derive(Debug)]
pub(super) struct DiskSlot {
    _held: (Option<OwnedSemaphorePermit>, Option<OwnedSemaphorePermit>),
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use tokio::task::{JoinSet, yield_now};

    use super::*;

    #[tokio::test]
    async fn a_greedy_caller_does_not_delay_others() {
        assert_eq!((TOTAL, PER_CALLER), (8, 2));
        let slots = Arc::new(DiskSlots::new());
        let (shut, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let begun = Arc::new(AtomicUsize::new(0));
        let mut requests = JoinSet::new();
        for _ in 0..128 {
            let slots = slots.clone();
            let gate = gate.clone();
            let begun = begun.clone();
            let work = move || {
                begun.fetch_add(1, Ordering::Relaxed);
                // Blocks until `shut` is dropped.
                let _ = gate.lock().unwrap().recv();
            };
            requests.spawn(async move { slots.run(&Caller::peer("greedy"), work).await });
        }
        while begun.load(Ordering::Relaxed) < PER_CALLER {
            yield_now().await;
        }
        assert_eq!(slots.all.available_permits(), TOTAL - PER_CALLER);
        assert_eq!(slots.run(&Caller::peer("modest"), || 7).await.unwrap(), 7);
        assert_eq!(begun.load(Ordering::Relaxed), PER_CALLER);
        // The requests end, but the work that has begun continues.
        requests.abort_all();
        while requests.join_next().await.is_some() {}
        assert_eq!(slots.slots_of(&Caller::peer("greedy")).available_permits(), 0);
        drop(shut);
        slots.run(&Caller::peer("greedy"), || ()).await.unwrap();
        while slots.all.available_permits() < TOTAL {
            yield_now().await;
        }
        slots.slots_of(&Caller::peer("modest"));
        assert_eq!(slots.by_caller.lock().unwrap().len(), 1, "callers without work are forgotten");
    }
}
