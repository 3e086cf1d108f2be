//! The last things that happened, bounded.

use std::collections::VecDeque;

/// How many are remembered.
const KEPT: usize = 256;

/// The last 256 of something, the oldest first, and how many there were in all.
#[derive(Debug, Clone)]
pub struct EventLog<T> {
    last: VecDeque<T>,
    total: u64,
}

impl<T> Default for EventLog<T> {
    fn default() -> Self {
        Self { last: VecDeque::new(), total: 0 }
    }
}

impl<T> EventLog<T> {
    pub(crate) fn push(&mut self, item: T) {
        self.total += 1;
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(item);
    }

    /// How many there were, those that are forgotten included.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Those remembered, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.last.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_last_and_counts_all() {
        let mut recent = EventLog::default();
        (0..1000).for_each(|number| recent.push(number));
        assert_eq!(recent.total(), 1000);
        assert_eq!(recent.iter().copied().collect::<Vec<_>>(), (744..1000).collect::<Vec<_>>());
    }
}
