//! Limits of the bitrate by the kind of path and by a budget.

use std::time::Duration;

use media_protocol::{PathKind, Rendition};

/// Bytes of audio per hour. The first hour begins with the first chunk. Audio that a seek drops counts; packet headers do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget(pub u64);

impl Budget {
    /// No limit.
    pub const NONE: Self = Self(u64::MAX);
}

/// Limits of the bitrate.
#[derive(Debug)]
pub struct Policy {
    /// Limit on a path that is neither near nor relayed, in bit/s.
    direct: u32,
    /// Limit on a relayed path, in bit/s.
    relayed: u32,
    /// True if the limit of a direct path also applies to near paths: this machine and the local network.
    limits_near_paths: bool,
    /// True if the budget also applies to paths without a relay.
    all_metered: bool,
    budget: Budget,
    /// Start of the present hour, and the bytes received in it.
    began: Option<Duration>,
    spent: u64,
    /// True if the budget applies to the last path.
    metered: bool,
}

/// Limit of a rendition at an instant.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Limit {
    /// Highest bitrate, in bit/s.
    pub(super) bitrate: u32,
    /// Highest bitrate of a passthrough, in bit/s. It may be higher, since encoding again would lose quality.
    pub(super) passthrough_bitrate: u32,
    /// Reason in words, if the budget lowers the limit.
    pub(super) reason: Option<String>,
}

impl Limit {
    pub(super) fn allows(&self, rendition: &Rendition) -> bool {
        rendition.bitrate <= if rendition.continuous { self.passthrough_bitrate } else { self.bitrate }
    }
}

/// True if a path of this kind carries PCM easily: this machine or the local network.
pub(super) const fn is_near(kind: PathKind) -> bool {
    matches!(kind, PathKind::Memory | PathKind::Loopback | PathKind::Lan)
}

impl Policy {
    const HOUR: Duration = Duration::from_hours(1);

    /// No limit on a near path, 160 kbit/s on a direct one, 96 kbit/s and the budget on a relayed one.
    /// Tested by `each_kind_of_path_has_its_most`.
    #[must_use]
    pub fn auto(budget: Budget) -> Self {
        Self {
            direct: 160_000,
            relayed: 96_000,
            limits_near_paths: false,
            all_metered: false,
            budget,
            began: None,
            spent: 0,
            metered: false,
        }
    }

    /// 48 kbit/s and the budget on every path.
    #[must_use]
    pub fn data_saver(budget: Budget) -> Self {
        Self {
            direct: Self::SAVER,
            relayed: Self::SAVER,
            limits_near_paths: true,
            all_metered: true,
            ..Self::auto(budget)
        }
    }

    /// Highest bitrate of a data saver, in bit/s. Tested by `each_kind_of_path_has_its_most`.
    pub(super) const SAVER: u32 = 48_000;

    /// Highest bitrate on a path of this kind without the budget, in bit/s.
    pub(super) fn most(&self, kind: PathKind) -> u32 {
        match kind {
            near if is_near(near) && !self.limits_near_paths => u32::MAX,
            PathKind::Relayed => self.relayed,
            _ => self.direct,
        }
    }

    /// Highest bitrate of a passthrough on a path of this kind without the budget, in bit/s. Where the budget applies, it is a
    /// tenth more than for other renditions: the mean bitrate of a file is often a little above its nominal one, and the node
    /// allows the same tenth. Elsewhere there is no limit.
    fn max_passthrough_bitrate(&self, kind: PathKind) -> u32 {
        let most = self.most(kind);
        if self.is_metered(kind) { most.saturating_add(most / 10) } else { u32::MAX }
    }

    fn is_metered(&self, kind: PathKind) -> bool {
        self.all_metered || kind == PathKind::Relayed
    }

    /// Limit on a path of this kind at `now`, counted from any fixed instant.
    pub(super) fn limit(&mut self, kind: PathKind, now: Duration) -> Limit {
        let most = self.most(kind);
        self.metered = self.is_metered(kind);
        let began = *self.began.get_or_insert(now);
        let mut ends = began + Self::HOUR;
        if now >= ends {
            self.began = Some(now);
            self.spent = 0;
            ends = now + Self::HOUR;
        }
        let Budget(budget) = self.budget;
        // The first three quarters of the budget set no limit. The last quarter is spread over the rest of the hour.
        if !self.metered || self.spent < budget / 4 * 3 {
            return Limit {
                bitrate: most,
                passthrough_bitrate: self.max_passthrough_bitrate(kind),
                reason: None,
            };
        }
        let left = budget.saturating_sub(self.spent) as f64 * 8.0 / (ends - now).as_secs_f64();
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let spent = megabytes(self.spent);
        let budget = megabytes(budget);
        let reason = || format!("{spent:.1} MB of this hour's {budget:.1} MB are used");
        let bitrate = most.min(left as u32);
        Limit { bitrate, passthrough_bitrate: bitrate, reason: (left < f64::from(most)).then(reason) }
    }

    /// Counts received bytes of audio.
    pub(super) fn spend(&mut self, bytes: u64) {
        if self.metered {
            self.spent = self.spent.saturating_add(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    /// Limit after a number of minutes and bytes on a path of this kind.
    fn after(mut policy: Policy, kind: PathKind, minutes: u32, bytes: u64) -> Limit {
        policy.limit(kind, Duration::ZERO);
        policy.spend(bytes);
        policy.limit(kind, MINUTE * minutes)
    }

    #[test]
    fn each_kind_of_path_has_its_most() {
        let most = |kind| after(Policy::auto(Budget::NONE), kind, 1, 0).bitrate;
        assert_eq!(
            [PathKind::Lan, PathKind::Direct, PathKind::Relayed].map(most),
            [u32::MAX, 160_000, 96_000]
        );
        let saver = |kind| after(Policy::data_saver(Budget::NONE), kind, 1, 0).bitrate;
        assert_eq!([PathKind::Lan, PathKind::Direct, PathKind::Relayed].map(saver), [48_000; 3]);
        let passthrough_bitrate = |kind| after(Policy::auto(Budget::NONE), kind, 1, 0).passthrough_bitrate;
        assert_eq!(
            [PathKind::Lan, PathKind::Direct, PathKind::Relayed].map(passthrough_bitrate),
            [u32::MAX, u32::MAX, 105_600]
        );
        assert_eq!(after(Policy::data_saver(Budget::NONE), PathKind::Lan, 1, 0).passthrough_bitrate, 52_800);
    }

    #[test]
    fn the_last_quarter_of_a_budget_is_spread_over_the_rest_of_the_hour() {
        let auto = || Policy::auto(Budget(10_000_000));
        assert_eq!(after(auto(), PathKind::Relayed, 30, 7_400_000).reason, None);
        let limit = after(auto(), PathKind::Relayed, 30, 8_200_000);
        assert_eq!((limit.bitrate, limit.passthrough_bitrate), (8_000, 8_000));
        assert_eq!(limit.reason.unwrap(), "8.2 MB of this hour's 10.0 MB are used");
        assert_eq!(after(auto(), PathKind::Relayed, 30, 20_000_000).bitrate, 0);
    }

    #[test]
    fn an_hour_later_the_budget_is_whole_again() {
        let limit = after(Policy::auto(Budget(1_000_000)), PathKind::Relayed, 60, 1_000_000);
        assert_eq!(limit, Limit { bitrate: 96_000, passthrough_bitrate: 105_600, reason: None });
    }

    #[test]
    fn only_a_data_saver_counts_what_direct_paths_take() {
        let budget = Budget(1_000_000);
        assert_eq!(after(Policy::auto(budget), PathKind::Direct, 1, 2_000_000).bitrate, 160_000);
        assert_eq!(after(Policy::data_saver(budget), PathKind::Direct, 1, 2_000_000).bitrate, 0);
    }
}
