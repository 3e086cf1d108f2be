use media_plugin_sdk::{PluginError, Result};
use serde_json::{Map, Value};

/// Checks `[codec.pcm]`, which has no options.
///
/// # Errors
/// `BadArgument` with the name of an option that does not exist.
pub(crate) fn check(json: &str) -> Result<()> {
    if json.is_empty() {
        return Ok(());
    }
    let options: Map<String, Value> = serde_json::from_str(json)
        .map_err(|e| PluginError::BadArgument(format!("options of codec pcm: not a JSON object: {e}")))?;
    match options.keys().next() {
        None => Ok(()),
        Some(key) => {
            Err(PluginError::BadArgument(format!("codec pcm has no option \"{key}\", nor any other")))
        }
    }
}
