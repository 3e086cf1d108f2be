//! Lines and text that are safe for a terminal.

use crate::{control::Notice, text_line::text_line};

/// Formats a notice as one line.
pub(super) fn line(notice: &Notice) -> String {
    match notice {
        Notice::Info(text) => sanitize(text),
        Notice::Warning(text) => format!("warning: {}", sanitize(text)),
    }
}

/// Columns of a text from a peer or a file, at most. Longer ones are cut.
const MAX_COLUMNS: usize = 1000;

/// Makes text from a peer or a file safe for a terminal: one line of at most 1000 columns, without control characters and
/// characters that change the direction of writing.
#[must_use]
pub fn sanitize(text: &str) -> String {
    text_line(text, MAX_COLUMNS)
}
