//! Work that waits for the disk: so much at once, and of each peer a little, however many connections it has.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    sync::Semaphore,
    task::{JoinError, spawn_blocking},
};

/// Searches and openings of tracks at once: enough to keep a slow disk busy, few enough to leave the processors to those who
/// listen. More wait, in the order in which they came.
const ALL: usize = 8;
/// Those of one peer, so that nobody waits for all that another has asked for; its others wait apart from the rest.
const EACH: usize = 2;

#[derive(Debug)]
pub(super) struct Lookups {
    all: Arc<Semaphore>,
    /// Those of the peers that have any under way or waiting, and of some that had.
    each: Mutex<HashMap<Arc<str>, Arc<Semaphore>>>,
}

impl Lookups {
    pub(super) fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(ALL)), each: Mutex::default() }
    }

    /// Does the `work` of `peer` on a thread that may block, when it is its turn. Once begun it goes on, whether anybody waits
    /// for it or not, and counts for as long.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        peer: &Arc<str>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        // They are never closed.
        let own = self.own(peer).acquire_owned().await.ok();
        let place = Arc::clone(&self.all).acquire_owned().await.ok();
        let work = move || {
            let _held = (own, place);
            work()
        };
        spawn_blocking(work).await
    }

    fn own(&self, peer: &Arc<str>) -> Arc<Semaphore> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        // Each permit, and each who waits for one, holds its semaphore.
        each.retain(|_, it| Arc::strong_count(it) > 1);
        Arc::clone(each.entry(Arc::clone(peer)).or_insert_with(|| Arc::new(Semaphore::new(EACH))))
    }
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
    async fn who_asks_for_much_does_not_hold_up_the_others() {
        let lookups = Arc::new(Lookups::new());
        let (shut, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let begun = Arc::new(AtomicUsize::new(0));
        let mut asked = JoinSet::new();
        for _ in 0..128 {
            let (lookups, gate, begun) = (lookups.clone(), gate.clone(), begun.clone());
            let work = move || {
                begun.fetch_add(1, Ordering::Relaxed);
                // Until `shut` is dropped.
                let _ = gate.lock().unwrap().recv();
            };
            asked.spawn(async move { lookups.run(&"greedy".into(), work).await });
        }
        while begun.load(Ordering::Relaxed) < EACH {
            yield_now().await;
        }
        assert_eq!(lookups.all.available_permits(), ALL - EACH);
        assert_eq!(lookups.run(&"modest".into(), || 7).await.unwrap(), 7);
        assert_eq!(begun.load(Ordering::Relaxed), EACH);
        // Whoever asked is gone, but not what it had begun.
        asked.abort_all();
        while asked.join_next().await.is_some() {}
        assert_eq!(lookups.own(&"greedy".into()).available_permits(), 0);
        drop(shut);
        lookups.run(&"greedy".into(), || ()).await.unwrap();
        while lookups.all.available_permits() < ALL {
            yield_now().await;
        }
        lookups.own(&"modest".into());
        assert_eq!(lookups.each.lock().unwrap().len(), 1, "who has none is forgotten");
    }
}
