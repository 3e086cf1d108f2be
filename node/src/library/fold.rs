//! Folded text: the form in which texts are compared with words that a person types.

use unicode_normalization::{UnicodeNormalization, char::canonical_combining_class};

/// Folds a text to words of lower-case letters and digits, with one space between them. Accents, width, punctuation and the
/// spelling of composed letters make no difference. A text of symbols only, such as `!!!`, folds to its symbols.
pub(crate) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold_into(text, &mut folded);
    folded
}

/// Appends the folded `text` to `out`.
pub(super) fn fold_into(text: &str, out: &mut String) {
    let start = out.len();
    let mut words = Words { out, start, is_after_word: false };
    if text.is_ascii() {
        text.chars().for_each(|letter| words.push(letter.to_ascii_lowercase()));
    } else {
        let letters = text.nfkd().filter(|letter| canonical_combining_class(*letter) == 0);
        letters.flat_map(char::to_lowercase).for_each(|letter| words.push_folded(letter));
    }
    if out.len() == start {
        let symbols = text.chars().filter(|letter| !letter.is_whitespace() && !letter.is_control());
        out.extend(symbols.flat_map(char::to_lowercase));
    }
}

/// The words of a text that punctuation divides, each as one word: `rem` for `R.E.M.`, `thats` for `that's`.
pub(super) fn joined_words(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace().filter(|word| !word.chars().all(char::is_alphanumeric)).filter_map(|word| {
        let folded = fold(word);
        folded.contains(' ').then(|| folded.replace(' ', ""))
    })
}

/// Returns whether a letter belongs to a script that is written without spaces between words.
pub(super) fn is_unspaced(letter: char) -> bool {
    matches!(letter,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}'
        | '\u{2e80}'..='\u{2fdf}' | '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{31ff}' | '\u{3400}'..='\u{9fff}'
        | '\u{a960}'..='\u{a97f}' | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// The words being written at the end of a text.
struct Words<'a> {
    out: &'a mut String,
    start: usize,
    is_after_word: bool,
}

impl Words<'_> {
    /// Appends a letter, after a space if other characters stood between it and the letter before.
    fn push(&mut self, letter: char) {
        if !letter.is_alphanumeric() {
            self.is_after_word = true;
            return;
        }
        if std::mem::take(&mut self.is_after_word) && self.out.len() > self.start {
            self.out.push(' ');
        }
        self.out.push(letter);
    }

    /// Appends a lower-case letter as the letters that people without it on their keyboard type.
    fn push_folded(&mut self, letter: char) {
        let plain = match letter {
            'ø' => "o",
            'æ' => "ae",
            'œ' => "oe",
            'ß' => "ss",
            'đ' | 'ð' => "d",
            'ł' => "l",
            'ı' => "i",
            'þ' => "th",
            'ħ' => "h",
            'ŧ' => "t",
            'ŋ' => "n",
            'ς' => "σ",
            letter => return self.push(letter),
        };
        plain.chars().for_each(|letter| self.push(letter));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_word_fold_to_one() {
        for (text, folded) in [
            ("Björk", "bjork"),
            ("Bjo\u{308}rk", "bjork"),
            ("Motörhead", "motorhead"),
            ("BEYONCÉ", "beyonce"),
            ("Sigur Rós – Ágætis byrjun", "sigur ros agaetis byrjun"),
            ("Œuvre Straße Øl đ Łódź ısı İ", "oeuvre strasse ol d lodz isi i"),
            ("ＡＢＣ１２", "abc12"),
            ("Now That's What I Call Music!", "now that s what i call music"),
            ("AC/DC - T.N.T.", "ac dc t n t"),
            ("  ", ""),
            ("!!!", "!!!"),
            ("+ / -", "+/-"),
            ("ﬁn", "fin"),
            ("ΟΔΟΣ", "οδοσ"),
        ] {
            assert_eq!(fold(text), folded, "{text}");
        }
        let joined: Vec<_> = joined_words("R.E.M. and Jay-Z, that’s AC/DC.").collect();
        assert_eq!(joined, ["rem", "jayz", "thats", "acdc"]);
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in "\\PC{0,30}") {
            let folded = fold(&text);
            prop_assert!(!folded.contains("  ") && !folded.starts_with(' ') && !folded.contains('\n'));
            prop_assert_eq!(fold(&folded).replace(' ', ""), folded.replace(' ', ""));
        }
    }
}
