use std::time::{Duration, Instant};

/// Time, and waiting for it to pass. A test puts its own in place and never sleeps.
pub trait Clock: Send {
    /// Time since some fixed instant; never goes back.
    fn now(&self) -> Duration;

    /// Returns once `time` has passed.
    fn wait(&self, time: Duration);
}

/// The system's monotonic clock, counted from when this was made.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn wait(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
