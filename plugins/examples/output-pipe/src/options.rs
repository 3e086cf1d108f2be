use media_plugin_sdk::{AudioFormat, OpenRequest, PluginError, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::samples::SampleFormat;

/// The table `[output.pipe]` of the configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// Program and arguments: a list, or one text.
    command: Value,
    /// Format of the written audio; raw samples in the source's format if absent.
    format: Option<StreamFormat>,
}

/// Names of the option `format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StreamFormat {
    S16le,
    S24le,
    F32le,
    Wav,
}

/// Command to run, and the format of its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PipeOptions {
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) format: AudioFormat,
    pub(crate) sample: SampleFormat,
    /// True if the input begins with a WAV header.
    pub(crate) wav: bool,
}

/// Parses target and options.
///
/// # Errors
/// `BadArgument` for an unknown option, or if neither names a command.
pub(crate) fn parse(open: &OpenRequest<'_>) -> Result<PipeOptions> {
    let options: Options = match open.options {
        "" => Options::default(),
        json => serde_json::from_str(json)
            .map_err(|error| PluginError::BadArgument(format!("options of output pipe: {error}")))?,
    };
    let words = if open.target.is_empty() { command_words(&options.command)? } else { split(open.target) };
    let Some((program, arguments)) = words.split_first().filter(|(program, _)| !program.is_empty()) else {
        return Err(PluginError::BadArgument(
            "output pipe has no command: set command = [\"aplay\", \"-\"] in [output.pipe], or use \"pipe:aplay -\""
                .into(),
        ));
    };
    let format = open.format;
    let sample = match options.format {
        None | Some(StreamFormat::Wav) => SampleFormat::matching(open.sample),
        Some(StreamFormat::S16le) => SampleFormat::S16,
        Some(StreamFormat::S24le) => SampleFormat::S24,
        Some(StreamFormat::F32le) => SampleFormat::F32,
    };
    let wav = options.format == Some(StreamFormat::Wav);
    let name = if wav { "wav" } else { sample.name() };
    let arguments = arguments.iter().map(|argument| fill_in(argument, format, name)).collect();
    Ok(PipeOptions { program: program.clone(), arguments, format, sample, wav })
}

/// Words of the configured command; empty if there is none.
fn command_words(command: &Value) -> Result<Vec<String>> {
    let list = match command {
        Value::Null => return Ok(Vec::new()),
        Value::String(text) => return Ok(split(text)),
        Value::Array(list) => list.iter().map(|word| word.as_str().map(String::from)).collect(),
        _ => None,
    };
    list.ok_or_else(|| {
        PluginError::BadArgument(format!(
            "options of output pipe: `command` must be a list of words or one text, not {command}"
        ))
    })
}

fn split(text: &str) -> Vec<String> {
    text.split_whitespace().map(String::from).collect()
}

/// Replaces the placeholders of an argument. The values are digits or one of four format names, never text from a peer. Tested
/// by `a_format_fills_a_place_with_digits_only`.
fn fill_in(argument: &str, format: AudioFormat, name: &str) -> String {
    argument
        .replace("{rate}", &format.rate.to_string())
        .replace("{channels}", &format.channels.to_string())
        .replace("{format}", name)
}

#[cfg(test)]
mod tests {
    use media_plugin_sdk::SampleType;

    use super::*;

    fn open<'a>(target: &'a str, options: &'a str) -> OpenRequest<'a> {
        let format = AudioFormat { rate: 44_100, channels: 2 };
        OpenRequest { target, format, sample: SampleType::S24, options }
    }

    #[test]
    fn arguments_are_told_the_format_and_nothing_is_parsed_in_them() {
        let json = r#"{"command": ["sh", "-c", "a  b; {rate}x{channels} {title} {format}", ""]}"#;
        let options = parse(&open("", json)).unwrap();
        assert_eq!(options.program, "sh");
        assert_eq!(options.arguments, ["-c", "a  b; 44100x2 {title} s24le", ""]);
        assert_eq!((options.sample, options.wav), (SampleFormat::S24, false));
    }

    #[test]
    fn a_target_is_a_command_in_place_of_the_configured_one() {
        let text = parse(&open("", r#"{"command": " aplay  - "}"#)).unwrap();
        assert_eq!((text.program.as_str(), text.arguments), ("aplay", vec!["-".to_owned()]));
        let options =
            parse(&open("ffmpeg -f  {format} -", r#"{"command": ["aplay"], "format": "wav"}"#)).unwrap();
        assert_eq!((options.program.as_str(), options.arguments.join(" ").as_str()), ("ffmpeg", "-f wav -"));
        assert!(options.wav);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (target, options, word) in [
            ("", "", "command = ["),
            ("", "{}", "command = ["),
            (" ", r#"{"command": ["cat"]}"#, "command = ["),
            ("", r#"{"command": [""]}"#, "command = ["),
            ("", r#"{"command": 7}"#, "`command`"),
            ("", r#"{"command": ["cat", 7]}"#, "`command`"),
            ("", r#"{"comand": ["cat"]}"#, "comand"),
            ("cat", r#"{"format": "mp3"}"#, "mp3"),
            ("cat", r#"{"shell": true}"#, "shell"),
        ] {
            let error = parse(&open(target, options)).unwrap_err();
            assert!(matches!(&error, PluginError::BadArgument(text) if text.contains(word)), "{error}");
        }
    }

    /// A peer can choose the format.
    #[test]
    fn a_format_fills_a_place_with_digits_only() {
        for (rate, channels) in [(1, 1), (u32::MAX, u16::MAX)] {
            for sample in [SampleType::S16, SampleType::S24, SampleType::S32, SampleType::F32] {
                let open = OpenRequest {
                    format: AudioFormat { rate, channels },
                    sample,
                    ..open("a {rate}{channels} {format}", "")
                };
                let options = parse(&open).unwrap();
                assert!(options.arguments[0].bytes().all(|it| it.is_ascii_digit()), "{options:?}");
                assert!(["s16le", "s24le", "f32le"].contains(&options.arguments[1].as_str()), "{options:?}");
            }
        }
    }
}
