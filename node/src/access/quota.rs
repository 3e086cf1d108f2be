//! Bytes that a grant may receive in a calendar period (UTC).

use serde::{Deserialize, Serialize};
use time::{Date, Month, OffsetDateTime};

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Bytes that a grant may receive in each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Bytes in one period.
    pub bytes: u64,
    /// Length of the period.
    pub period: QuotaPeriod,
}

/// Period after which a quota starts from zero, by the calendar in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaPeriod {
    /// A day.
    Day,
    /// A calendar month.
    Month,
}

impl QuotaPeriod {
    /// The word in `5GB/month`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// Beginning of the period that contains `now`. Both are seconds since 1970.
    pub(super) fn start(self, now: u64) -> u64 {
        match self {
            Self::Day => now - now % DAY,
            Self::Month => seconds(day_of(now).replace_day(1).unwrap_or(Date::MIN)),
        }
    }

    /// Beginning of the period after the one that contains `now`. Both are seconds since 1970.
    pub(super) fn end(self, now: u64) -> u64 {
        match self {
            Self::Day => self.start(now).saturating_add(DAY),
            Self::Month => {
                let today = day_of(now);
                let year = today.year() + i32::from(today.month() == Month::December);
                Date::from_calendar_date(year, today.month().next(), 1).map_or(u64::MAX, seconds)
            }
        }
    }
}

/// The day (UTC) of an instant in seconds since 1970, as in `2026-12-01`.
#[must_use]
pub fn date(seconds: u64) -> String {
    day_of(seconds).to_string()
}

fn day_of(seconds: u64) -> Date {
    let instant = i64::try_from(seconds).ok().and_then(|it| OffsetDateTime::from_unix_timestamp(it).ok());
    instant.map_or(Date::MAX, OffsetDateTime::date)
}

fn seconds(day: Date) -> u64 {
    u64::try_from(day.midnight().assume_utc().unix_timestamp()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_follow_the_calendar() {
        // 2026-12-15 12:00, 2024-02-29 00:00, 2023-12-31 23:59:59
        for (now, day, month_start, month_end) in [
            (1_797_336_000, "2026-12-15", "2026-12-01", "2027-01-01"),
            (1_709_164_800, "2024-02-29", "2024-02-01", "2024-03-01"),
            (1_704_067_199, "2023-12-31", "2023-12-01", "2024-01-01"),
        ] {
            assert_eq!(date(now), day);
            assert_eq!(date(QuotaPeriod::Month.start(now)), month_start);
            assert_eq!(date(QuotaPeriod::Month.end(now)), month_end);
            assert_eq!(QuotaPeriod::Month.end(now) % DAY, 0);
            assert_eq!(QuotaPeriod::Day.start(now), now / DAY * DAY);
            assert_eq!(QuotaPeriod::Day.end(now), (now / DAY + 1) * DAY);
        }
    }

    #[test]
    fn any_number_is_an_instant() {
        for now in [0, u64::MAX, u64::MAX / 2] {
            for period in [QuotaPeriod::Day, QuotaPeriod::Month] {
                assert!(period.start(now) <= now && period.end(now) >= period.start(now), "{now}");
            }
        }
    }
}
