use std::collections::VecDeque;

use crate::server::caller::Caller;

/// A queue that serves callers in turn. The next item belongs to the caller that has waited longest since its last
/// item.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    /// Callers with items, in the order in which they are served.
    callers: VecDeque<(Caller, VecDeque<T>)>,
    len: usize,
}

impl<T> FairQueue<T> {
    pub(super) fn new() -> Self {
        Self { callers: VecDeque::new(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// True if `caller` has an item in the queue.
    pub(super) fn has(&self, caller: &Caller) -> bool {
        self.callers.iter().any(|(waiting, _)| waiting == caller)
    }

    pub(super) fn push(&mut self, caller: &Caller, item: T) {
        self.len += 1;
        match self.callers.iter_mut().find(|(waiting, _)| waiting == caller) {
            Some((_, items)) => items.push_back(item),
            None => self.callers.push_back((caller.clone(), [item].into())),
        }
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let (caller, mut items) = self.callers.pop_front()?;
        let item = items.pop_front()?;
        self.len -= 1;
        if !items.is_empty() {
            self.callers.push_back((caller, items));
        }
        Some(item)
    }

    /// Empties the queue and returns its items.
    pub(super) fn take(&mut self) -> impl Iterator<Item = T> + use<T> {
        std::mem::replace(self, Self::new()).callers.into_iter().flat_map(|(_, items)| items)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_caller_with_many_items_does_not_delay_others() {
        let greedy = Caller::peer("greedy");
        let modest = Caller::peer("modest");
        let mut queue = FairQueue::new();
        (1..=4).for_each(|item| queue.push(&greedy, item));
        queue.push(&modest, 10);
        assert!(queue.has(&modest));
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!((order, queue.len()), (vec![1, 10, 2, 3, 4], 0));
        assert!(!queue.has(&modest));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nobody_is_overtaken_twice(asked in prop::collection::vec(0..5_usize, 0..60)) {
            let names: Vec<Caller> = (0..5).map(|number| Caller::peer(&number.to_string())).collect();
            let mut queue = FairQueue::new();
            for (item, caller) in asked.iter().enumerate() {
                queue.push(&names[*caller], (*caller, item));
            }
            prop_assert_eq!(queue.len(), asked.len());
            let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
            prop_assert_eq!(order.len(), asked.len());
            for caller in 0..5 {
                let own = order.iter().enumerate().filter(|(_, (of, _))| *of == caller);
                let (places, items): (Vec<_>, Vec<_>) = own.map(|(place, (_, item))| (place, *item)).unzip();
                prop_assert!(items.is_sorted());
                // Between two items of one caller, each other caller has one item at most.
                prop_assert!(places.windows(2).all(|pair| pair[1] - pair[0] <= 5), "{:?}", order);
            }
        }
    }
}
