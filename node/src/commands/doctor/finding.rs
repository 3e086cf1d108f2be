//! A result of the doctor.

use std::fmt;

use serde::Serialize;

/// Weight of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    Ok,
    /// The node works, but maybe not as meant.
    Warning,
    /// A part of the node does not work.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "OK",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// The state of one subject.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// One or two words, as in `key`.
    pub(super) subject: &'static str,
    /// One line. Of a warning or an error, it names the next step.
    pub(super) text: String,
}

impl Finding {
    pub(super) fn ok(subject: &'static str, text: impl fmt::Display) -> Self {
        Self { severity: Severity::Ok, subject, text: text.to_string() }
    }

    pub(super) fn warning(subject: &'static str, text: impl fmt::Display) -> Self {
        Self { severity: Severity::Warning, subject, text: text.to_string() }
    }

    pub(super) fn error(subject: &'static str, text: impl fmt::Display) -> Self {
        Self { severity: Severity::Error, subject, text: text.to_string() }
    }
}
