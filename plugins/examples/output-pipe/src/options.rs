use media_plugin_sdk::{AudioFormat, Open, PluginError, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::samples::Stored;

/// `[output.pipe]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// The program and its arguments: a list, or one text.
    command: Value,
    /// How samples are written; raw and as deep as the source when absent.
    format: Option<Written>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Written {
    S16le,
    S24le,
    F32le,
    Wav,
}

/// What to run, and what to write to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) format: AudioFormat,
    pub(crate) stored: Stored,
    /// Whether the header of a WAV file comes first.
    pub(crate) wav: bool,
}

/// # Errors
/// `BadArgument` for options that do not exist, and where there is no command.
pub(crate) fn plan(open: &Open<'_>) -> Result<Plan> {
    let options: Options = match open.options {
        "" => Options::default(),
        json => serde_json::from_str(json)
            .map_err(|error| PluginError::BadArgument(format!("options of output pipe: {error}")))?,
    };
    let words = if open.target.is_empty() { words(&options.command)? } else { parted(open.target) };
    let Some((program, arguments)) = words.split_first().filter(|(program, _)| !program.is_empty()) else {
        return Err(PluginError::BadArgument(
            "output pipe has no command: set command = [\"aplay\", \"-\"] in [output.pipe], or write \"pipe:aplay -\""
                .into(),
        ));
    };
    let format = open.format;
    let stored = match options.format {
        None | Some(Written::Wav) => Stored::matching(open.sample),
        Some(Written::S16le) => Stored::S16,
        Some(Written::S24le) => Stored::S24,
        Some(Written::F32le) => Stored::F32,
    };
    let wav = options.format == Some(Written::Wav);
    let name = if wav { "wav" } else { stored.name() };
    let arguments = arguments.iter().map(|it| filled(it, format, name)).collect();
    Ok(Plan { program: program.clone(), arguments, format, stored, wav })
}

/// The words of a command in the configuration; none when there is none.
fn words(command: &Value) -> Result<Vec<String>> {
    let list = match command {
        Value::Null => return Ok(Vec::new()),
        Value::String(text) => return Ok(parted(text)),
        Value::Array(list) => list.iter().map(|it| it.as_str().map(String::from)).collect(),
        _ => None,
    };
    list.ok_or_else(|| {
        PluginError::BadArgument(format!(
            "options of output pipe: `command` is a list of words, or one text, not {command}"
        ))
    })
}

fn parted(text: &str) -> Vec<String> {
    text.split_whitespace().map(String::from).collect()
}

/// An argument with its places filled. What is put there is digits, or a name of ours.
fn filled(argument: &str, format: AudioFormat, name: &str) -> String {
    argument
        .replace("{rate}", &format.rate.to_string())
        .replace("{channels}", &format.channels.to_string())
        .replace("{format}", name)
}

#[cfg(test)]
mod tests {
    use media_plugin_sdk::SampleType;

    use super::*;

    fn open<'a>(target: &'a str, options: &'a str) -> Open<'a> {
        let format = AudioFormat { rate: 44_100, channels: 2 };
        Open { target, format, sample: SampleType::S24, options }
    }

    #[test]
    fn arguments_are_told_the_format_and_nothing_is_parsed_in_them() {
        let options = r#"{"command": ["sh", "-c", "a  b; {rate}x{channels} {title} {format}", ""]}"#;
        let plan = plan(&open("", options)).unwrap();
        assert_eq!(plan.program, "sh");
        assert_eq!(plan.arguments, ["-c", "a  b; 44100x2 {title} s24le", ""]);
        assert_eq!((plan.stored, plan.wav), (Stored::S24, false));
    }

    #[test]
    fn a_target_is_a_command_in_place_of_the_configured_one() {
        let text = plan(&open("", r#"{"command": " aplay  - "}"#)).unwrap();
        assert_eq!((text.program.as_str(), text.arguments), ("aplay", vec!["-".to_owned()]));
        let plan =
            plan(&open("ffmpeg -f  {format} -", r#"{"command": ["aplay"], "format": "wav"}"#)).unwrap();
        assert_eq!((plan.program.as_str(), plan.arguments.join(" ").as_str()), ("ffmpeg", "-f wav -"));
        assert!(plan.wav);
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
            let error = plan(&open(target, options)).unwrap_err();
            assert!(matches!(&error, PluginError::BadArgument(text) if text.contains(word)), "{error}");
        }
    }

    /// The format is what a peer can choose.
    #[test]
    fn a_format_fills_a_place_with_digits_only() {
        for (rate, channels) in [(1, 1), (u32::MAX, u16::MAX)] {
            for sample in [SampleType::S16, SampleType::S24, SampleType::S32, SampleType::F32] {
                let open = Open {
                    format: AudioFormat { rate, channels },
                    sample,
                    ..open("a {rate}{channels} {format}", "")
                };
                let plan = plan(&open).unwrap();
                assert!(plan.arguments[0].bytes().all(|it| it.is_ascii_digit()), "{plan:?}");
                assert!(["s16le", "s24le", "f32le"].contains(&plan.arguments[1].as_str()), "{plan:?}");
            }
        }
    }
}
