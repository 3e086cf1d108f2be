use std::{fmt, ops::RangeInclusive, str::FromStr};

use media_plugin_sdk::{PluginError, Result};
use serde::Deserialize;

/// Signal that libopus is tuned for. The encoder gets it instead of detecting it: a new encoder needs up to 3 s to tell
/// music from speech, so at up to 48 kbit/s it would begin each chunk of music in hybrid mode and end it in CELT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Application {
    /// Music and everything else: CELT from about 10 kbit/s.
    Audio,
    /// Speech: SILK and hybrid modes up to about 48 kbit/s.
    Voip,
}

/// Bitrates that libopus accepts, in kbit/s (RFC 6716, section 2.1.1).
pub(crate) const KBIT: RangeInclusive<u32> = 6..=510;
/// Highest complexity of libopus.
pub(crate) const MAX_COMPLEXITY: u8 = 10;

/// Word for the joinable scheme of chunks, which every rendition has. It is part of the text because it changes the bytes:
/// `k96c10` named the chunks of an earlier scheme, which are refused.
const JOINABLE: &str = "-join";

/// Parameters that determine the packets' bytes. As text: `k96c10-join`, with `-cbr` and `-voip` appended if they apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Params {
    /// Bitrate, in kbit/s, of all channels together.
    pub(crate) kbit: u32,
    pub(crate) complexity: u8,
    pub(crate) vbr: bool,
    pub(crate) application: Application,
}

impl Params {
    /// Bitrate, in bit/s.
    pub(crate) fn bitrate(&self) -> u32 {
        self.kbit * 1000
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k{}c{}{JOINABLE}", self.kbit, self.complexity)?;
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
                    "join" => {}
                    "cbr" => params.vbr = false,
                    "voip" => params.application = Application::Voip,
                    _ => return None,
                }
            }
            // Only the canonical form: chunks with two names would be cached twice.
            let is_valid = KBIT.contains(&params.kbit) && params.complexity <= MAX_COMPLEXITY;
            (is_valid && params.to_string() == text).then_some(params)
        };
        parse().ok_or_else(|| {
            let text: String = text.chars().take(32).collect();
            PluginError::BadArgument(format!(
                "codec opus has no parameters {text:?}; an example is k96c10-join"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_parameters_are_taken() {
        for text in [
            "",
            "k96",
            "96c10",
            "k096c10-join",
            "k96c11-join",
            "k5c10-join",
            "k96c10",
            "k96c10-cbr-join",
            "k96c10-join-cbr-cbr",
            "k96c10-join-audio",
            "k96c10-join-",
        ] {
            assert!(text.parse::<Params>().is_err(), "{text}");
        }
    }
}
