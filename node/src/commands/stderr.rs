//! Lines for a person on standard error. A terminal that is closed is no error: the node serves on.

use std::{
    fmt::Display,
    io::{self, Write},
};

use crate::ui::sanitize;

/// Prints a line.
pub(super) fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "{}", sanitize(&text.to_string()));
}

/// Prints a warning.
pub(super) fn warn(text: impl Display) {
    note(format_args!("warning: {text}"));
}
