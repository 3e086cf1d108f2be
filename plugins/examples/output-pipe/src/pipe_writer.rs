//! A queue and the thread that writes it into a pipe. A write to a pipe blocks until its reader reads, for ever if it never
//! does, and nothing portable interrupts that; so the playback thread only ever waits for room in the queue.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// More may come.
    Open,
    /// The pipe is closed once all is written.
    WhenEmpty,
    /// It is closed now.
    Now,
}

#[derive(Debug)]
struct State {
    queue: Vec<u8>,
    /// Bytes that the thread took from the queue and is writing.
    writing: usize,
    paused: bool,
    end: End,
    /// Set when the thread has closed the pipe: whether it could write everything.
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

    /// Changes the state and wakes whoever waits for it.
    fn change(&self, how: impl FnOnce(&mut State)) {
        how(&mut self.state());
        self.changed.notify_all();
    }

    fn wait(&self, at_most: Duration, while_: impl FnMut(&mut State) -> bool) -> MutexGuard<'_, State> {
        let waited = self.changed.wait_timeout_while(self.state(), at_most, while_);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// The thread's next bytes; `false` when there is nothing left to do.
    fn next(&self, bytes: &mut Vec<u8>) -> bool {
        bytes.clear();
        let idle = |it: &mut State| match it.end {
            End::Open => it.paused || it.queue.is_empty(),
            End::WhenEmpty => it.paused && !it.queue.is_empty(),
            End::Now => false,
        };
        let mut state = self.changed.wait_while(self.state(), idle).unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut state.queue, bytes);
        state.writing = bytes.len();
        drop(state);
        self.changed.notify_all();
        !bytes.is_empty()
    }
}

/// See the module. Dropping it closes the pipe at once, or as soon as the write that is under way ends.
pub(crate) struct Feed {
    shared: Arc<Shared>,
    capacity: usize,
}

impl Feed {
    /// A thread that writes `head` and then what is pushed. It ends with the pipe.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(crate) fn start(
        pipe: impl Write + Send + 'static,
        head: Vec<u8>,
        capacity: usize,
    ) -> io::Result<Self> {
        let state = State { queue: Vec::new(), writing: 0, paused: false, end: End::Open, closed: None };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let its = Arc::clone(&shared);
        thread::Builder::new().name("pipe".into()).spawn(move || run(&its, pipe, head))?;
        Ok(Self { shared, capacity })
    }

    /// Room for so many bytes, once there is some for `least`; 0 when there is none in time. An error is the pipe's.
    pub(crate) fn room(&self, least: usize, at_most: Duration) -> Result<usize, Closed> {
        let room = |it: &State| self.capacity.saturating_sub(it.queue.len());
        let state = self.shared.wait(at_most, |it| it.closed.is_none() && room(it) < least);
        match state.closed {
            Some(_) => Err(Closed),
            None => Ok(Some(room(&state)).filter(|it| *it >= least).unwrap_or(0)),
        }
    }

    pub(crate) fn push(&self, bytes: &[u8]) {
        self.shared.change(|it| it.queue.extend_from_slice(bytes));
    }

    /// Bytes pushed and not yet written.
    pub(crate) fn held(&self) -> usize {
        let state = self.shared.state();
        state.queue.len() + state.writing
    }

    pub(crate) fn pause(&self, paused: bool) {
        self.shared.change(|it| it.paused = paused);
    }

    /// Forgets what the thread has not begun to write.
    pub(crate) fn clear(&self) {
        self.shared.change(|it| it.queue.clear());
    }

    /// Closes the pipe behind what is held. Returns, when that is done in time, whether all of it was written.
    pub(crate) fn finish(&self, at_most: Duration) -> Option<bool> {
        self.shared.change(|it| it.end = End::WhenEmpty);
        self.shared.wait(at_most, |it| it.closed.is_none()).closed.as_ref().map(Result::is_ok)
    }
}

/// The pipe's reader is gone.
#[derive(Debug)]
pub(crate) struct Closed;

impl Drop for Feed {
    fn drop(&mut self) {
        self.shared.change(|it| {
            it.queue.clear();
            it.end = End::Now;
        });
    }
}

fn run(shared: &Shared, mut pipe: impl Write, head: Vec<u8>) {
    let mut bytes = head;
    let result = loop {
        if let Err(error) = pipe.write_all(&bytes).and_then(|()| pipe.flush()) {
            break Err(error);
        }
        shared.change(|it| it.writing = 0);
        if !shared.next(&mut bytes) {
            break Ok(());
        }
    };
    drop(pipe);
    shared.change(|it| {
        it.queue.clear();
        it.writing = 0;
        it.closed = Some(result);
    });
}
