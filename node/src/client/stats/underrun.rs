//! Causes of underruns, and their counts.

use std::fmt;

/// Cause of an underrun, as far as the client can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnderrunCause {
    /// The audio did not arrive in time: too little throughput, or loss.
    Network,
    /// The path answered pings, but the node did not send: its disk, its encoder or its queue was slow.
    Node,
    /// The audio was in the jitter buffer, but the playback thread was late: this machine was busy.
    ThisMachine,
    /// A decoder failed, and the chunk was requested again in another codec.
    Decoder,
}

impl fmt::Display for UnderrunCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Network => "slow connection",
            Self::Node => "the node was slow to read or encode the track",
            Self::ThisMachine => "this machine was too busy",
            Self::Decoder => "a decoder failed",
        })
    }
}

/// Number of underruns per cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnderrunCounts([u64; UnderrunCounts::CAUSES.len()]);

impl UnderrunCounts {
    /// The causes, in the order of their declaration.
    pub const CAUSES: [UnderrunCause; 4] =
        [UnderrunCause::Network, UnderrunCause::Node, UnderrunCause::ThisMachine, UnderrunCause::Decoder];

    pub(crate) fn add(&mut self, cause: UnderrunCause) {
        self.0[cause as usize] += 1;
    }

    /// Number of underruns with this cause.
    #[must_use]
    pub const fn of(&self, cause: UnderrunCause) -> u64 {
        self.0[cause as usize]
    }

    /// Number of all underruns.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_a_count_of_its_own() {
        let mut counts = UnderrunCounts::default();
        for (times, cause) in UnderrunCounts::CAUSES.into_iter().enumerate() {
            (0..=times).for_each(|_| counts.add(cause));
        }
        assert_eq!(UnderrunCounts::CAUSES.map(|cause| counts.of(cause)), [1, 2, 3, 4]);
        assert_eq!(counts.total(), 10);
    }
}
