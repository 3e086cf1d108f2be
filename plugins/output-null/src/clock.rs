use std::time::{Duration, Instant};

/// Source of time for [`RealTime`](crate::RealTime). Tests use a simulated one and never sleep.
pub trait Clock: Send {
    /// Time since a fixed instant. Never decreases.
    fn now(&self) -> Duration;

    /// Blocks for `time`.
    fn wait(&self, time: Duration);
}

/// Monotonic clock of the system, which starts at 0 when it is made.
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
