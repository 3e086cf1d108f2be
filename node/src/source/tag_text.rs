//! Texts and numbers in tags, as people and programs write them.

use media_protocol::Date;
use unicode_normalization::UnicodeNormalization;

/// The characters 0x80 to 0x9f of Windows-1252, which programs write where a tag says Latin-1.
const WINDOWS_1252: [char; 32] = [
    '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2c6}',
    '\u{2030}', '\u{160}', '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}', '\u{90}', '\u{2018}',
    '\u{2019}', '\u{201c}', '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}', '\u{2dc}', '\u{2122}', '\u{161}',
    '\u{203a}', '\u{153}', '\u{9d}', '\u{17e}', '\u{178}',
];

/// Returns the character that a program meant by `letter`. A control character of Latin-1 stands for the letter that
/// Windows-1252 has in its place.
pub(super) fn from_windows_1252(letter: char) -> char {
    match u32::from(letter) {
        code @ 0x80..=0x9f => WINDOWS_1252.get(code as usize - 0x80).copied().unwrap_or(letter),
        _ => letter,
    }
}

/// Makes one line of a text: decodes Windows-1252 and composes accents (NFC). Replaces control characters and line breaks
/// by spaces, since tags come from strangers and are printed on terminals. `None` if nothing visible is left.
pub(in crate::source) fn clean(text: &str) -> Option<String> {
    let plain = |letter: char| {
        let letter = from_windows_1252(letter);
        if letter.is_control() { ' ' } else { letter }
    };
    // A byte order mark may stand before each value of a list.
    let letters = text.chars().filter(|letter| *letter != '\u{feff}').map(plain);
    let line: String = letters.nfc().collect();
    let line = line.trim();
    line.contains(is_visible).then(|| line.to_owned())
}

/// False for spaces and for characters without width or ink.
fn is_visible(letter: char) -> bool {
    let is_blank = matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}');
    !is_blank && !letter.is_whitespace() && !letter.is_control()
}

/// Reads `3`, `03`, `3/12` or `3 of 12`: the number and the total.
pub(super) fn number_of_total(text: &str) -> (Option<u16>, Option<u16>) {
    let mut numbers = text.split(|letter: char| !letter.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let mut next = || numbers.next().and_then(|digits| digits.parse().ok()).filter(|number| *number > 0);
    let has_number = text.trim_start().starts_with(|letter: char| letter.is_ascii_digit());
    let number = if has_number { next() } else { None };
    // `/12` has a total only.
    let total = if text.contains('/') || has_number { next() } else { None };
    (number, total)
}

/// The place of a track.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TrackNumber {
    /// Side of a record.
    pub(super) side: Option<char>,
    pub(super) track: Option<u16>,
    pub(super) total: Option<u16>,
}

/// Reads the number of a track, as [`number_of_total`], or with the side of a record before it, as in `A1`. A side without
/// number has one track.
pub(super) fn track_number(text: &str) -> TrackNumber {
    let text = text.trim();
    let mut letters = text.chars();
    let side = letters.next().filter(char::is_ascii_alphabetic).map(|side| side.to_ascii_uppercase());
    let Some(side) = side else {
        let (track, total) = number_of_total(text);
        return TrackNumber { side: None, track, total };
    };
    match letters.as_str() {
        "" => TrackNumber { side: Some(side), track: Some(1), total: None },
        digits if digits.starts_with(|letter: char| letter.is_ascii_digit()) => {
            let (track, total) = number_of_total(digits);
            TrackNumber { side: Some(side), track, total }
        }
        _ => TrackNumber::default(),
    }
}

/// Reads a date: `1998-03-01`, `1998-03`, `1998`, or the first year in a text such as `c. 1998` or `01.03.1998`.
pub(super) fn date(text: &str) -> Option<Date> {
    let begin = |bytes: usize| text.get(..bytes).and_then(|begin| begin.parse::<Date>().ok());
    if let Some(date) = begin(10).or_else(|| begin(7)) {
        return Some(date);
    }
    let runs = text.split(|letter: char| !letter.is_ascii_digit());
    let whole = runs.clone().find(|digits| digits.len() == 8).and_then(|digits| {
        let year: u16 = digits.get(..4)?.parse().ok().filter(|year| (1000..2200).contains(year))?;
        format!("{year:04}-{}-{}", digits.get(4..6)?, digits.get(6..)?).parse().ok()
    });
    whole.or_else(|| runs.clone().filter(|digits| digits.len() == 4).find_map(|year| year.parse().ok()))
}

/// Reads a flag: every number but 0 is true, and so are `true` and `yes`.
pub(super) fn flag(text: &str) -> bool {
    match text.trim().parse::<f32>() {
        Ok(number) => number != 0.0,
        Err(_) => ["true", "yes", "y", "t"].iter().any(|yes| text.trim().eq_ignore_ascii_case(yes)),
    }
}

/// Greatest gain that is taken for true, in decibels.
const MAX_GAIN: f64 = 64.0;

/// Reads a gain such as `-7.03 dB`. Returns thousandths of a decibel.
pub(super) fn gain(text: &str) -> Option<i32> {
    let number = text.trim().trim_end_matches(|letter: char| letter.is_ascii_alphabetic() || letter == ' ');
    let decibels: f64 = number.replace(',', ".").trim_start_matches('+').parse().ok()?;
    (decibels.abs() <= MAX_GAIN).then(|| (decibels * 1000.0).round() as i32)
}

/// Reads a gain of RFC 7845, section 5.2.1: 256ths of a decibel. Returns thousandths.
pub(super) fn r128_gain(text: &str) -> Option<i32> {
    let steps: i32 = text.trim().parse().ok().filter(|steps| (-32_768..32_768).contains(steps))?;
    Some((f64::from(steps) * 1000.0 / 256.0).round() as i32)
}

/// Reads a peak such as `0.988`. Returns millionths of full scale.
pub(super) fn peak(text: &str) -> Option<u32> {
    let peak: f64 = text.trim().replace(',', ".").parse().ok()?;
    (0.0..=100.0).contains(&peak).then(|| (peak * 1e6).round() as u32)
}

/// Returns whether any of the first 50 lines of lyrics begins with a time stamp, as in `[01:02.50]`.
pub(super) fn has_times(lyrics: &str) -> bool {
    let is_timed = |line: &str| {
        let time =
            line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(time, _)| time);
        let parts = time.and_then(|time| time.split_once(':'));
        parts.is_some_and(|(minutes, seconds)| {
            minutes.parse::<u32>().is_ok() && seconds.parse::<f32>().is_ok()
        })
    };
    lyrics.lines().take(50).any(is_timed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_one_visible_line() {
        for (text, expected) in [
            ("  a\nb\u{7} ", Some("a b")),
            ("\u{feff}BOM", Some("BOM")),
            ("Don\u{92}t \u{80}", Some("Don\u{2019}t \u{20ac}")),
            ("cafe\u{301}", Some("caf\u{e9}")),
            ("", None),
            (" \u{200b}\u{2060} \u{3164}", None),
            ("\u{2800}", None),
        ] {
            assert_eq!(clean(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, expected) in [
            ("3", (Some(3), None)),
            ("03", (Some(3), None)),
            ("1/2", (Some(1), Some(2))),
            ("01 of 12", (Some(1), Some(12))),
            ("/2", (None, Some(2))),
            ("0/0", (None, None)),
            ("3/", (Some(3), None)),
            ("99999", (None, None)),
            ("x", (None, None)),
        ] {
            assert_eq!(number_of_total(text), expected, "{text:?}");
        }
        let side = |letter, track| TrackNumber { side: Some(letter), track: Some(track), total: None };
        for (text, expected) in [
            ("A1", side('A', 1)),
            ("b02", side('B', 2)),
            ("C", side('C', 1)),
            ("7/9", TrackNumber { side: None, track: Some(7), total: Some(9) }),
            ("Intro", TrackNumber::default()),
            ("", TrackNumber::default()),
        ] {
            assert_eq!(track_number(text), expected, "{text:?}");
        }
    }

    #[test]
    fn dates_gains_peaks_and_flags_are_read_or_left() {
        for (text, expected) in [
            ("1998-03-01", "1998-03-01"),
            ("1998-03-01T10:20:30", "1998-03-01"),
            ("1998-03", "1998-03"),
            ("1998-00-00", "1998"),
            ("19980301", "1998-03-01"),
            ("01.03.1998", "1998"),
            ("c. 1998", "1998"),
            ("(P) 1998 Label", "1998"),
        ] {
            assert_eq!(date(text).map(|date| date.to_string()).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "98", "unknown", "0000", "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}"] {
            assert_eq!(date(text), None, "{text}");
        }
        assert_eq!(
            ["-7.03 dB", "+3", "1,5 dB", "-inf dB", "999 dB", ""].map(gain),
            [Some(-7030), Some(3000), Some(1500), None, None, None]
        );
        assert_eq!(["-256", "128", "40000", "x"].map(r128_gain), [Some(-1000), Some(500), None, None]);
        assert_eq!(["0.988", "1.25", "-1", "nan"].map(peak), [Some(988_000), Some(1_250_000), None, None]);
        assert_eq!(["1", "0", "true", "", "no"].map(flag), [true, false, true, false, false]);
        assert!(has_times("[ar:x]\n[00:12.30] words") && !has_times("[Chorus]\nwords: many"));
    }
}
