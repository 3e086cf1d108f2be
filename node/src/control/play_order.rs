use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Tracks that a player repeats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    /// None: the player stops after the last track.
    #[default]
    Off,
    /// The current track.
    One,
    /// The whole queue.
    All,
}

impl Repeat {
    /// The next mode of the key that goes through all of them.
    pub(super) fn following(self) -> Self {
        match self {
            Self::Off => Self::All,
            Self::All => Self::One,
            Self::One => Self::Off,
        }
    }
}

/// The order in which the tracks of a queue are played. Tracks are named by their index in the queue.
#[derive(Debug)]
pub(super) struct PlayOrder {
    /// Index of each track, in the order of playing: always a permutation.
    order: Vec<usize>,
    is_shuffled: bool,
    pub(super) repeat: Repeat,
    /// State of the generator of random numbers.
    random: u64,
    /// Tracks that could not be played. Repeating the queue leaves them out, so that a queue without any playable track ends.
    failed: BTreeSet<usize>,
}

impl PlayOrder {
    /// The order of the queue, without repetition. `seed` determines all later permutations.
    pub(super) fn new(count: usize, seed: u64) -> Self {
        let order = (0..count).collect();
        Self { order, is_shuffled: false, repeat: Repeat::Off, random: seed, failed: BTreeSet::new() }
    }

    pub(super) fn is_shuffled(&self) -> bool {
        self.is_shuffled
    }

    /// The track that is played first.
    pub(super) fn first(&self) -> usize {
        self.order.first().copied().unwrap_or(0)
    }

    /// Takes a new random order, or the order of the queue. A random order begins with track `first`, if there is one.
    pub(super) fn shuffle(&mut self, is_shuffled: bool, first: Option<usize>) {
        self.is_shuffled = is_shuffled;
        self.order.sort_unstable();
        if !is_shuffled {
            return;
        }
        for end in (1..self.order.len()).rev() {
            let place = self.below(end + 1);
            self.order.swap(end, place);
        }
        if let Some(place) = first.and_then(|first| self.place(first)) {
            self.order.swap(0, place);
        }
    }

    /// The track that follows another by itself.
    pub(super) fn after(&self, index: usize) -> Option<usize> {
        match self.repeat {
            Repeat::Off => self.moved(index, 1),
            Repeat::One => Some(index).filter(|index| !self.failed.contains(index)),
            Repeat::All => {
                let place = self.place(index)?;
                let round = self.order[place + 1..].iter().chain(&self.order[..=place]);
                round.copied().find(|index| !self.failed.contains(index))
            }
        }
    }

    /// The track that a listener gets who asks for the next one.
    pub(super) fn next(&self, index: usize) -> Option<usize> {
        let wrapped = || (self.repeat == Repeat::All).then(|| self.first());
        self.moved(index, 1).or_else(wrapped)
    }

    /// The track before another one. The first has none, unless the queue is repeated.
    pub(super) fn previous(&self, index: usize) -> Option<usize> {
        let wrapped = || self.order.last().copied().filter(|_| self.repeat == Repeat::All);
        self.moved(index, -1).or_else(wrapped)
    }

    /// Notes that a track could not be played.
    pub(super) fn failed(&mut self, index: usize) {
        self.failed.insert(index);
    }

    fn moved(&self, index: usize, by: isize) -> Option<usize> {
        self.order.get(self.place(index)?.checked_add_signed(by)?).copied()
    }

    fn place(&self, index: usize) -> Option<usize> {
        self.order.iter().position(|other| *other == index)
    }

    /// A random number below `bound` (splitmix64).
    fn below(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ (bits >> 31)) % bound.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_is_a_permutation_that_begins_with_the_current_track_and_is_retraced() {
        let mut orders = BTreeSet::new();
        for seed in 0..50 {
            let mut order = PlayOrder::new(6, seed);
            order.shuffle(true, Some(4));
            let mut heard = vec![order.first()];
            while let Some(next) = order.after(heard[heard.len() - 1]) {
                assert_eq!(order.previous(next), heard.last().copied());
                heard.push(next);
            }
            let mut sorted = heard.clone();
            sorted.sort_unstable();
            assert_eq!((heard[0], sorted), (4, (0..6).collect()));
            orders.insert(heard);
            order.shuffle(false, Some(4));
            assert_eq!((order.after(4), order.previous(4)), (Some(5), Some(3)));
        }
        assert!(orders.len() > 30, "{orders:?}");
    }

    #[test]
    fn repeating_wraps_at_both_ends_and_leaves_out_failed_tracks() {
        let mut order = PlayOrder::new(3, 0);
        assert_eq!((order.after(2), order.next(2), order.previous(0)), (None, None, None));
        order.repeat = Repeat::All;
        assert_eq!((order.after(2), order.next(2), order.previous(0)), (Some(0), Some(0), Some(2)));
        order.failed(0);
        assert_eq!(order.after(2), Some(1));
        order.repeat = Repeat::One;
        assert_eq!((order.after(1), order.next(1), order.after(0)), (Some(1), Some(2), None));
        order.repeat = Repeat::All;
        order.failed(1);
        order.failed(2);
        assert_eq!(order.after(2), None, "all have failed");
    }
}
