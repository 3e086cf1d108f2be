use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

/// Kind of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Encodes frames into packets and decodes them.
    Codec,
    /// Takes the frames that are played: sound device, file, standard output, null.
    Output,
    /// Connects two nodes.
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

/// Place that a plugin comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PluginOrigin {
    /// Linked into the binary.
    BuiltIn,
    /// Loaded from the shared library at this path.
    Loaded(PathBuf),
}

impl fmt::Display for PluginOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.pad("built in"),
            Self::Loaded(path) => path.display().fmt(f),
        }
    }
}

/// One line of `plugins list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Kind of the plugin.
    pub kind: Kind,
    /// Id of the plugin, unique among its kind.
    pub id: String,
    /// Version of the plugin.
    pub version: String,
    /// Place that the plugin comes from.
    pub origin: PluginOrigin,
    /// One line that the plugin says about itself.
    pub description: String,
}
