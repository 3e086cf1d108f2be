//! Random waits before an attempt is repeated.

use std::time::Duration;

/// Returns 0.8 to 1 times `time`, at random.
pub(super) fn spread(time: Duration) -> Duration {
    time.mul_f64(0.8 + 0.2 * f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX))
}

/// Returns a random wait before a retry to a node that asked for at least `wait`: 1 to 1.25 times as long.
pub(super) fn not_before(wait: Duration) -> Duration {
    spread(wait.mul_f64(1.25))
}
