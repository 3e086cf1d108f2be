//! Bounded log of events.

use std::collections::VecDeque;

/// Number of events kept. Tested by `remembers_the_last_and_counts_all`.
const KEPT: usize = 256;

/// The last 256 events, oldest first, and the number of all events.
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

    /// Number of all events, including those no longer kept.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The events kept, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.last.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_last_and_counts_all() {
        let mut log = EventLog::default();
        (0..1000).for_each(|number| log.push(number));
        assert_eq!(log.total(), 1000);
        assert_eq!(log.iter().copied().collect::<Vec<_>>(), (744..1000).collect::<Vec<_>>());
    }
}
