//! The bytes of chunks that are on their way, and how much of them each peer may have.
//!
//! A chunk that has left the cache lives on while an answer with it is under way, and a peer that never reads keeps its answers
//! under way. So a peer may have as much as a [`PART`] of what is free, over all its connections: alone a fifth of [`ROOM`],
//! beside others less, so that a few who are greedy leave room for who comes (dynamic thresholds: Choudhury and Hahne, 1998).
//! One chunk is always allowed, so nobody starves. A chunk counts for each answer with it, though they share its bytes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use media_protocol::WireError;

/// For all peers together, in bytes.
const ROOM: usize = 256 * 1024 * 1024;
/// A peer may have one such part of what is free.
const PART: usize = 4;
/// When who has too much may ask again: a good part of it is sent by then.
const AGAIN: Duration = Duration::from_secs(1);

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Shares(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Those of the peers that have any.
    own: HashMap<Arc<str>, usize>,
}

/// The bytes of one answer, until this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    shares: Arc<Shares>,
    peer: Arc<str>,
    bytes: usize,
}

impl Shares {
    /// Room for an answer of `bytes` to `peer`.
    ///
    /// # Errors
    /// `Busy` when the peer has something under way already, and this would be too much.
    pub(super) fn take(self: &Arc<Self>, peer: &Arc<str>, bytes: usize) -> Result<Share, WireError> {
        let mut taken = self.lock();
        let own = taken.own.get(peer).copied().unwrap_or(0);
        if own > 0 && own + bytes > ROOM.saturating_sub(taken.all) / PART {
            let message = format!("{own} bytes of chunks are on their way to this client already");
            return Err(WireError::busy(message, AGAIN));
        }
        taken.all += bytes;
        *taken.own.entry(Arc::clone(peer)).or_default() += bytes;
        Ok(Share { shares: Arc::clone(self), peer: Arc::clone(peer), bytes })
    }

    /// What is in there is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.lock();
        taken.all -= self.bytes;
        if let Some(own) = taken.own.get_mut(&self.peer) {
            *own -= self.bytes;
            if *own == 0 {
                taken.own.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use media_protocol::ErrorCode;

    use super::*;

    const CHUNK: usize = 1 << 20;

    /// As much as `peer` gets, in chunks.
    fn fill(shares: &Arc<Shares>, peer: &str) -> Vec<Share> {
        let peer = peer.into();
        std::iter::from_fn(|| shares.take(&peer, CHUNK).ok()).collect()
    }

    #[test]
    fn one_peer_gets_a_fifth_and_then_is_told_to_ask_again() {
        let shares = Arc::<Shares>::default();
        let mut held = fill(&shares, "greedy");
        assert_eq!(held.len(), ROOM / CHUNK / (PART + 1));
        let error = shares.take(&"greedy".into(), CHUNK).unwrap_err();
        assert_eq!((error.code, error.retry_after_ms), (ErrorCode::Busy, Some(1000)));
        held.pop();
        assert!(shares.take(&"greedy".into(), CHUNK).is_ok());
        drop(held);
        let taken = shares.lock();
        assert_eq!((taken.all, taken.own.len()), (0, 0));
    }

    #[test]
    fn many_who_are_greedy_leave_room_and_each_gets_one() {
        let shares = Arc::<Shares>::default();
        let held: Vec<_> = (0..10).map(|it| fill(&shares, &format!("greedy {it}"))).collect();
        assert!(held.iter().all(|it| !it.is_empty()) && shares.lock().all < ROOM - 16 * CHUNK);
        assert!(fill(&shares, "modest").len() > 2);
        let more: Vec<_> = (10..400).map(|it| fill(&shares, &format!("greedy {it}"))).collect();
        assert!(shares.lock().all > ROOM);
        assert!(more[300..].iter().all(|it| it.len() == 1), "one is allowed past all bounds");
    }
}
