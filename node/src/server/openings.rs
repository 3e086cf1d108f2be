//! Openings of tracks on blocking threads. All callers that wait for one track share its opening.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use media_protocol::{ErrorCode, TrackId, WireError};
use tokio::{sync::watch, task::spawn_blocking, time::sleep};

use super::{caller::Caller, disk_slots::DiskSlots};
use crate::library::OpenTrack;

/// Time for which an opening that has begun continues although nobody waits for it. A client whose patience ends
/// after some seconds repeats its request within one; without this time a large file on a slow disk would never be
/// opened. Tested by `an_opening_that_nobody_waits_for_is_cancelled_after_5_s`.
const LINGER: Duration = Duration::from_secs(5);

/// Set to end an opening.
type CancelFlag = Arc<AtomicBool>;
/// Result of an opening.
type Opened = Result<Arc<OpenTrack>, WireError>;

/// The openings in progress.
#[derive(Debug)]
pub(super) struct Openings {
    slots: DiskSlots,
    /// By track: the sender of the result. Its receivers are the callers that wait.
    in_progress: Mutex<HashMap<TrackId, Arc<watch::Sender<Option<Opened>>>>>,
}

impl Openings {
    pub(super) fn new() -> Self {
        Self { slots: DiskSlots::new(), in_progress: Mutex::default() }
    }

    /// Returns the result of `open`, or of the opening of the same track that is in progress already. Only the
    /// first caller takes a slot. If this future and those of all other callers are dropped, the opening is
    /// cancelled: at once if it has not begun, else by the flag that `open` is given, after [`LINGER`].
    ///
    /// # Errors
    /// Those of `open`; `Internal` if it panicked.
    pub(super) async fn open(
        self: &Arc<Self>,
        caller: &Caller,
        track: &TrackId,
        open: impl FnOnce(&CancelFlag) -> Opened + Send + 'static,
    ) -> Opened {
        let mut result = match self.lock().entry(track.clone()) {
            Entry::Occupied(opening) => opening.get().subscribe(),
            Entry::Vacant(place) => {
                let (opening, result) = watch::channel(None);
                let opening = Arc::clone(place.insert(Arc::new(opening)));
                let openings = Arc::clone(self);
                let caller = caller.clone();
                let track = track.clone();
                tokio::spawn(async move { openings.run(&caller, &track, &opening, open).await });
                result
            }
        };
        let opened = result.wait_for(Option::is_some).await;
        opened.ok().and_then(|opened| opened.clone()).unwrap_or_else(|| Err(failed()))
    }

    async fn run(
        &self,
        caller: &Caller,
        track: &TrackId,
        opening: &watch::Sender<Option<Opened>>,
        open: impl FnOnce(&CancelFlag) -> Opened + Send + 'static,
    ) {
        let slot = loop {
            tokio::select! {
                slot = self.slots.acquire(caller) => break slot,
                () = opening.closed() => {
                    if self.remove_unwanted(track, opening) {
                        return;
                    }
                }
            }
        };
        let cancelled = CancelFlag::default();
        let flag = Arc::clone(&cancelled);
        let mut opened = spawn_blocking(move || {
            let _held = slot;
            open(&flag)
        });
        let opened = loop {
            tokio::select! {
                opened = &mut opened => break opened,
                () = unwanted(opening) => {
                    if self.remove_unwanted(track, opening) {
                        cancelled.store(true, Ordering::Relaxed);
                        return;
                    }
                }
            }
        };
        self.lock().remove(track);
        opening.send_replace(Some(opened.unwrap_or_else(|_| Err(failed()))));
    }

    /// Removes an opening that nobody waits for. Returns true if it did.
    fn remove_unwanted(&self, track: &TrackId, opening: &watch::Sender<Option<Opened>>) -> bool {
        let mut in_progress = self.lock();
        // Nobody joins here, since that takes the lock.
        let is_unwanted = opening.receiver_count() == 0;
        if is_unwanted {
            in_progress.remove(track);
        }
        is_unwanted
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TrackId, Arc<watch::Sender<Option<Opened>>>>> {
        self.in_progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until nobody has waited for the opening for [`LINGER`].
async fn unwanted(opening: &watch::Sender<Option<Opened>>) {
    opening.closed().await;
    sleep(LINGER).await;
}

fn failed() -> WireError {
    WireError::new(ErrorCode::Internal, "the node failed at this request; see its log")
}

#[cfg(test)]
mod tests {
    use std::sync::{atomic::AtomicUsize, mpsc};

    use tokio::{
        task::{JoinSet, yield_now},
        time::advance,
    };

    use super::*;

    fn refusal(_: &CancelFlag) -> Opened {
        Err(WireError::new(ErrorCode::Unreadable, "zeros"))
    }

    fn caller(number: u32) -> Caller {
        Caller::peer(&number.to_string())
    }

    #[tokio::test]
    async fn callers_of_one_track_share_an_opening_and_its_slot() {
        let openings = Arc::new(Openings::new());
        let (shut, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let begun = Arc::new(AtomicUsize::new(0));
        let bad: TrackId = "bad".parse().unwrap();
        let mut waiting = JoinSet::new();
        for number in 0..100 {
            let (openings, gate, begun) = (openings.clone(), gate.clone(), begun.clone());
            let bad = bad.clone();
            let open = move |cancelled: &CancelFlag| {
                begun.fetch_add(1, Ordering::Relaxed);
                // Blocks until `shut` is dropped.
                let _ = gate.lock().unwrap().recv();
                refusal(cancelled)
            };
            waiting.spawn(async move { openings.open(&caller(number), &bad, open).await.unwrap_err().code });
        }
        while begun.load(Ordering::Relaxed) == 0 {
            yield_now().await;
        }
        // The others have slots for other tracks, also the caller whose request opens this one.
        for number in 0..100 {
            let other = format!("t{number}").parse().unwrap();
            assert!(openings.open(&caller(number), &other, refusal).await.is_err());
        }
        drop(shut);
        let codes = waiting.join_all().await;
        assert_eq!((codes.len(), begun.load(Ordering::Relaxed)), (100, 1));
        assert!(codes.iter().all(|code| *code == ErrorCode::Unreadable));
        assert!(openings.lock().is_empty());
    }

    #[tokio::test]
    async fn an_opening_that_nobody_waits_for_does_not_begin() {
        let openings = Arc::new(Openings::new());
        let (shut, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let begun = Arc::new(AtomicUsize::new(0));
        let mut waiting = JoinSet::new();
        for number in 0..10 {
            let (openings, gate, begun) = (openings.clone(), gate.clone(), begun.clone());
            let track: TrackId = format!("t{number}").parse().unwrap();
            let open = move |cancelled: &CancelFlag| {
                begun.fetch_add(1, Ordering::Relaxed);
                let _ = gate.lock().unwrap().recv();
                refusal(cancelled)
            };
            waiting.spawn(async move { openings.open(&caller(0), &track, open).await });
        }
        while begun.load(Ordering::Relaxed) < 2 {
            yield_now().await;
        }
        waiting.shutdown().await;
        while openings.lock().len() > 2 {
            yield_now().await;
        }
        drop(shut);
        while !openings.lock().is_empty() {
            yield_now().await;
        }
        assert_eq!(begun.load(Ordering::Relaxed), 2, "the caller has two slots");
    }

    #[tokio::test(start_paused = true)]
    async fn an_opening_that_nobody_waits_for_is_cancelled_after_5_s() {
        let openings = Arc::new(Openings::new());
        let track: TrackId = "endless".parse().unwrap();
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        // Reads without an end until it is cancelled.
        let endless = move |cancelled: &CancelFlag| {
            begun.send(()).unwrap();
            while !cancelled.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            refusal(cancelled)
        };
        let wait = |open: Box<dyn FnOnce(&CancelFlag) -> Opened + Send>| {
            let (openings, track) = (openings.clone(), track.clone());
            tokio::spawn(async move { openings.open(&caller(0), &track, open).await })
        };
        let first = wait(Box::new(endless));
        begins.recv().await.unwrap();
        first.abort();
        assert!(first.await.is_err());
        // The client repeats its request within the time, and joins the opening.
        advance(Duration::from_secs(4)).await;
        let second = wait(Box::new(refusal));
        while openings.lock()[&track].receiver_count() == 0 {
            yield_now().await;
        }
        advance(Duration::from_secs(60)).await;
        assert!(!second.is_finished());
        second.abort();
        assert!(second.await.is_err());
        // The task notices that nobody waits.
        for _ in 0..100 {
            yield_now().await;
        }
        advance(Duration::from_millis(4900)).await;
        yield_now().await;
        assert_eq!(openings.lock().len(), 1);
        advance(Duration::from_millis(200)).await;
        while !openings.lock().is_empty() {
            yield_now().await;
        }
        // The blocking thread ends, or the runtime would wait for it for ever.
    }
}
