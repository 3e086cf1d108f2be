//! Received bytes of a connection.

/// Bytes received between two values of `Connection::received`. The counter restarts at zero on another path.
pub(super) fn bytes_between(before: Option<u64>, now: Option<u64>) -> u64 {
    let before = before.unwrap_or_default();
    let now = now.unwrap_or_default();
    now.checked_sub(before).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_path_is_counted_from_nothing() {
        assert_eq!(bytes_between(Some(100), Some(140)), 40);
        assert_eq!(bytes_between(Some(10_000), Some(140)), 140);
        assert_eq!(bytes_between(Some(100), None), 0);
        assert_eq!(bytes_between(None, None), 0);
    }
}
