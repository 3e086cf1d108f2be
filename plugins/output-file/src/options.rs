use media_plugin_sdk::{PluginError, Result, SampleType};
use serde::{Deserialize, de::DeserializeOwned};

/// How samples are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stored {
    S16,
    S24,
    F32,
}

impl Stored {
    /// The type that holds what frames of `sample` hold. 32-bit integers have been through `f32`, which keeps more of
    /// them than 24-bit integers would.
    pub(crate) fn matching(sample: SampleType) -> Self {
        match sample {
            SampleType::S16 => Self::S16,
            SampleType::S24 => Self::S24,
            SampleType::S32 | SampleType::F32 => Self::F32,
        }
    }
}

/// `[output.file]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FileOptions {
    /// How samples are stored; matches the source when absent.
    pub(crate) format: Option<Stored>,
    /// Whether an existing file may be replaced. Off unless asked for: the price of a refusal is one more command, that
    /// of a typo is a recording.
    pub(crate) overwrite: bool,
}

/// `[output.stdout]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StdoutOptions {
    /// How samples are written; matches the source when absent.
    pub(crate) format: Option<Stored>,
}

/// Reads the options of the output `id`.
///
/// # Errors
/// `BadArgument` names the option and what is allowed.
pub(crate) fn parse<T: Default + DeserializeOwned>(id: &str, json: &str) -> Result<T> {
    if json.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_str(json)
        .map_err(|error| PluginError::BadArgument(format!("options of output {id}: {error}")))
}
