//! Discs in the names of folders and albums: `CD2`, `Heavy Weather (Disc 2)`, `Disc 1 - Live`.

/// Words for a disc.
const WORDS: [&str; 4] = ["disc", "disk", "cd", "lp"];
/// Characters that may divide a disc from the rest of a name.
const MARKS: [char; 11] = ['(', '[', '{', ',', '-', ':', ';', '/', '_', '\u{2013}', '\u{2014}'];

/// Splits the name of a folder into the rest of the name and the disc's number.
pub(super) fn in_folder(name: &str) -> Option<(&str, u16)> {
    split(name, |_| true)
}

/// Splits the name of an album, as [`in_folder`]. A disc must stand behind a bracket or another mark, since `Compact Disc 3`
/// may be a title.
pub(super) fn in_title(name: &str) -> Option<(&str, u16)> {
    split(name, |before| before.trim_end().ends_with(MARKS)).filter(|(rest, _)| !rest.is_empty())
}

fn split(name: &str, may_follow: impl Fn(&str) -> bool) -> Option<(&str, u16)> {
    let lower = name.to_ascii_lowercase();
    let places = WORDS.iter().flat_map(|word| lower.rmatch_indices(word));
    places
        .filter_map(|(at, word)| {
            let (before, after) = (name.get(..at)?, name.get(at + word.len()..)?);
            if before.ends_with(char::is_alphanumeric) || !may_follow(before) {
                return None;
            }
            let after = after.trim_start_matches([' ', '.', '#', '-', '_', ':']);
            let digits = after.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(after.len());
            let number = after.get(..digits)?.parse().ok().filter(|number| (1..100).contains(number))?;
            if after.get(digits..)?.starts_with(char::is_alphanumeric) {
                return None;
            }
            Some((before.trim_end_matches(|letter| letter == ' ' || MARKS.contains(&letter)), number))
        })
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discs_are_split_from_names() {
        for (name, expected) in [
            ("CD2", Some(("", 2))),
            ("cd 02", Some(("", 2))),
            ("Disc 1 - The Beginning", Some(("", 1))),
            ("Heavy Weather CD1", Some(("Heavy Weather", 1))),
            ("Heavy Weather [Disk #2]", Some(("Heavy Weather", 2))),
            ("Heavy Weather", None),
            ("Discovery 2", None),
            ("ABCD 2", None),
            ("CD 2000", None),
            ("Disc", None),
        ] {
            assert_eq!(in_folder(name), expected, "{name}");
        }
        for (name, expected) in [
            ("The Wall (Disc 2)", Some(("The Wall", 2))),
            ("The Wall (CD1: Live)", Some(("The Wall", 1))),
            ("The Wall, Disc 2", Some(("The Wall", 2))),
            ("The Wall \u{2013} CD 2", Some(("The Wall", 2))),
            ("Compact Disc 3", None),
            ("Disc 1", None),
            ("\u{130}\u{130} (Disc 2)", Some(("\u{130}\u{130}", 2))),
        ] {
            assert_eq!(in_title(name), expected, "{name}");
        }
    }
}
