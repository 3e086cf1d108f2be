//! Times as a person writes them.

/// Parses a position in a track, such as `90`, `1:30`, `1:02:03` or `2.5`. Returns seconds.
///
/// # Errors
/// A line for a person.
pub fn parse_clock_time(text: &str) -> Result<f64, String> {
    let error = || format!("{text:?} is not a time; write seconds, M:SS or H:MM:SS");
    let parts: Vec<_> = text.split(':').collect();
    let (last, whole) = parts.split_last().ok_or_else(error)?;
    if whole.len() > 2 {
        return Err(error());
    }
    let seconds: f64 = last.parse().map_err(|_| error())?;
    if !(0.0..1e9).contains(&seconds) || (!whole.is_empty() && seconds >= 60.0) {
        return Err(error());
    }
    let minutes = whole.iter().try_fold(0_u32, |sum, part| {
        let part = part.parse::<u32>().ok().filter(|part| *part < 6000)?;
        sum.checked_mul(60)?.checked_add(part)
    });
    Ok(f64::from(minutes.ok_or_else(error)?) * 60.0 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_times_are_read() {
        for (text, seconds) in
            [("0", 0.0), ("90", 90.0), ("1:30", 90.0), ("1:02:03", 3723.0), ("2.5", 2.5), ("0:01.25", 1.25)]
        {
            assert_eq!(parse_clock_time(text), Ok(seconds), "{text}");
        }
        for text in ["", "x", "-1", "1:60", "1:2:3:4", "1:", "nan", "inf", "99999:00", "1:-1"] {
            assert!(parse_clock_time(text).is_err(), "{text}");
        }
    }
}
