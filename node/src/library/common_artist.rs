/// The artist that all folded names begin with: `mia` for `mia` and `mia feat max`. `None` if there is none.
pub(super) fn common_artist<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let shortest = names.clone().min_by_key(|name| name.len())?;
    let is_theirs =
        |name: &str| name.strip_prefix(shortest).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    let mut names = names;
    names.all(is_theirs).then_some(shortest).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_do_not_hide_the_artist() {
        for (names, expected) in [
            (&["mia", "mia feat max"][..], Some("mia")),
            (&["mia"], Some("mia")),
            (&["mia", "miami"], None),
            (&["mia", ""], None),
            (&["", ""], None),
            (&[], None),
        ] {
            assert_eq!(common_artist(names.iter().copied()), expected, "{names:?}");
        }
    }
}
