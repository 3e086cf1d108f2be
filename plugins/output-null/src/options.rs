use media_plugin_sdk::{PluginError, Result};
use serde::Deserialize;

/// The table `[output.null]` of the configuration, which has no options.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {}

/// Checks the options.
///
/// # Errors
/// `BadArgument` with the name of an option that does not exist.
pub(crate) fn check(json: &str) -> Result<()> {
    if json.is_empty() {
        return Ok(());
    }
    serde_json::from_str(json)
        .map(|Options {}| ())
        .map_err(|error| PluginError::BadArgument(format!("options of output null: {error}")))
}
