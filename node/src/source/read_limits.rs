//! Limits of the bytes and the time that a call may read from files.

use std::{
    cell::RefCell,
    io::{Error, Result},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

thread_local! {
    /// The limits of the calls that run on this thread, the outermost first.
    static RUNNING: RefCell<Vec<RunningLimits>> = const { RefCell::new(Vec::new()) };
}

/// Limits of one call. After the first read beyond one of them, every read of the call fails.
#[derive(Debug, Clone)]
pub struct ReadLimits {
    /// Number of bytes, over all files and with repeated reads.
    pub bytes: u64,
    /// Time since the beginning of the call.
    pub time: Duration,
    /// Another thread sets it to end the call.
    pub cancelled: Option<Arc<AtomicBool>>,
}

/// Reason why a call ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadStop {
    /// The call has read all its bytes.
    #[error("{} MB of it were read without an end", .0 / 1_000_000)]
    Bytes(u64),
    /// The call has used up its time.
    #[error("reading it took more than {} s", .0.as_secs())]
    Time(Duration),
    /// Nobody needs the result any more.
    #[error("nobody waits for it any more")]
    Cancelled,
}

#[derive(Debug)]
struct RunningLimits {
    limits: ReadLimits,
    began: Instant,
    read: u64,
    stop: Option<ReadStop>,
}

impl ReadLimits {
    /// Limits of nothing but the bytes.
    pub(super) fn of_bytes(bytes: u64) -> Self {
        Self { bytes, time: Duration::MAX, cancelled: None }
    }

    /// Runs `call` on this thread within the limits. They apply inside of the limits that are in force already.
    ///
    /// # Errors
    /// The limit that `call` has reached. Its result is dropped then, since it rests on failed reads.
    pub fn run<T>(&self, call: impl FnOnce() -> T) -> std::result::Result<T, ReadStop> {
        let (result, stop) = self.run_to_stop(call);
        stop.map_or(Ok(result), Err)
    }

    /// The same, with both the result and the limit that was reached.
    pub(super) fn run_to_stop<T>(&self, call: impl FnOnce() -> T) -> (T, Option<ReadStop>) {
        /// Removes the limits also after a panic.
        struct Entered;
        impl Drop for Entered {
            fn drop(&mut self) {
                RUNNING.with_borrow_mut(Vec::pop);
            }
        }
        let limits = RunningLimits { limits: self.clone(), began: Instant::now(), read: 0, stop: None };
        RUNNING.with_borrow_mut(|all| all.push(limits));
        let entered = Entered;
        let result = call();
        let stop = RUNNING.with_borrow(|all| all.last().and_then(|innermost| innermost.stop));
        drop(entered);
        (result, stop)
    }
}

impl RunningLimits {
    fn note(&mut self, bytes: u64) -> Result<()> {
        self.read = self.read.saturating_add(bytes);
        let ReadLimits { bytes, time, cancelled } = &self.limits;
        let stop = if cancelled.as_ref().is_some_and(|cancelled| cancelled.load(Ordering::Relaxed)) {
            Some(ReadStop::Cancelled)
        } else if self.read > *bytes {
            Some(ReadStop::Bytes(*bytes))
        } else {
            (self.began.elapsed() > *time).then_some(ReadStop::Time(*time))
        };
        self.stop = self.stop.or(stop);
        self.stop.map_or(Ok(()), |stop| Err(Error::other(stop)))
    }
}

/// Counts a read of `bytes` bytes from a file.
///
/// # Errors
/// The limit in force on this thread that was reached.
pub(super) fn note_read(bytes: usize) -> Result<()> {
    RUNNING.with_borrow_mut(|all| all.iter_mut().try_for_each(|limits| limits.note(bytes as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fail_from_the_limit_on_until_the_call_ends() {
        let limits = ReadLimits::of_bytes(10);
        let read = limits.run_to_stop(|| [6, 4, 1, 0].map(|bytes| note_read(bytes).is_ok()));
        assert_eq!(read, ([true, true, false, false], Some(ReadStop::Bytes(10))));
        assert!(note_read(1000).is_ok());
        assert_eq!(limits.run(|| note_read(10).is_ok()), Ok(true));
    }

    #[test]
    fn a_call_within_another_counts_for_both() {
        let (outer, inner) = (ReadLimits::of_bytes(10), ReadLimits::of_bytes(6));
        let read =
            outer.run_to_stop(|| (0..3).map(|_| inner.run(|| note_read(5).is_ok())).collect::<Vec<_>>());
        assert_eq!(read, (vec![Ok(true), Ok(true), Ok(false)], Some(ReadStop::Bytes(10))));
        assert_eq!(inner.run(|| note_read(7).is_ok()), Err(ReadStop::Bytes(6)));
    }

    #[test]
    fn a_call_ends_when_it_is_cancelled_or_its_time_is_over() {
        let cancelled = Arc::new(AtomicBool::new(false));
        let limits = ReadLimits { cancelled: Some(Arc::clone(&cancelled)), ..ReadLimits::of_bytes(10) };
        let stopped = limits.run(|| {
            assert!(note_read(1).is_ok());
            cancelled.store(true, Ordering::Relaxed);
            note_read(1).is_ok()
        });
        assert_eq!(stopped, Err(ReadStop::Cancelled));
        let limits = ReadLimits { time: Duration::ZERO, ..ReadLimits::of_bytes(10) };
        assert_eq!(limits.run(|| note_read(1).is_ok()), Err(ReadStop::Time(Duration::ZERO)));
    }

    #[test]
    fn a_panic_takes_its_limits_with_it() {
        let limits = ReadLimits::of_bytes(0);
        assert!(std::panic::catch_unwind(|| limits.run(|| panic!("a decoder failed"))).is_err());
        assert!(note_read(1).is_ok());
    }
}
