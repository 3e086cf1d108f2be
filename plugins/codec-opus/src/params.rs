use std::{fmt, str::FromStr};

use media_plugin_sdk::{PluginError, Result};
use serde::Deserialize;

/// The `[codec.opus]` table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Options {
    /// In bit/s, for all channels together; rounded down to whole kbit/s.
    bitrate: Option<u32>,
    /// 0 to 10.
    complexity: u8,
    /// Whether a hard passage may take more than a simple one.
    vbr: bool,
    application: Application,
}

impl Default for Options {
    fn default() -> Self {
        Self { bitrate: None, complexity: 10, vbr: true, application: Application::Audio }
    }
}

/// What libopus tunes itself for. It is told, and never left to guess: a fresh encoder takes up to 3 s to tell music from
/// speech, and up to 48 kbit/s it would begin each chunk of music in hybrid mode and end it in CELT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Application {
    /// Anything: CELT from about 10 kbit/s.
    Audio,
    /// Spoken word: SILK and hybrid modes up to about 48 kbit/s.
    Voip,
}

const KBIT: std::ops::RangeInclusive<u32> = 6..=510;
const MAX_COMPLEXITY: u8 = 10;

impl Options {
    pub(crate) fn parse(json: &str) -> Result<Self> {
        if json.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(json)
            .map_err(|e| PluginError::BadArgument(format!("the options of codec opus: {e}")))
    }

    /// What is encoded with, for so many channels and at most `limit` bit/s. Without an option it is what the limit
    /// allows; with neither it is 96 kbit/s for mono and stereo, and 48 for every channel of more.
    pub(crate) fn params(&self, channels: u16, limit: Option<u32>) -> Result<Params> {
        let limit = limit.map(|bitrate| bitrate / 1000);
        let by_itself =
            || limit.map_or(48 * u32::from(channels).max(2), |kbit| kbit.clamp(*KBIT.start(), *KBIT.end()));
        let wished = self.bitrate.map_or_else(by_itself, |bitrate| bitrate / 1000);
        if !KBIT.contains(&wished) {
            return Err(PluginError::BadArgument(format!(
                "the option bitrate of codec opus is {wished} kbit/s, outside 6 to 510"
            )));
        }
        if self.complexity > MAX_COMPLEXITY {
            let complexity = self.complexity;
            return Err(PluginError::BadArgument(format!(
                "the option complexity of codec opus is {complexity}, outside 0 to 10"
            )));
        }
        let kbit = wished.min(limit.unwrap_or(u32::MAX));
        if !KBIT.contains(&kbit) {
            return Err(PluginError::Unsupported(format!(
                "Opus takes 6 kbit/s at least, the limit is {kbit} kbit/s"
            )));
        }
        Ok(Params { kbit, complexity: self.complexity, vbr: self.vbr, application: self.application })
    }
}

/// All that changes the bytes. As text `k96c10`, then `-cbr` and `-voip` where they apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Params {
    kbit: u32,
    pub(crate) complexity: u8,
    pub(crate) vbr: bool,
    pub(crate) application: Application,
}

impl Params {
    pub(crate) fn bitrate(&self) -> u32 {
        self.kbit * 1000
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k{}c{}", self.kbit, self.complexity)?;
        if !self.vbr {
            f.write_str("-cbr")?;
        }
        f.write_str(match self.application {
            Application::Audio => "",
            Application::Voip => "-voip",
        })
    }
}

impl FromStr for Params {
    type Err = PluginError;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let mut words = text.split('-');
            let (kbit, complexity) = words.next()?.strip_prefix('k')?.split_once('c')?;
            let (kbit, complexity) = (kbit.parse().ok()?, complexity.parse().ok()?);
            let mut params = Self { kbit, complexity, vbr: true, application: Application::Audio };
            for word in words {
                match word {
                    "cbr" => params.vbr = false,
                    "voip" => params.application = Application::Voip,
                    _ => return None,
                }
            }
            // The canonical form alone: two names for the same bytes would be cached twice.
            let good = KBIT.contains(&params.kbit) && params.complexity <= MAX_COMPLEXITY;
            (good && params.to_string() == text).then_some(params)
        };
        parse().ok_or_else(|| {
            let text: String = text.chars().take(32).collect();
            PluginError::BadArgument(format!(
                "{text:?} are no parameters of codec opus; they look like k96c10"
            ))
        })
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
            ("", 2, None, "k96c10"),
            ("{}", 1, None, "k96c10"),
            ("", 6, None, "k288c10"),
            ("", 2, Some(64_000), "k64c10"),
            ("", 1, Some(256_000), "k256c10"),
            ("", 2, Some(u32::MAX), "k510c10"),
            (r#"{"bitrate": 96000}"#, 2, Some(256_000), "k96c10"),
            (r#"{"bitrate": 510000, "complexity": 0, "vbr": false}"#, 2, None, "k510c0-cbr"),
            (r#"{"bitrate": 24999, "application": "voip"}"#, 1, Some(32_000), "k24c10-voip"),
            (r#"{"vbr": false, "application": "voip"}"#, 2, Some(6_000), "k6c10-cbr-voip"),
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

    #[test]
    fn only_canonical_parameters_are_taken() {
        for text in
            ["", "k96", "96c10", "k096c10", "k96c11", "k5c10", "k96c10-cbr-cbr", "k96c10-audio", "k96c10-"]
        {
            assert!(text.parse::<Params>().is_err(), "{text}");
        }
    }
}
