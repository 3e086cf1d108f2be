//! Natural order of file names: `2.flac` comes before `10.flac`.

use std::{cmp::Ordering, ffi::OsStr, path::Path};

/// Compares two file names: numbers by their value, letters regardless of case. Names that are equal by this rule
/// are compared byte by byte, so different names are never equal.
pub(super) fn compare_names(a: &OsStr, b: &OsStr) -> Ordering {
    compare_runs(&a.to_string_lossy(), &b.to_string_lossy()).then_with(|| a.cmp(b))
}

/// Compares two paths, folder by folder: the order in which a walk finds them.
pub(in crate::library) fn compare_paths(a: &Path, b: &Path) -> Ordering {
    let names = a.components().zip(b.components());
    let different =
        names.map(|(a, b)| compare_names(a.as_os_str(), b.as_os_str())).find(|order| order.is_ne());
    different.unwrap_or_else(|| a.components().count().cmp(&b.components().count()))
}

fn compare_runs(a: &str, b: &str) -> Ordering {
    let mut a = a;
    let mut b = b;
    loop {
        let left = first_run(a);
        let right = first_run(b);
        if left.is_empty() || right.is_empty() {
            return left.len().cmp(&right.len());
        }
        let order = match (is_number(left), is_number(right)) {
            (true, true) => compare_numbers(left, right),
            _ => lower_case(left).cmp(lower_case(right)),
        };
        if order.is_ne() {
            return order;
        }
        a = &a[left.len()..];
        b = &b[right.len()..];
    }
}

fn lower_case(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

/// The longest beginning of `text` that is all digits or has no digit.
fn first_run(text: &str) -> &str {
    let digits = is_number(text);
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    &text[..end]
}

fn is_number(run: &str) -> bool {
    run.starts_with(|c: char| c.is_ascii_digit())
}

/// Compares two numbers of any length: without leading zeros, the longer one is greater.
fn compare_numbers(a: &str, b: &str) -> Ordering {
    let a = a.trim_start_matches('0');
    let b = b.trim_start_matches('0');
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
        shuffled.sort_by(|a, b| compare_names(OsStr::new(a), OsStr::new(b)));
        assert_eq!(shuffled, sorted);
    }

    proptest! {
        #[test]
        fn it_is_a_total_order(mut names in prop::collection::vec("[aAbB019.]{0,6}", 3)) {
            let of = |a: &String, b: &String| compare_names(OsStr::new(a), OsStr::new(b));
            prop_assert_eq!(of(&names[0], &names[1]), of(&names[1], &names[0]).reverse());
            names.sort_by(of);
            prop_assert!(of(&names[0], &names[2]).is_le());
        }
    }
}
