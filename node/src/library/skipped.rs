//! Files that are named like audio and not served, and the warnings about them.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::error::reason;
use crate::source::SourceError;

/// Number of skipped files that [`warnings`] names one by one.
const MAX_NAMED: usize = 5;

/// A file that is named like audio and is not served.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Skipped {
    /// The file, or a folder that cannot be read.
    pub path: PathBuf,
    /// The reason.
    pub reason: SkipReason,
}

/// Reason for which a file is not served.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// The node does not play this kind of file. The text names the kind for a person, as in `WMA`, `AAC 5.1`, or
    /// `an unknown kind of file`.
    Unsupported(String),
    /// The file's content is damaged; the text says how, for a person. The node tries again when the file changes.
    Damaged(String),
    /// The file cannot be read at present; the text says why, for a person.
    Unreadable(String),
}

impl SkipReason {
    /// The reason of a failed scan.
    pub(super) fn of(error: &SourceError) -> Self {
        match error {
            SourceError::Unsupported { kind, .. } => Self::Unsupported(kind.clone()),
            SourceError::Io { .. } | SourceError::TooManyOpenFiles { .. } | SourceError::Changed { .. } => {
                Self::Unreadable(reason(error))
            }
            _ => Self::Damaged(reason(error)),
        }
    }

    /// The same reason with another text.
    pub(super) fn map_text(self, change: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Unsupported(kind) => Self::Unsupported(change(&kind)),
            Self::Damaged(reason) => Self::Damaged(change(&reason)),
            Self::Unreadable(reason) => Self::Unreadable(change(&reason)),
        }
    }

    /// The kind of file, or the words for a person.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Unsupported(text) | Self::Damaged(text) | Self::Unreadable(text) => text,
        }
    }

    /// The kind of file, if files of this kind are counted: `WMA`, but not `an unknown kind of file`.
    fn kind(&self) -> Option<&str> {
        let Self::Unsupported(kind) = self else { return None };
        let is_phrase = matches!(kind.split(' ').next(), Some("a" | "an" | "audio" | "several"));
        (!is_phrase).then_some(kind)
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(kind) => write!(f, "not a supported audio file ({kind})"),
            Self::Damaged(reason) | Self::Unreadable(reason) => f.write_str(reason),
        }
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

/// Lines that warn of skipped files: the number of files of each unsupported kind, the largest first; then the other files,
/// the first five by name.
#[must_use]
pub fn warnings<'a>(skipped: impl IntoIterator<Item = &'a Skipped>) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut others = Vec::new();
    for file in skipped {
        match file.reason.kind() {
            Some(kind) => *counts.entry(kind).or_default() += 1,
            None => others.push(format!("skipped {file}")),
        }
    }
    let mut kinds: Vec<_> = counts.into_iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut lines: Vec<_> = kinds
        .into_iter()
        .map(|(kind, count)| {
            let files = if count == 1 { "file" } else { "files" };
            format!("{count} {kind} {files} skipped: not supported")
        })
        .collect();
    others.sort();
    let more = others.len().saturating_sub(MAX_NAMED);
    others.truncate(MAX_NAMED);
    lines.append(&mut others);
    if more > 0 {
        lines.push(format!("skipped {more} more files that cannot be read"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsupported_files_are_counted_by_kind_and_others_are_named() {
        let file =
            |number: usize, reason: SkipReason| Skipped { path: format!("/m/{number}").into(), reason };
        let unsupported = |kind: &str| SkipReason::Unsupported(kind.into());
        let mut skipped: Vec<_> = (0..12).map(|number| file(number, unsupported("WMA"))).collect();
        skipped.push(file(20, unsupported("protected M4A")));
        skipped.extend([30, 31].map(|number| file(number, unsupported("DSD"))));
        skipped.push(file(40, unsupported("an unknown kind of file")));
        skipped.push(file(41, SkipReason::Unreadable("permission denied".into())));
        let expected = [
            "12 WMA files skipped: not supported",
            "2 DSD files skipped: not supported",
            "1 protected M4A file skipped: not supported",
            "skipped /m/40: not a supported audio file (an unknown kind of file)",
            "skipped /m/41: permission denied",
        ];
        assert_eq!(warnings(&skipped), expected);
        let damaged: Vec<_> = (0..7).map(|number| file(number, SkipReason::Damaged("bad".into()))).collect();
        let lines = warnings(&damaged);
        assert_eq!((lines.len(), &*lines[5]), (6, "skipped 2 more files that cannot be read"));
        assert!(warnings([]).is_empty());
    }
}
