use std::fmt;

use serde::Serialize;

/// What a plugin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Encodes and decodes.
    Codec,
    /// Where frames end up.
    Output,
    /// How two nodes reach each other.
    Transport,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Codec => "codec",
            Self::Output => "output",
            Self::Transport => "transport",
        })
    }
}

/// Why the registry has nothing to give, or left a plugin out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// No plugin of that kind has that id.
    #[error("there is no {kind} \"{id}\"; choose one of: {}", list(known))]
    Unknown {
        /// What was asked for.
        kind: Kind,
        /// The id that was asked for.
        id: String,
        /// The ids that there are, sorted.
        known: Vec<String>,
    },
    /// Two plugins of a kind have the same id; the later one is left out.
    #[error(
        "{kind} \"{id}\" exists twice: version {kept} is used, version {dropped} left out; remove one of them"
    )]
    Duplicate {
        /// What they are.
        kind: Kind,
        /// Their id.
        id: String,
        /// The version that is used.
        kept: String,
        /// The version that is left out.
        dropped: String,
    },
    /// A plugin did not say properly what it is, and is left out.
    #[error("a {kind} is left out: {why}; report it to its author")]
    Refused {
        /// What it is.
        kind: Kind,
        /// What is wrong with it.
        why: String,
    },
}

fn list(known: &[String]) -> String {
    if known.is_empty() { "(none are built in)".into() } else { known.join(", ") }
}
