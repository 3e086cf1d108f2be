use std::{fmt, path::PathBuf};

/// Source of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The default.
    Default,
    /// A line of the file, counted from 1.
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// An environment variable, by its full name.
    Env(String),
    /// A flag as typed (`--codec`), or the name of an argument.
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

/// Error in one of the sources. Each message is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Neither the environment nor the system names a home directory.
    #[error("cannot find the home directory, which has the configuration: set HOME")]
    NoHome,
    /// The file cannot be read, or somebody named a file that does not exist.
    #[error("cannot read the configuration {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's message.
        reason: String,
    },
    /// The file is not valid TOML.
    #[error("{origin}: not valid TOML: {reason}")]
    Syntax {
        /// The line at which parsing stopped.
        origin: Origin,
        /// The parser's message.
        reason: String,
    },
    /// The schema has no such key.
    #[error("{origin}: unknown key {key}; did you mean {nearest}?")]
    UnknownKey {
        /// The place of the key.
        origin: Origin,
        /// The key as written.
        key: String,
        /// The most similar key of the schema.
        nearest: String,
    },
    /// The key does not accept the value.
    #[error("{origin}: {key} = {value}: expected {allowed}")]
    BadValue {
        /// The place of the value.
        origin: Origin,
        /// The key.
        key: String,
        /// The value as one line of JSON, cut short if long.
        value: String,
        /// The values that the key accepts.
        allowed: String,
    },
    /// The value contradicts that of another key.
    #[error("{origin}: {key} = {value}: {rule}")]
    Conflict {
        /// The place of the value.
        origin: Origin,
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// The rule that the value breaks.
        rule: String,
    },
}
