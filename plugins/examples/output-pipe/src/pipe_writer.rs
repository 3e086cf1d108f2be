//! Queue of bytes, and the thread that writes them into a pipe.
//!
//! A write to a pipe blocks until the reader reads, even for ever, and no portable call interrupts it. With a thread between
//! them, the playback thread waits only for room in the queue.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Time at which the thread closes the pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    /// Not yet: more bytes may come.
    Never,
    /// After it has written the queue.
    WhenEmpty,
    /// At once.
    Now,
}

#[derive(Debug)]
struct State {
    queue: Vec<u8>,
    /// Bytes that the thread has taken from the queue and not written yet.
    writing: usize,
    paused: bool,
    closing: Closing,
    /// Set when the thread has closed the pipe: the outcome of its last write.
    closed: Option<io::Result<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes all waiting threads.
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Waits while the condition holds, up to `timeout`.
    fn wait(&self, timeout: Duration, condition: impl FnMut(&mut State) -> bool) -> MutexGuard<'_, State> {
        let waited = self.changed.wait_timeout_while(self.state(), timeout, condition);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits for bytes and moves them from the queue to `bytes`. Returns `false` if the thread must close the pipe.
    fn next(&self, bytes: &mut Vec<u8>) -> bool {
        bytes.clear();
        let is_idle = |state: &mut State| match state.closing {
            Closing::Never => state.paused || state.queue.is_empty(),
            Closing::WhenEmpty => state.paused && !state.queue.is_empty(),
            Closing::Now => false,
        };
        let waited = self.changed.wait_while(self.state(), is_idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut state.queue, bytes);
        state.writing = bytes.len();
        drop(state);
        self.changed.notify_all();
        !bytes.is_empty()
    }
}

/// Writer of a pipe that does not block its user. Dropping it closes the pipe, at once or after the current write.
pub(crate) struct PipeWriter {
    shared: Arc<Shared>,
    capacity: usize,
}

/// Error: the pipe is closed, usually by its reader.
#[derive(Debug)]
pub(crate) struct Closed;

impl PipeWriter {
    /// Starts a thread that writes `header` and then the queue. `capacity` limits the queue, in bytes.
    ///
    /// # Errors
    /// The system's error if it cannot start a thread.
    pub(crate) fn start(
        pipe: impl Write + Send + 'static,
        header: Vec<u8>,
        capacity: usize,
    ) -> io::Result<Self> {
        let state =
            State { queue: Vec::new(), writing: 0, paused: false, closing: Closing::Never, closed: None };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let for_thread = Arc::clone(&shared);
        thread::Builder::new().name("pipe".into()).spawn(move || write_queue(&for_thread, pipe, header))?;
        Ok(Self { shared, capacity })
    }

    /// Waits up to `timeout` for room of at least `min` bytes. Returns the room, or 0 if there is less than `min`.
    ///
    /// # Errors
    /// [`Closed`] if the thread has closed the pipe.
    pub(crate) fn room(&self, min: usize, timeout: Duration) -> Result<usize, Closed> {
        let room = |state: &State| self.capacity.saturating_sub(state.queue.len());
        let state = self.shared.wait(timeout, |state| state.closed.is_none() && room(state) < min);
        match state.closed {
            Some(_) => Err(Closed),
            None => Ok(Some(room(&state)).filter(|room| *room >= min).unwrap_or(0)),
        }
    }

    pub(crate) fn push(&self, bytes: &[u8]) {
        self.shared.change(|state| state.queue.extend_from_slice(bytes));
    }

    /// Bytes pushed and not yet written.
    pub(crate) fn pending(&self) -> usize {
        let state = self.shared.state();
        state.queue.len() + state.writing
    }

    pub(crate) fn pause(&self, paused: bool) {
        self.shared.change(|state| state.paused = paused);
    }

    /// Drops the bytes that the thread has not taken yet.
    pub(crate) fn clear(&self) {
        self.shared.change(|state| state.queue.clear());
    }

    /// Closes the pipe after the queue, and waits for that up to `timeout`. Returns true if all was written; `None` while the
    /// thread still writes.
    pub(crate) fn finish(&self, timeout: Duration) -> Option<bool> {
        self.shared.change(|state| state.closing = Closing::WhenEmpty);
        self.shared.wait(timeout, |state| state.closed.is_none()).closed.as_ref().map(Result::is_ok)
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.shared.change(|state| {
            state.queue.clear();
            state.closing = Closing::Now;
        });
    }
}

/// Body of the thread: writes until the pipe must be closed or a write fails.
fn write_queue(shared: &Shared, mut pipe: impl Write, header: Vec<u8>) {
    let mut bytes = header;
    let outcome = loop {
        if let Err(error) = pipe.write_all(&bytes).and_then(|()| pipe.flush()) {
            break Err(error);
        }
        shared.change(|state| state.writing = 0);
        if !shared.next(&mut bytes) {
            break Ok(());
        }
    };
    drop(pipe);
    shared.change(|state| {
        state.queue.clear();
        state.writing = 0;
        state.closed = Some(outcome);
    });
}
