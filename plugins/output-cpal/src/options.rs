use media_plugin_sdk::{PluginError, Result};
use serde::Deserialize;

/// `[output.cpal]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {
    /// The host to look for devices in; empty for the first that has one.
    pub(crate) host: String,
    /// The device when the target names none: written as a target.
    pub(crate) device: String,
    /// What the device's own buffer holds, in milliseconds: the time from a command to its being heard.
    pub(crate) buffer_ms: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { host: String::new(), device: String::new(), buffer_ms: 60 }
    }
}

/// Reads the options.
///
/// # Errors
/// `BadArgument` names the option and what is allowed.
pub(crate) fn parse(json: &str) -> Result<Options> {
    if json.is_empty() {
        return Ok(Options::default());
    }
    let options: Options = serde_json::from_str(json)
        .map_err(|error| PluginError::BadArgument(format!("options of output cpal: {error}")))?;
    if !(10..=2_000).contains(&options.buffer_ms) {
        return Err(PluginError::BadArgument(format!(
            "options of output cpal: buffer_ms is {}, not within 10 to 2000",
            options.buffer_ms
        )));
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_has_a_default_and_what_is_wrong_is_named() {
        assert_eq!(parse("").unwrap(), Options::default());
        assert_eq!(
            parse(r#"{"device": "x"}"#).unwrap(),
            Options { device: "x".into(), ..Options::default() }
        );
        for (json, word) in
            [(r#"{"buffer": 1}"#, "buffer_ms"), (r#"{"buffer_ms": 5}"#, "10 to 2000"), ("[", "cpal")]
        {
            let text = parse(json).unwrap_err().to_string();
            assert!(text.contains(word) && text.lines().count() == 1, "{text}");
        }
    }
}
