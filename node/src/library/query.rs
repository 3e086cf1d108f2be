//! The words that a person types to find something in a library.

use memchr::memmem::Finder;

use super::fold::{fold, is_unspaced};

/// Degree to which a name fits the words, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    /// The name is the words.
    Exact,
    /// The name begins with the words, each of them whole.
    Phrase,
    /// The name begins with the words, the last of which may go on.
    Prefix,
    /// Each of the words begins a word of the name.
    Words,
}

/// Folded words of a search, ready to be compared with folded texts.
#[derive(Debug, Clone)]
pub struct Query {
    /// The whole search as it stands in a row of text: each word behind a space.
    phrase: String,
    words: Vec<Word>,
}

/// One word of a search.
#[derive(Debug, Clone)]
pub(super) struct Word {
    /// The word behind the space that begins a word; alone if it may stand anywhere.
    finder: Finder<'static>,
    /// A number matches only whole: `1` is neither `10` nor `1998`.
    is_whole: bool,
}

impl Query {
    /// Parses a search.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let folded = fold(text);
        let words = folded.split(' ').filter(|word| !word.is_empty()).map(Word::new).collect();
        Self { phrase: format!(" {folded}"), words }
    }

    /// Returns whether the search has no words. It then matches everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Returns a query whose numbers match the beginning of a number too; `None` if there are no numbers in it. It is for
    /// a search that finds nothing, since its last number may not be complete.
    #[must_use]
    pub fn with_open_numbers(&self) -> Option<Self> {
        let has_numbers = self.words.iter().any(|word| word.is_whole);
        let words = self.words.iter().map(|word| Word { is_whole: false, ..word.clone() });
        has_numbers.then(|| Self { phrase: self.phrase.clone(), words: words.collect() })
    }

    /// Compares a name, such as a title, with the words. An article at its beginning makes no difference. `None` if a word is
    /// not in it.
    #[must_use]
    pub fn match_name(&self, name: &str) -> Option<Match> {
        let field = format!(" {}\n", fold(name));
        let without = field.strip_prefix(" the").filter(|rest| rest.starts_with(' '));
        let whole = self.match_field(&field);
        whole.into_iter().chain(without.and_then(|rest| self.match_field(rest))).min()
    }

    /// Returns whether a name has any of the words.
    pub(super) fn has_word_in(&self, name: &str) -> bool {
        let field = format!(" {}\n", fold(name));
        self.words.iter().any(|word| word.is_in(field.as_bytes()))
    }

    fn match_field(&self, field: &str) -> Option<Match> {
        let has_all = || self.words.iter().all(|word| word.is_in(field.as_bytes()));
        self.match_beginning(field).or_else(|| (!self.is_empty() && has_all()).then_some(Match::Words))
    }

    /// Compares the beginning of a field in a row of text, which begins with a space and ends with a line break.
    pub(super) fn match_beginning(&self, field: &str) -> Option<Match> {
        let rest = field.strip_prefix(self.phrase.as_str()).filter(|_| !self.is_empty())?;
        match rest.as_bytes().first() {
            Some(b'\n') => Some(Match::Exact),
            Some(b' ') => Some(Match::Phrase),
            _ => Some(Match::Prefix),
        }
    }

    pub(super) fn words(&self) -> &[Word] {
        &self.words
    }
}

impl Word {
    fn new(word: &str) -> Self {
        let is_anywhere = word.contains(is_unspaced);
        let needle = if is_anywhere { word.to_owned() } else { format!(" {word}") };
        let is_whole = word.bytes().all(|byte| byte.is_ascii_digit());
        Self { finder: Finder::new(needle.as_bytes()).into_owned(), is_whole }
    }

    /// Length of the word in bytes.
    pub(super) fn len(&self) -> usize {
        self.finder.needle().len()
    }

    /// Returns the position of the word in a text of rows; each row ends with a line break.
    pub(super) fn find(&self, text: &[u8]) -> Option<usize> {
        let mut from = 0;
        loop {
            let at = from + self.finder.find(text.get(from..)?)?;
            let end = at + self.len();
            if !self.is_whole || text.get(end).is_none_or(|next| matches!(next, b' ' | b'\n')) {
                return Some(at);
            }
            from = end;
        }
    }

    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        self.find(text).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_in_four_degrees_or_not() {
        for (words, name, expected) in [
            ("birdland", "Birdland", Some(Match::Exact)),
            ("beatles", "The Beatles", Some(Match::Exact)),
            ("the beatles", "The Beatles", Some(Match::Exact)),
            ("the", "The The", Some(Match::Exact)),
            ("now thats", "Now That's What", None),
            ("now that's", "Now That's What", Some(Match::Phrase)),
            ("weather rep", "Weather Report", Some(Match::Prefix)),
            ("report wea", "Weather Report", Some(Match::Words)),
            ("eather", "Weather Report", None),
            ("part 1", "Part 10", Some(Match::Prefix)),
            ("1 part", "Part 10", None),
            ("1 part", "Part 1", Some(Match::Words)),
            ("海", "深海魚", Some(Match::Words)),
            ("ก", "เพลงก", Some(Match::Words)),
            ("!!!", "!!!", Some(Match::Exact)),
            ("", "x", None),
        ] {
            assert_eq!(Query::new(words).match_name(name), expected, "{words} in {name}");
        }
        let open = Query::new("1 part").with_open_numbers().unwrap();
        assert_eq!(open.match_name("Part 10"), Some(Match::Words));
        assert!(Query::new("part").with_open_numbers().is_none());
    }
}
