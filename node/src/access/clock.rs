use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Source of the time for expiry and quotas. Virtual in tests.
pub trait Clock: Send + Sync {
    /// Time since 1970 (UTC).
    fn now(&self) -> Duration;
}

/// The clock of the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}
