use std::{fmt, path::PathBuf};

use crate::listing::{Kind, PluginOrigin};

/// Reason for which the registry has no such plugin, or skipped one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// No plugin of this kind has the requested id.
    #[error("there is no {kind} \"{id}\"; choose one of: {}", list(known))]
    Unknown {
        /// Kind of the requested plugin.
        kind: Kind,
        /// Requested id.
        id: String,
        /// Ids that exist, sorted.
        known: Vec<String>,
    },
    /// Two plugins of one kind have the same id; the registry skipped the later one.
    #[error(
        "{kind} \"{id}\" exists twice: using {kept}, ignoring {dropped}; remove one, or choose one with plugins.prefer"
    )]
    Duplicate {
        /// Kind of both.
        kind: Kind,
        /// Id of both.
        id: String,
        /// The one that the registry uses.
        kept: PluginCopy,
        /// The one that the registry skipped.
        dropped: PluginCopy,
    },
    /// The registry skipped a plugin that has a malformed id or panicked when it was made.
    #[error("skipped a {kind} plugin: {why}; report this to its author")]
    Refused {
        /// Kind of the plugin.
        kind: Kind,
        /// The fault, in one line.
        why: String,
    },
    /// The loader skipped a shared library, or a folder of the search path.
    #[error("plugin library {} was not loaded: {why}", path.display())]
    Library {
        /// The file or folder.
        path: PathBuf,
        /// The fault, in one line.
        why: String,
    },
    /// `plugins.prefer` names a provider that does not have the plugin.
    #[error(
        "plugins.prefer takes {id} from {provider}, which does not provide it; `plugins list` shows the providers"
    )]
    NotProvided {
        /// Id of the codec or output.
        id: String,
        /// Provider that `plugins.prefer` names.
        provider: String,
    },
}

/// One of several plugins that have the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginCopy {
    /// Version of this copy.
    pub version: String,
    /// Place that this copy comes from.
    pub origin: PluginOrigin,
}

impl fmt::Display for PluginCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.version, self.origin)
    }
}

fn list(known: &[String]) -> String {
    if known.is_empty() { "(none are built in)".into() } else { known.join(", ") }
}
