use std::{
    env,
    path::{Path, PathBuf},
};

use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};
use serde_json::Value;

use crate::{error::ConfigError, setting::Given};

const DIRECTORY: &str = "media-node";
const FILE: &str = "config.toml";

/// The sources of a configuration. Loading reads nothing else, so a test can supply all of them.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The file.
    pub file: PathBuf,
    /// True if somebody named the file, so that it must exist.
    pub file_is_named: bool,
    /// Folder for the node's key, by default.
    pub data_dir: PathBuf,
    /// Folder for data that the node can restore, by default.
    pub cache_dir: PathBuf,
    /// Environment variables, name and value. Loading ignores names that do not start with `MEDIA_NODE_`.
    pub env: Vec<(String, String)>,
    /// Flags of the command line. The last one for a key wins.
    pub flags: Vec<Flag>,
}

impl Sources {
    /// Returns sources with an optional file, and without variables or flags. The cache folder is below the
    /// data folder.
    #[must_use]
    pub fn bare(file: impl Into<PathBuf>, data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        Self {
            file: file.into(),
            file_is_named: false,
            cache_dir: data_dir.join("cache"),
            data_dir,
            env: Vec::new(),
            flags: Vec::new(),
        }
    }

    /// Returns the environment of this process and the platform's folders.
    ///
    /// The file is `named` (from `--config`), or else the one in `MEDIA_NODE_CONFIG`, or else
    /// `media-node/config.toml` in the platform's folder for configurations. Variables that are not UTF-8 get
    /// U+FFFD for the invalid bytes.
    ///
    /// # Errors
    /// [`ConfigError::NoHome`].
    pub fn from_process(named: Option<&Path>) -> Result<Self, ConfigError> {
        let platform = choose_native_strategy().map_err(|_| ConfigError::NoHome)?;
        // The configuration folder of macOS, Preferences, is for property lists.
        let config_dir = if cfg!(target_os = "macos") { platform.data_dir() } else { platform.config_dir() };
        let from_env = env::var_os("MEDIA_NODE_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
        let named = named.map(Path::to_path_buf).or(from_env);
        let lossy = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
        };
        Ok(Self {
            file_is_named: named.is_some(),
            file: named.unwrap_or_else(|| config_dir.join(DIRECTORY).join(FILE)),
            data_dir: platform.data_dir().join(DIRECTORY),
            cache_dir: platform.cache_dir().join(DIRECTORY),
            env: env::vars_os().map(lossy).collect(),
            flags: Vec::new(),
        })
    }
}

/// A flag or argument of the command line that sets a key.
#[derive(Debug, Clone)]
pub struct Flag {
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) given: Given,
}

impl Flag {
    /// Returns the flag `name` (`--codec`) that sets `key` from text: `3s`, `true`, `a,b`.
    #[must_use]
    pub fn new(name: &str, key: &str, text: &str) -> Self {
        Self { name: name.into(), key: key.into(), given: Given::Text(text.into()) }
    }

    /// Returns the argument `name` (`PATH…`) that sets `key` to a list. Its items can contain commas.
    #[must_use]
    pub fn list<'a>(name: &str, key: &str, items: impl IntoIterator<Item = &'a str>) -> Self {
        let items = items.into_iter().map(Value::from).collect();
        Self { name: name.into(), key: key.into(), given: Given::Json(items) }
    }
}
