use media_plugin_sdk::{PluginError, Result};
use serde::Deserialize;

use crate::params::{Application, KBIT, MAX_COMPLEXITY, Params};

/// The table `[codec.opus]` of the configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Options {
    /// Bitrate, in bit/s, of all channels together; rounded down to whole kbit/s. The limit decides if it is absent.
    bitrate: Option<u32>,
    /// Encoding effort, 0 to 10. Higher is slower and better.
    complexity: u8,
    /// Variable bitrate: passages that are hard to encode get more bits.
    vbr: bool,
    /// Signal to tune for.
    application: Application,
}

impl Default for Options {
    fn default() -> Self {
        Self { bitrate: None, complexity: 10, vbr: true, application: Application::Audio }
    }
}

impl Options {
    /// Parses the options, a JSON object or an empty text.
    ///
    /// # Errors
    /// `BadArgument` with the option and its allowed values.
    pub(crate) fn parse(json: &str) -> Result<Self> {
        if json.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(json)
            .map_err(|e| PluginError::BadArgument(format!("options of codec opus: {e}")))
    }

    /// Parameters for a channel count and a `limit` in bit/s.
    ///
    /// The bitrate is the option's, reduced to the limit. Without the option it is the limit; without both it is 96 kbit/s
    /// for mono and stereo, and 48 kbit/s a channel for more channels.
    ///
    /// # Errors
    /// `BadArgument` for an option out of range; `Unsupported` for a limit below 6 kbit/s.
    pub(crate) fn params(&self, channels: u16, limit: Option<u32>) -> Result<Params> {
        let limit = limit.map(|bitrate| bitrate / 1000);
        let default_kbit =
            || limit.map_or(48 * u32::from(channels).max(2), |kbit| kbit.clamp(*KBIT.start(), *KBIT.end()));
        let kbit_option = self.bitrate.map_or_else(default_kbit, |bitrate| bitrate / 1000);
        if !KBIT.contains(&kbit_option) {
            return Err(PluginError::BadArgument(format!(
                "options of codec opus: bitrate is {kbit_option} kbit/s, outside 6 to 510"
            )));
        }
        if self.complexity > MAX_COMPLEXITY {
            let complexity = self.complexity;
            return Err(PluginError::BadArgument(format!(
                "options of codec opus: complexity is {complexity}, outside 0 to 10"
            )));
        }
        let kbit = kbit_option.min(limit.unwrap_or(u32::MAX));
        if !KBIT.contains(&kbit) {
            return Err(PluginError::Unsupported(format!(
                "Opus needs at least 6 kbit/s and the limit is {kbit} kbit/s; raise the limit or choose another codec"
            )));
        }
        Ok(Params { kbit, complexity: self.complexity, vbr: self.vbr, application: self.application })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(json: &str, channels: u16, limit: Option<u32>) -> Result<String> {
        Ok(Options::parse(json)?.params(channels, limit)?.to_string())
    }

    #[test]
    fn options_become_parameters_and_those_come_back() {
        for (json, channels, limit, expected) in [
            ("", 2, None, "k96c10-join"),
            ("{}", 1, None, "k96c10-join"),
            ("", 6, None, "k288c10-join"),
            ("", 2, Some(64_000), "k64c10-join"),
            ("", 1, Some(256_000), "k256c10-join"),
            ("", 2, Some(u32::MAX), "k510c10-join"),
            (r#"{"bitrate": 96000}"#, 2, Some(256_000), "k96c10-join"),
            (r#"{"bitrate": 510000, "complexity": 0, "vbr": false}"#, 2, None, "k510c0-join-cbr"),
            (r#"{"bitrate": 24999, "application": "voip"}"#, 1, Some(32_000), "k24c10-join-voip"),
            (r#"{"vbr": false, "application": "voip"}"#, 2, Some(6_000), "k6c10-join-cbr-voip"),
        ] {
            let text = params(json, channels, limit).unwrap();
            assert_eq!(text, expected);
            assert_eq!(text.parse::<Params>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_option_is_named() {
        let unknown = params(r#"{"bitrat": 1}"#, 2, None).unwrap_err().to_string();
        for word in ["bitrat", "complexity", "vbr", "application"] {
            assert!(unknown.contains(word), "{unknown}");
        }
        assert!(matches!(params("", 2, Some(5_999)), Err(PluginError::Unsupported(_))));
        for json in
            [r#"{"bitrate": 5999}"#, r#"{"bitrate": 511000}"#, r#"{"complexity": 11}"#, "[", r#"{"vbr": 1}"#]
        {
            assert!(matches!(params(json, 2, None), Err(PluginError::BadArgument(_))), "{json}");
        }
    }
}
