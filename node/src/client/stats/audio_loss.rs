use std::{ops::AddAssign, time::Duration};

/// Audio that was silence because it could not be decoded, by the machine that could not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AudioLoss {
    /// The node's file is damaged or was cut.
    pub node: Duration,
    /// The packets of the node are damaged, or this machine's decoder rejects them.
    pub this_machine: Duration,
}

impl AudioLoss {
    /// Returns whether nothing was lost.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// Lost audio in all.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.node + self.this_machine
    }
}

impl AddAssign for AudioLoss {
    fn add_assign(&mut self, other: Self) {
        self.node += other.node;
        self.this_machine += other.this_machine;
    }
}
