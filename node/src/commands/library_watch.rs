//! The library of a running node: its first scan, rescans, and warnings about files that are skipped.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::{JoinHandle, spawn_blocking},
    time::{Instant, sleep},
};

use super::stderr::warn;
use crate::{
    exit::{Exit, ExitContext, ExitError},
    library::{Catalog, CatalogError, Skipped, skipped},
};

/// Divisor that limits the share of time spent on rescans: after one that took a second, the next waits at least 20 s. It
/// matters on slow network drives.
const RESCAN_SHARE: u32 = 20;

/// Settings of the rescans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rescans {
    /// Time between two; zero means never.
    pub(super) interval: Duration,
    /// Number of changes of the folders. Each makes a scan due.
    pub(super) changes: u64,
}

/// A scan of the library. Returns whether the library has changed.
pub(super) type Scan = JoinHandle<Result<bool, CatalogError>>;

/// Starts a scan.
pub(super) fn scan(catalog: &Arc<Catalog>) -> Scan {
    let catalog = Arc::clone(catalog);
    spawn_blocking(move || catalog.rescan())
}

/// Measures the tracks whose headers do not tell their length, on a thread of its own.
fn measure_lengths(catalog: &Arc<Catalog>) {
    let catalog = Arc::clone(catalog);
    drop(spawn_blocking(move || catalog.measure_lengths()));
}

/// Waits for the first scan if it is not complete, then rescans the library as `rescans` says. Warns of each skipped file once.
/// Returns only if the first scan finds nothing to serve.
pub(super) async fn follow(
    catalog: Arc<Catalog>,
    first_scan: Option<Scan>,
    mut rescans: watch::Receiver<Rescans>,
    mut warned: HashSet<Skipped>,
) -> ExitError {
    if let Some(first_scan) = first_scan {
        match first_scan.await.or_exit(Exit::Failed).and_then(|scanned| scanned.or_exit(Exit::NotFound)) {
            Ok(_) => tracing::info!("serving {}: the whole library", count_of_tracks(catalog.len())),
            Err(error) => return error,
        }
    }
    measure_lengths(&catalog);
    let mut last_problem = String::new();
    let mut least = Duration::ZERO;
    let mut changes = 0;
    loop {
        warn_of_skipped(&catalog, &mut warned);
        changes = wait(&mut rescans, changes, least).await;
        let began = Instant::now();
        let scanned = scan(&catalog).await.map_err(|error| error.to_string());
        least = began.elapsed() * RESCAN_SHARE;
        let problem = match scanned.and_then(|scanned| scanned.map_err(|error| error.to_string())) {
            Ok(changed) => {
                if changed {
                    measure_lengths(&catalog);
                    tracing::info!("the library has changed: serving {}", count_of_tracks(catalog.len()));
                }
                String::new()
            }
            Err(error) => error,
        };
        // A lasting problem is reported once.
        if !problem.is_empty() && problem != last_problem {
            warn(&problem);
        }
        last_problem = problem;
    }
}

/// Waits until a scan is due: after the interval, but at least `least`, or at once if the folders have changed since
/// `scanned_changes`. Returns the changes that the scan covers.
async fn wait(rescans: &mut watch::Receiver<Rescans>, scanned_changes: u64, least: Duration) -> u64 {
    loop {
        let Rescans { interval, changes } = *rescans.borrow_and_update();
        if changes != scanned_changes {
            return changes;
        }
        let changed = async {
            if rescans.changed().await.is_err() {
                // The node is stopping.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = changed => {}
            () = sleep(interval.max(least)), if !interval.is_zero() => return changes,
        }
    }
}

/// Warns of the skipped files that are not in `warned`, then sets `warned` to the files that are skipped now.
pub(super) fn warn_of_skipped(catalog: &Catalog, warned: &mut HashSet<Skipped>) {
    let now: HashSet<_> = catalog.skipped().into_iter().collect();
    skipped::warnings(now.difference(warned)).iter().for_each(warn);
    *warned = now;
}

/// The number of tracks, for a person.
pub(super) fn count_of_tracks(count: usize) -> String {
    if count == 1 { "1 track".into() } else { format!("{count} tracks") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_scan_is_due_after_the_interval_or_when_the_folders_change() {
        let (sender, mut rescans) = watch::channel(Rescans { interval: MINUTE, changes: 0 });
        let began = Instant::now();
        assert_eq!(wait(&mut rescans, 0, Duration::ZERO).await, 0);
        assert_eq!(began.elapsed(), MINUTE);
        assert_eq!(wait(&mut rescans, 0, 3 * MINUTE).await, 0);
        assert_eq!(began.elapsed(), 4 * MINUTE);
        // Changed while a scan ran.
        sender.send_replace(Rescans { interval: MINUTE, changes: 1 });
        assert_eq!(wait(&mut rescans, 0, MINUTE).await, 1);
        assert_eq!(began.elapsed(), 4 * MINUTE);
        // Without rescans, only a change makes a scan due.
        sender.send_replace(Rescans { interval: Duration::ZERO, changes: 1 });
        let change = async {
            sleep(100 * MINUTE).await;
            sender.send_replace(Rescans { interval: Duration::ZERO, changes: 2 });
        };
        assert_eq!(tokio::join!(wait(&mut rescans, 1, MINUTE), change).0, 2);
        assert_eq!(began.elapsed(), 104 * MINUTE);
    }
}
