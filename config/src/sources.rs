use std::{
    env,
    path::{Path, PathBuf},
};

use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};
use serde_json::Value;

use crate::{ConfigError, setting::Given};

const DIRECTORY: &str = "media-node";
const FILE: &str = "config.toml";

/// Everything that a configuration is made from. Nothing else is looked at, so a test needs no environment of its own.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The file.
    pub file: PathBuf,
    /// Whether somebody named the file: then it must be there.
    pub file_is_named: bool,
    /// Where the node keeps its key by default.
    pub data_dir: PathBuf,
    /// Where the node keeps by default what it can find out again.
    pub cache_dir: PathBuf,
    /// The environment, by name and value. Names that do not start with `MEDIA_NODE_` are passed over.
    pub env: Vec<(String, String)>,
    /// What the command line says; of two for the same key the later holds.
    pub flags: Vec<Flag>,
}

impl Sources {
    /// No environment, no flags, and a file that may be missing. The cache is below the data.
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

    /// The process's environment and the platform's places. The file is `named` (by `--config`), else the one of
    /// `MEDIA_NODE_CONFIG`, else `media-node/config.toml` where the platform keeps configurations.
    ///
    /// Bytes in the environment that are no UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// `NoHome`.
    pub fn from_process(named: Option<&Path>) -> Result<Self, ConfigError> {
        let platform = choose_native_strategy().map_err(|_| ConfigError::NoHome)?;
        // The Preferences folder of macOS is for property lists.
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

/// One word of the command line that sets a key.
#[derive(Debug, Clone)]
pub struct Flag {
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) given: Given,
}

impl Flag {
    /// `name` (`--codec`) sets `key` to what `text` means for it: `3s`, `true`, `a,b`.
    #[must_use]
    pub fn new(name: &str, key: &str, text: &str) -> Self {
        Self { name: name.into(), key: key.into(), given: Given::Text(text.into()) }
    }

    /// `name` (`PATH…`) sets `key` to a list, whose items may have commas in them.
    #[must_use]
    pub fn list<'a>(name: &str, key: &str, items: impl IntoIterator<Item = &'a str>) -> Self {
        let items = items.into_iter().map(Value::from).collect();
        Self { name: name.into(), key: key.into(), given: Given::Json(items) }
    }
}
