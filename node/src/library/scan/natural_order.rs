//! The order in which a person counts files: `2.flac` before `10.flac`.

use std::{cmp::Ordering, ffi::OsStr};

/// Compares two names: numbers by value, letters first without regard to case, then byte by byte so that no two different
/// names are equal.
pub(super) fn natural(a: &OsStr, b: &OsStr) -> Ordering {
    part(&a.to_string_lossy(), &b.to_string_lossy()).then_with(|| a.cmp(b))
}

fn part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (left, right) = (run(a), run(b));
        if left.is_empty() || right.is_empty() {
            return left.len().cmp(&right.len());
        }
        let order = match (is_number(left), is_number(right)) {
            (true, true) => number(left, right),
            _ => lower_case(left).cmp(lower_case(right)),
        };
        if order.is_ne() {
            return order;
        }
        (a, b) = (&a[left.len()..], &b[right.len()..]);
    }
}

fn lower_case(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

/// The digits or the other characters that `text` begins with.
fn run(text: &str) -> &str {
    let digits = is_number(text);
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    &text[..end]
}

fn is_number(run: &str) -> bool {
    run.starts_with(|c: char| c.is_ascii_digit())
}

/// By value without a limit to the digits: the longer number, leading zeros aside, is the greater.
fn number(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_count_by_value_and_case_does_not_matter() {
        let sorted = [
            "1 - x.mp3",
            "2.mp3",
            "02b.mp3",
            "10.mp3",
            "99999999999999999999999.mp3",
            "A",
            "a",
            "a 9.mp3",
            "A 10.mp3",
            "b",
            "B2.mp3",
            "Ä",
        ];
        let mut shuffled = sorted;
        shuffled.reverse();
        shuffled.sort_by(|a, b| natural(OsStr::new(a), OsStr::new(b)));
        assert_eq!(shuffled, sorted);
    }

    proptest! {
        #[test]
        fn it_is_a_total_order(mut names in prop::collection::vec("[aAbB019.]{0,6}", 3)) {
            let of = |a: &String, b: &String| natural(OsStr::new(a), OsStr::new(b));
            prop_assert_eq!(of(&names[0], &names[1]), of(&names[1], &names[0]).reverse());
            names.sort_by(of);
            prop_assert!(of(&names[0], &names[2]).is_le());
        }
    }
}
