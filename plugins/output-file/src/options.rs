use media_plugin_sdk::{PluginError, Result};
use serde::{Deserialize, de::DeserializeOwned};

use crate::samples::SampleFormat;

/// The table `[output.file]` of the configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FileOptions {
    /// Format of the stored samples; the source's if absent.
    pub(crate) format: Option<SampleFormat>,
    /// Replace an existing file. Off by default, because a mistyped name could cost a recording.
    pub(crate) overwrite: bool,
}

/// The table `[output.stdout]` of the configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StdoutOptions {
    /// Format of the written samples; the source's if absent.
    pub(crate) format: Option<SampleFormat>,
}

/// Parses the options of the output `id`, a JSON object or an empty text.
///
/// # Errors
/// `BadArgument` with the option and its allowed values.
pub(crate) fn parse<T: Default + DeserializeOwned>(id: &str, json: &str) -> Result<T> {
    if json.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_str(json)
        .map_err(|error| PluginError::BadArgument(format!("options of output {id}: {error}")))
}
