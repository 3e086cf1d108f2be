//! What was seen of the paths to a node.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use media_plugin_sdk::transport::{Path, PathKind};
use tokio::time::Instant;

use crate::client::recent::Recent;

/// The bytes travel another way than before, as far as one was known.
#[derive(Debug, Clone)]
pub struct PathChange {
    /// When it was noticed.
    pub at: Instant,
    /// The way before.
    pub from: Path,
    /// The way from now on.
    pub to: Path,
}

/// See the module.
pub(super) struct Seen(Mutex<State>);

struct State {
    last: Path,
    /// Since the path was first seen to be this one, or the connection was made.
    least_rtt: Option<Duration>,
    changes: Recent<PathChange>,
}

impl Seen {
    pub(super) fn nothing() -> Self {
        let last =
            Path { kind: PathKind::Unknown, remote: String::new(), rtt: None, least_rtt: None, loss: None };
        Self(Mutex::new(State { last, least_rtt: None, changes: Recent::default() }))
    }

    fn with<T>(&self, what: impl FnOnce(&mut State) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a connection made a moment ago travels. An address may be the same and the way there another by now, as from Wi-Fi
    /// to a mobile network.
    pub(super) fn note_fresh(&self, path: Path) {
        self.with(|seen| seen.least_rtt = None);
        self.note(path);
    }

    pub(super) fn note(&self, path: Path) {
        self.with(|seen| {
            let from = std::mem::replace(&mut seen.last, path);
            let (to, rtt) = (&seen.last, seen.last.least_rtt.or(seen.last.rtt));
            if (from.kind, &from.remote) == (to.kind, &to.remote) {
                seen.least_rtt = rtt.min(seen.least_rtt).or(rtt).or(seen.least_rtt);
                return;
            }
            seen.least_rtt = rtt;
            if from.kind != PathKind::Unknown {
                let change = PathChange { at: Instant::now(), from, to: to.clone() };
                seen.changes.push(change);
            }
        });
    }

    pub(super) fn last(&self) -> Path {
        self.with(|seen| seen.last.clone())
    }

    pub(super) fn least_rtt(&self) -> Option<Duration> {
        self.with(|seen| seen.least_rtt)
    }

    pub(super) fn changes(&self) -> Recent<PathChange> {
        self.with(|seen| seen.changes.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_round_trip_is_that_of_the_present_path() {
        let seen = Seen::nothing();
        let note = |remote: &str, rtt: Option<u64>| {
            let (kind, rtt) = (PathKind::Direct, rtt.map(Duration::from_millis));
            seen.note(Path { kind, remote: remote.into(), rtt, least_rtt: None, loss: None });
            seen.least_rtt().map(|rtt| rtt.as_millis())
        };
        assert_eq!(note("a", None), None);
        assert_eq!(note("a", Some(300)), Some(300));
        assert_eq!(note("a", Some(50)), Some(50));
        assert_eq!(note("a", Some(4_000)), Some(50), "behind a queue");
        assert_eq!(note("a", None), Some(50));
        assert_eq!(note("b", Some(200)), Some(200));
        assert_eq!(note("a", Some(4_000)), Some(4_000));
        assert_eq!(note("a", Some(50)), Some(50));
        let path = Path { rtt: Some(Duration::from_secs(2)), ..seen.last() };
        seen.note_fresh(path);
        assert_eq!(seen.least_rtt(), Some(Duration::from_secs(2)));
        assert_eq!(seen.changes().total(), 2);
        let rtt = Some(Duration::from_millis(300));
        let least_rtt = Some(Duration::from_millis(60));
        seen.note(Path { kind: PathKind::Direct, remote: "a".into(), rtt, least_rtt, loss: None });
        assert_eq!(seen.least_rtt(), least_rtt, "where the transport knows");
    }
}
