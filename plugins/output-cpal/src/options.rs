use std::ops::RangeInclusive;

use media_plugin_sdk::{PluginError, Result};
use serde::Deserialize;

/// The table `[output.cpal]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {
    /// Host whose devices are used; all hosts if empty.
    pub(crate) host: String,
    /// Target that is used if `--output` and `output.use` name none.
    pub(crate) device: String,
    /// Length of the device's buffer, in milliseconds. A pause or a seek is heard after that time.
    pub(crate) buffer_ms: u32,
}

/// Allowed values of `buffer_ms`. Tested by `what_is_absent_has_a_default_and_what_is_wrong_is_named`.
const BUFFER_MS: RangeInclusive<u32> = 10..=2_000;

impl Default for Options {
    fn default() -> Self {
        Self { host: String::new(), device: String::new(), buffer_ms: 60 }
    }
}

/// Parses the options, a JSON object or an empty text.
///
/// # Errors
/// `BadArgument` with the option and its allowed values.
pub(crate) fn parse(json: &str) -> Result<Options> {
    if json.is_empty() {
        return Ok(Options::default());
    }
    let options: Options = serde_json::from_str(json)
        .map_err(|error| PluginError::BadArgument(format!("options of output cpal: {error}")))?;
    if !BUFFER_MS.contains(&options.buffer_ms) {
        return Err(PluginError::BadArgument(format!(
            "options of output cpal: buffer_ms is {}, outside 10 to 2000",
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
        assert_eq!(Options::default().buffer_ms, 60);
        assert_eq!(
            parse(r#"{"device": "x"}"#).unwrap(),
            Options { device: "x".into(), ..Options::default() }
        );
        for (json, word) in
            [(r#"{"buffer": 1}"#, "buffer_ms"), (r#"{"buffer_ms": 9}"#, "10 to 2000"), ("[", "cpal")]
        {
            let text = parse(json).unwrap_err().to_string();
            assert!(text.contains(word) && text.lines().count() == 1, "{text}");
        }
        for (buffer_ms, is_valid) in [(9, false), (10, true), (2_000, true), (2_001, false)] {
            assert_eq!(parse(&format!(r#"{{"buffer_ms": {buffer_ms}}}"#)).is_ok(), is_valid, "{buffer_ms}");
        }
    }
}
