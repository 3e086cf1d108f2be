//! Quantities with a unit: `"3s"`, `"64MiB"`, `"96kbit"`. The text of a quantity parses to the same quantity.

use std::{fmt, str::FromStr, time::Duration};

/// Error for text that is not a quantity of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {allowed}")]
pub struct ParseUnitError {
    text: String,
    allowed: &'static str,
}

/// Name of a unit, and its size in the smallest unit.
type Unit = (&'static str, u64);

/// A span of time in whole milliseconds: `"200ms"`, `"1.5s"`, `"1m30s"`, `"2h"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(u64);

impl Time {
    pub(crate) const ALLOWED: &str = "a duration such as \"200ms\", \"3s\" or \"1m30s\"";
    /// Units in descending order, which is the order of the pieces of a duration.
    const UNITS: &[Unit] = &[("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

    /// Returns a span of this many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Returns the span as the standard library's type.
    #[must_use]
    pub const fn get(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl FromStr for Time {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let mut rest = text;
            let mut units = Self::UNITS;
            let mut total = 0_u64;
            loop {
                let (number, unit, after) = split_piece(rest)?;
                let at = units.iter().position(|(name, _)| *name == unit)?;
                total = total.checked_add(scale(number, units[at].1)?)?;
                rest = after;
                units = &units[at + 1..];
                if rest.is_empty() {
                    return Some(Self(total));
                }
            }
        };
        parse().ok_or_else(|| ParseUnitError { text: text.into(), allowed: Self::ALLOWED })
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (name, each) in Self::UNITS {
            if rest >= *each {
                write!(f, "{}{name}", rest / each)?;
                rest %= each;
            }
        }
        Ok(())
    }
}

/// A number of bytes: `"64MiB"`, `"500kB"`, `"0B"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    pub(crate) const ALLOWED: &str = "a size such as \"64MiB\", \"500kB\" or \"0B\"";
    const UNITS: &[Unit] = &[
        ("GiB", 1 << 30),
        ("GB", 1_000_000_000),
        ("MiB", 1 << 20),
        ("MB", 1_000_000),
        ("KiB", 1 << 10),
        ("kB", 1000),
        ("B", 1),
    ];

    /// Returns this number of bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Returns the number of bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        one_piece(text, Self::UNITS)
            .map(Self)
            .ok_or_else(|| ParseUnitError { text: text.into(), allowed: Self::ALLOWED })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_whole(f, self.0, Self::UNITS)
    }
}

/// A rate in bits per second: `"96kbit"`, `"1.5Mbit"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bitrate(u32);

impl Bitrate {
    pub(crate) const ALLOWED: &str = "a bitrate such as \"96kbit\" or \"1.5Mbit\"";
    const UNITS: &[Unit] = &[("Mbit", 1_000_000), ("kbit", 1000), ("bit", 1)];

    /// Returns this number of bits per second.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Returns the number of bits per second.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl FromStr for Bitrate {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        one_piece(text, Self::UNITS)
            .and_then(|bits| u32::try_from(bits).ok())
            .map(Self)
            .ok_or_else(|| ParseUnitError { text: text.into(), allowed: Self::ALLOWED })
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_whole(f, self.0.into(), Self::UNITS)
    }
}

/// Splits `"1.5m30s"` into `("1.5", "m", "30s")`.
fn split_piece(text: &str) -> Option<(&str, &str, &str)> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(unit_at);
    let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    Some((number, unit, rest))
}

/// Multiplies `number`, which can have a decimal point, by `unit`; `None` unless the product is a whole
/// number that fits.
fn scale(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let mut value = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    let digits = u32::try_from(fraction.len()).ok()?;
    let parts = fraction.parse::<u64>().ok()?.checked_mul(unit)?;
    let per = 10_u64.checked_pow(digits)?;
    if !parts.is_multiple_of(per) {
        return None;
    }
    value = value.checked_add(parts / per)?;
    Some(value)
}

fn one_piece(text: &str, units: &[Unit]) -> Option<u64> {
    let (number, unit, rest) = split_piece(text)?;
    let (_, each) = units.iter().find(|(name, _)| *name == unit)?;
    if rest.is_empty() { scale(number, *each) } else { None }
}

/// Writes `value` in the first unit that leaves no remainder. Zero gets the last unit.
fn write_whole(f: &mut fmt::Formatter<'_>, value: u64, units: &[Unit]) -> fmt::Result {
    let fits = |&&(_, each): &&Unit| each == 1 || (value > 0 && value.is_multiple_of(each));
    let (name, each) = units.iter().find(fits).copied().unwrap_or(("", 1));
    write!(f, "{}{name}", value / each)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, millis) in
            [("3s", 3000), ("200ms", 200), ("1m30s", 90_000), ("1.5s", 1500), ("2h", 7_200_000), ("0s", 0)]
        {
            assert_eq!(text.parse(), Ok(Time(millis)), "{text}");
        }
    }

    #[test]
    fn sizes_and_bitrates_read_as_people_write_them() {
        for (text, bytes) in [("64MiB", 64 << 20), ("500kB", 500_000), ("1.5GiB", 3 << 29), ("0B", 0)] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for (text, bits) in [("96kbit", 96_000), ("1.5Mbit", 1_500_000), ("6bit", 6)] {
            assert_eq!(text.parse(), Ok(Bitrate(bits)), "{text}");
        }
    }

    #[test]
    fn a_quantity_without_its_unit_or_out_of_order_is_refused() {
        for text in ["", "3", "s", "3 s", "-3s", "3s1m", "3s3s", "1.0005s", "3é", ".5s", "99999999999999999h"]
        {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
        for text in ["64", "64mib", "MiB", "64MiB5", "0.5B", "99999999999GiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        for text in ["96", "96kbps", "5000Mbit", "0.0001kbit"] {
            assert!(text.parse::<Bitrate>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(time: u64, bytes: u64, bits: u32, unit in 0..7_usize) {
            let round = bytes / Size::UNITS[unit].1 * Size::UNITS[unit].1;
            prop_assert_eq!(Time(time).to_string().parse(), Ok(Time(time)));
            prop_assert_eq!(Size(bytes).to_string().parse(), Ok(Size(bytes)));
            prop_assert_eq!(Size(round).to_string().parse(), Ok(Size(round)));
            prop_assert_eq!(Bitrate(bits).to_string().parse(), Ok(Bitrate(bits)));
        }

        #[test]
        fn no_text_is_too_odd_to_be_refused(text: String, digits in "[0-9.]{0,40}(ms|s|h|GiB|Mbit|é){1,3}") {
            for text in [text, digits] {
                let _ = (text.parse::<Time>(), text.parse::<Size>(), text.parse::<Bitrate>());
            }
        }
    }
}
