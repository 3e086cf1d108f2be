//! Paths to a node over time.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use media_plugin_sdk::transport::{Path, PathKind};
use tokio::time::Instant;

use crate::client::stats::EventLog;

/// Change of the network route to a node.
#[derive(Debug, Clone)]
pub struct PathChange {
    /// Instant at which it was noticed.
    pub at: Instant,
    /// The path before.
    pub from: Path,
    /// The path after.
    pub to: Path,
}

/// The last known path, its least round trip, and the changes before it.
pub(super) struct PathHistory(Mutex<State>);

struct State {
    last: Path,
    /// Least round trip since the path became this one, or since the connection was made.
    min_rtt: Option<Duration>,
    changes: EventLog<PathChange>,
}

impl PathHistory {
    pub(super) fn new() -> Self {
        let last =
            Path { kind: PathKind::Unknown, remote: String::new(), rtt: None, min_rtt: None, loss: None };
        Self(Mutex::new(State { last, min_rtt: None, changes: EventLog::default() }))
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records the path of a new connection. The remote address can be the same although the route is another, as after a
    /// move from Wi-Fi to a mobile network.
    pub(super) fn note_new_connection(&self, path: Path) {
        self.with(|state| state.min_rtt = None);
        self.note(path);
    }

    /// Records the present path.
    pub(super) fn note(&self, path: Path) {
        self.with(|state| {
            let from = std::mem::replace(&mut state.last, path);
            let to = &state.last;
            let rtt = to.min_rtt.or(to.rtt);
            if (from.kind, &from.remote) == (to.kind, &to.remote) {
                state.min_rtt = rtt.min(state.min_rtt).or(rtt).or(state.min_rtt);
                return;
            }
            state.min_rtt = rtt;
            if from.kind != PathKind::Unknown {
                let change = PathChange { at: Instant::now(), from, to: to.clone() };
                state.changes.push(change);
            }
        });
    }

    pub(super) fn last(&self) -> Path {
        self.with(|state| state.last.clone())
    }

    pub(super) fn min_rtt(&self) -> Option<Duration> {
        self.with(|state| state.min_rtt)
    }

    pub(super) fn changes(&self) -> EventLog<PathChange> {
        self.with(|state| state.changes.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_round_trip_is_that_of_the_present_path() {
        let history = PathHistory::new();
        let note = |remote: &str, rtt: Option<u64>| {
            let rtt = rtt.map(Duration::from_millis);
            let kind = PathKind::Direct;
            history.note(Path { kind, remote: remote.into(), rtt, min_rtt: None, loss: None });
            history.min_rtt().map(|rtt| rtt.as_millis())
        };
        assert_eq!(note("a", None), None);
        assert_eq!(note("a", Some(300)), Some(300));
        assert_eq!(note("a", Some(50)), Some(50));
        assert_eq!(note("a", Some(4_000)), Some(50), "the wait in a queue does not count");
        assert_eq!(note("a", None), Some(50));
        assert_eq!(note("b", Some(200)), Some(200));
        assert_eq!(note("a", Some(4_000)), Some(4_000));
        assert_eq!(note("a", Some(50)), Some(50));
        let path = Path { rtt: Some(Duration::from_secs(2)), ..history.last() };
        history.note_new_connection(path);
        assert_eq!(history.min_rtt(), Some(Duration::from_secs(2)));
        assert_eq!(history.changes().total(), 2);
        let rtt = Some(Duration::from_millis(300));
        let min_rtt = Some(Duration::from_millis(60));
        history.note(Path { kind: PathKind::Direct, remote: "a".into(), rtt, min_rtt, loss: None });
        assert_eq!(history.min_rtt(), min_rtt, "the transport measures the least round trip itself");
    }
}
