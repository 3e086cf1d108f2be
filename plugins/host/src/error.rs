use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::Origin;

/// What a plugin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
        "{kind} \"{id}\" exists twice: {kept} is used, {dropped} left out; remove one, or name one in plugins.prefer"
    )]
    Duplicate {
        /// What they are.
        kind: Kind,
        /// Their id.
        id: String,
        /// The one that is used.
        kept: Provider,
        /// The one that is left out.
        dropped: Provider,
    },
    /// A plugin did not say properly what it is, and is left out.
    #[error("a {kind} is left out: {why}; report it to its author")]
    Refused {
        /// What it is.
        kind: Kind,
        /// What is wrong with it.
        why: String,
    },
    /// A library, or a place where libraries are looked for, is left out.
    #[error("the plugin {} is left out: {why}", path.display())]
    Library {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The configuration pins a plugin that there is not.
    #[error("plugins.prefer wants {id} from {provider}, which does not provide it; see plugins list")]
    NotProvided {
        /// The id of the codec or output.
        id: String,
        /// The provider that was named.
        provider: String,
    },
}

/// Who provides a plugin: which version, from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The version.
    pub version: String,
    /// Where it comes from.
    pub origin: Origin,
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.version, self.origin)
    }
}

fn list(known: &[String]) -> String {
    if known.is_empty() { "(none are built in)".into() } else { known.join(", ") }
}
