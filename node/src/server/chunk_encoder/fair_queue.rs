//! A queue in which every peer has its turn: the next is from the peer whose last is longest ago.

use std::{collections::VecDeque, sync::Arc};

/// What waits, by who asked for it.
#[derive(Debug)]
pub(super) struct Turns<T> {
    /// Those who wait for something, the next to be served first.
    peers: VecDeque<(Arc<str>, VecDeque<T>)>,
    len: usize,
}

impl<T> Turns<T> {
    pub(super) fn new() -> Self {
        Self { peers: VecDeque::new(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether `peer` waits for anything.
    pub(super) fn has(&self, peer: &str) -> bool {
        self.peers.iter().any(|(it, _)| **it == *peer)
    }

    pub(super) fn push(&mut self, peer: &Arc<str>, item: T) {
        self.len += 1;
        match self.peers.iter_mut().find(|(it, _)| it == peer) {
            Some((_, items)) => items.push_back(item),
            None => self.peers.push_back((Arc::clone(peer), [item].into())),
        }
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let (peer, mut items) = self.peers.pop_front()?;
        let item = items.pop_front()?;
        self.len -= 1;
        if !items.is_empty() {
            self.peers.push_back((peer, items));
        }
        Some(item)
    }

    /// All that waited.
    pub(super) fn take(&mut self) -> impl Iterator<Item = T> + use<T> {
        std::mem::replace(self, Self::new()).peers.into_iter().flat_map(|(_, items)| items)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_asks_for_much_waits_for_it_and_others_do_not() {
        let (greedy, modest): (Arc<str>, Arc<str>) = ("greedy".into(), "modest".into());
        let mut turns = Turns::new();
        (1..=4).for_each(|item| turns.push(&greedy, item));
        turns.push(&modest, 10);
        assert!(turns.has("modest"));
        let order: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!((order, turns.len()), (vec![1, 10, 2, 3, 4], 0));
        assert!(!turns.has("modest"));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nobody_is_overtaken_twice(asked in prop::collection::vec(0..5_usize, 0..60)) {
            let names: Vec<Arc<str>> = (0..5).map(|it| format!("{it}").into()).collect();
            let mut turns = Turns::new();
            for (item, peer) in asked.iter().enumerate() {
                turns.push(&names[*peer], (*peer, item));
            }
            prop_assert_eq!(turns.len(), asked.len());
            let order: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
            prop_assert_eq!(order.len(), asked.len());
            for peer in 0..5 {
                let mine: Vec<_> = order.iter().filter(|(it, _)| *it == peer).map(|(_, item)| *item).collect();
                prop_assert!(mine.is_sorted());
                let places: Vec<_> = order.iter().enumerate().filter(|(_, it)| it.0 == peer).map(|(at, _)| at).collect();
                // Between two of one peer's, at most one of each other.
                prop_assert!(places.windows(2).all(|pair| pair[1] - pair[0] <= 5), "{:?}", order);
            }
        }
    }
}
