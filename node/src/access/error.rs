use std::{io, path::PathBuf};

/// Error about the tickets and allowed identities. Each message is one line.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// An operation on the file failed.
    #[error("{doing} the tickets in {}: {error}", .file.display())]
    Io {
        /// The operation, as in `reading`.
        doing: &'static str,
        /// The file.
        file: PathBuf,
        /// Error of the system.
        error: io::Error,
    },
    /// Other users can read the file.
    #[error("{file} can be read by others: restrict it to yourself (chmod 600 {file})", file = .0.display())]
    Exposed(PathBuf),
    /// The file is damaged, or of a newer program.
    #[error("{} does not hold the tickets of this node: {reason}; restore it, or remove it, which ends every ticket", .file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// The first problem.
        reason: String,
    },
    /// The capability file of version 0.1 holds no capability.
    #[error("taking over the ticket of version 0.1: {0}")]
    TakeOver(crate::identity::SecretError),
    /// The text is not usable as a label.
    #[error(
        "{0:?} cannot be a label: use 1 to 40 letters, digits, `-`, `_` or `.`, beginning with a letter or digit"
    )]
    BadLabel(String),
    /// The text is not usable as a folder.
    #[error(
        "{0:?} cannot be a folder of a ticket: write a path below a served folder, as in Jazz or Jazz/Live, or an absolute one"
    )]
    BadFolder(String),
    /// The text is not usable as an identity.
    #[error("{0:?} is not an identity: copy the line that `media-node id` prints on that device")]
    BadIdentity(String),
    /// A bound has a value that permits nothing.
    #[error("{0} permits nothing")]
    Nothing(&'static str),
    /// A number is over its limit.
    #[error("too many {what}: {limit} at most")]
    TooMany {
        /// The things counted.
        what: &'static str,
        /// Their greatest number.
        limit: usize,
    },
    /// The label is in use.
    #[error("{0:?} is in use: choose another label, or run `media-node ticket revoke {0}` first")]
    Taken(String),
    /// The identity has a record already, with this label.
    #[error("that identity is allowed already, as {0:?}: run `media-node ticket revoke {0}` first")]
    Allowed(String),
    /// No record has the label.
    #[error("no ticket for {label:?}{}", known(.labels))]
    Unknown {
        /// The text that was given.
        label: String,
        /// The labels there are.
        labels: Vec<String>,
    },
    /// The system gave no random bytes.
    #[error("no random bytes for a new ticket: {0}")]
    Random(getrandom::Error),
}

fn known(labels: &[String]) -> String {
    if labels.is_empty() { "; there is none".into() } else { format!("; known: {}", labels.join(", ")) }
}
