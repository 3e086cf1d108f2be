//! Lines and text that are safe for a terminal.

use crate::control::Notice;

/// Formats a notice as one line.
pub(super) fn line(notice: &Notice) -> String {
    match notice {
        Notice::Info(text) => sanitize(text),
        Notice::Warning(text) => format!("warning: {}", sanitize(text)),
    }
}

/// Makes text from a peer or a file safe for a terminal: replaces control characters, and characters that change the
/// direction of writing, by U+FFFD.
#[must_use]
pub fn sanitize(text: &str) -> String {
    let is_unsafe =
        |c: char| c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if is_unsafe(c) { '\u{FFFD}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn sanitized_text_has_no_control_codes() {
        assert_eq!(super::sanitize("a\u{1b}[2Jb\r\n\u{9b}c"), "a\u{FFFD}[2Jb\u{FFFD}\u{FFFD}\u{FFFD}c");
    }
}
