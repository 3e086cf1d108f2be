use std::{fmt, path::PathBuf};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of the file, counted from 1.
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// An environment variable, by its whole name.
    Env(String),
    /// A flag as it was typed (`--codec`), or the name of an argument.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// Why there is no configuration. Each message is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Neither the environment nor the system names a home directory.
    #[error("cannot find the home directory, where the configuration is kept: set HOME")]
    NoHome,
    /// The file is there and cannot be read, or was named and is not there.
    #[error("cannot read the configuration {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word on it.
        reason: String,
    },
    /// The file is not TOML.
    #[error("{origin}: not TOML: {reason}")]
    Syntax {
        /// Where parsing stopped.
        origin: Origin,
        /// What was expected there.
        reason: String,
    },
    /// No such key.
    #[error("{origin}: unknown key {key}; the nearest known is {nearest}")]
    UnknownKey {
        /// Where it stands.
        origin: Origin,
        /// The key as written.
        key: String,
        /// The known key that looks most like it.
        nearest: String,
    },
    /// The key is known, the value is not one of its values.
    #[error("{origin}: {key} = {value}: expected {allowed}")]
    BadValue {
        /// Where it stands.
        origin: Origin,
        /// The key.
        key: String,
        /// The value as one line of JSON, cut short if long.
        value: String,
        /// What the key takes.
        allowed: String,
    },
    /// The value is good by itself and does not go with another.
    #[error("{origin}: {key} = {value}: {rule}")]
    Conflict {
        /// Where the value stands.
        origin: Origin,
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// What it must keep to.
        rule: String,
    },
}
