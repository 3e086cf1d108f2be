//! One line of a text from a peer or a file, bounded and safe for a terminal.

use unicode_width::UnicodeWidthChar;

/// Characters without width that may follow a visible one: accents, and the joiners of an emoji. More of them are
/// dropped, since any number fits into one column. Tested by `marks_without_width_are_bounded`.
const MAX_MARKS: u32 = 4;

/// Cuts a text to `columns` columns of a terminal; `…` marks the cut. Replaces control characters, and characters that
/// change the direction of writing, by U+FFFD.
#[must_use]
pub(crate) fn text_line(text: &str, columns: usize) -> String {
    let mut line = String::new();
    // The length of the line at which its last column begins.
    let mut last = 0;
    let mut used = 0;
    let mut marks = MAX_MARKS;
    for letter in text.chars() {
        let letter = if is_unsafe(letter) { char::REPLACEMENT_CHARACTER } else { letter };
        let width = letter.width().unwrap_or(0);
        if width == 0 {
            marks += 1;
            if marks > MAX_MARKS {
                continue;
            }
        } else {
            marks = 0;
            if used + width > columns {
                line.truncate(last);
                line.push('…');
                break;
            }
            used += width;
            if used < columns {
                last = line.len() + letter.len_utf8();
            }
        }
        line.push(letter);
        if width == 0 && used < columns {
            last = line.len();
        }
    }
    line
}

/// True if a person would see anything of the text.
pub(crate) fn is_visible(text: &str) -> bool {
    // Fillers and the Braille pattern without dots have a width.
    let is_blank = |c: char| {
        c.is_whitespace() || matches!(c, '\u{ad}' | '\u{115f}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}')
    };
    text.chars().any(|c| c.width().is_some_and(|width| width > 0) && !is_blank(c))
}

fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr;

    use super::*;

    #[test]
    fn a_line_has_no_control_codes() {
        assert_eq!(
            text_line("a\u{1b}[2Jb\r\n\u{9b}c\u{202e}", 99),
            "a\u{FFFD}[2Jb\u{FFFD}\u{FFFD}\u{FFFD}c\u{FFFD}"
        );
    }

    #[test]
    fn a_long_line_is_cut_at_a_column() {
        assert_eq!(text_line("abcdef", 6), "abcdef");
        assert_eq!(text_line("abcdefg", 6), "abcde…");
        // Wide letters: an odd column stays empty.
        assert_eq!(text_line("日本語", 6), "日本語");
        assert_eq!(text_line("日本語", 5), "日本…");
        assert_eq!(text_line("日本語", 4), "日…");
        assert_eq!(text_line("abc", 0), "…");
        assert_eq!(text_line(&"x".repeat(680_000), 10), "xxxxxxxxx…");
    }

    #[test]
    fn marks_without_width_are_bounded() {
        let accents = |count| "\u{301}".repeat(count);
        assert_eq!(text_line(&format!("e{}", accents(9)), 10), format!("e{}", accents(4)));
        assert_eq!(text_line(&accents(680_000), 10), "");
        assert_eq!(text_line("\u{200b}\u{200b}ab", 10), "ab");
        // A family of four is one picture.
        let family = "👩\u{200d}👩\u{200d}👧\u{200d}👦";
        assert_eq!(text_line(family, 10), family);
    }

    #[test]
    fn blank_texts_are_invisible() {
        for blank in ["", "  ", "\u{200b}\u{200b}", "\u{3164}", "\u{2800}\u{ad}", "\u{301}"] {
            assert!(!is_visible(blank), "{blank:?}");
        }
        assert!(is_visible(" . ") && is_visible("é") && is_visible("\u{FFFD}"));
    }

    proptest! {
        #[test]
        fn any_text_fits(text in ".{0,40}", columns in 1..20_usize) {
            let line = text_line(&text, columns);
            prop_assert!(line.chars().filter_map(UnicodeWidthChar::width).sum::<usize>() <= columns);
            prop_assert!(line.width() <= columns);
            prop_assert!(line.len() <= (columns + 1) * (1 + MAX_MARKS as usize) * 4);
            prop_assert!(!line.chars().any(is_unsafe));
        }
    }
}
