//! The order in which a person counts files: `2.flac` before `10.flac`.

use std::{cmp::Ordering, path::Path};

/// Compares folder by folder; numbers by value, letters first without regard to case, then byte by byte so that no two
/// different paths are equal.
pub(super) fn natural(a: &Path, b: &Path) -> Ordering {
    let texts = |path: &Path| path.iter().map(|it| it.to_string_lossy().into_owned()).collect::<Vec<_>>();
    let (left, right) = (texts(a), texts(b));
    let parts = left.iter().zip(&right).map(|(a, b)| part(a, b)).find(|it| it.is_ne());
    parts.unwrap_or_else(|| left.len().cmp(&right.len())).then_with(|| a.cmp(b))
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
            _ => left.to_lowercase().cmp(&right.to_lowercase()),
        };
        if order.is_ne() {
            return order;
        }
        (a, b) = (&a[left.len()..], &b[right.len()..]);
    }
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
            "A/1 - x.mp3",
            "a/2.mp3",
            "a/02b.mp3",
            "a/10.mp3",
            "a/99999999999999999999999.mp3",
            "a/b/1.mp3",
            "a/B2.mp3",
            "b.mp3",
        ];
        let mut shuffled = sorted;
        shuffled.reverse();
        shuffled.sort_by(|a, b| natural(Path::new(a), Path::new(b)));
        assert_eq!(shuffled, sorted);
    }

    proptest! {
        #[test]
        fn it_is_a_total_order(mut paths in prop::collection::vec("[aAbB019/.]{0,6}", 3)) {
            let of = |a: &String, b: &String| natural(Path::new(a), Path::new(b));
            prop_assert_eq!(of(&paths[0], &paths[1]), of(&paths[1], &paths[0]).reverse());
            paths.sort_by(of);
            prop_assert!(of(&paths[0], &paths[2]).is_le());
        }
    }
}
