use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use media_config::Flag;

/// Listen to your own music anywhere: serves audio files to your other devices, peer to peer and encrypted.
#[derive(Debug, Parser)]
#[command(name = "media-node", version, max_term_width = 100)]
pub(super) struct Arguments {
    /// The configuration file, instead of the platform's.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Sets any key of the configuration, as in --set buffer.target=5s.
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
    #[command(subcommand)]
    pub(super) command: CliCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum CliCommand {
    /// Serves a bundled track and plays it, in one process.
    Demo {
        #[command(flatten)]
        playing: PlayOptions,
    },
    /// Serves files and folders; prints a ticket; runs until Ctrl-C.
    Serve {
        /// Files and folders; none: library.paths of the configuration.
        paths: Vec<PathBuf>,
        /// Writes the ticket to a file as well.
        #[arg(long, value_name = "FILE")]
        ticket_file: Option<PathBuf>,
        /// Writes the node's figures as JSON, every 10 s and at the end.
        #[arg(long, value_name = "FILE")]
        stats: Option<String>,
        /// How to be reached, by id.
        #[arg(long, value_name = "NAME")]
        transport: Option<String>,
    },
    /// Lists a node's tracks.
    Ls {
        /// The ticket, or a file that holds it.
        ticket: String,
        /// Only tracks with these words in title, artist or album.
        words: Vec<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Plays a node's tracks.
    Play {
        /// The ticket, or a file that holds it.
        ticket: String,
        /// Numbers, ids or words of a title; none: all.
        tracks: Vec<String>,
        #[command(flatten)]
        playing: PlayOptions,
    },
    /// Lists the outputs and their devices.
    Devices {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Codecs, outputs and transports.
    #[command(subcommand)]
    Plugins(PluginsCommand),
    /// The effective configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// This node's ID52 and key file.
    Id,
}

#[derive(Debug, Subcommand)]
pub(super) enum PluginsCommand {
    /// Lists them: kind, id, version, where from.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Says what a library has, asked in a process of its own.
    Inspect {
        /// The library.
        file: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// How long it may take to be opened, in seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 10)]
        timeout: u64,
        /// In this process: for what this command starts itself.
        #[arg(long, hide = true)]
        here: bool,
    },
    /// Checks that a library keeps to the rules, each check in a process of its own.
    Check(CheckOptions),
}

#[derive(Debug, Args)]
pub(super) struct CheckOptions {
    /// The library.
    pub(super) file: PathBuf,
    /// Repeats what an earlier run did to packets.
    #[arg(long)]
    pub(super) seed: Option<u32>,
    /// What outputs open, instead of their default.
    #[arg(long, default_value = "")]
    pub(super) target: String,
    /// The options of the codec or output, a JSON object.
    #[arg(long, value_name = "JSON", default_value = "")]
    pub(super) options: String,
    /// How long one check may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(super) timeout: u64,
    /// As JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// One check, in this process: for what this command starts itself.
    #[arg(long, hide = true, value_name = "NAME")]
    pub(super) only: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Shows every key, its value and where the value comes from.
    Show {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Checks the file, the environment and the flags.
    Check,
    /// Prints the file's path.
    Path,
}

/// How to play.
#[derive(Debug, Args)]
pub(super) struct PlayOptions {
    /// auto, lossless, data-saver, or a codec and perhaps its kbit/s: pcm, opus, opus:64.
    #[arg(long, value_name = "CODEC[:KBIT]")]
    pub(super) codec: Option<String>,
    /// Where the sound goes: auto, cpal, cpal:DEVICE, file:PATH, stdout, null, null:fast.
    #[arg(long, value_name = "NAME[:TARGET]")]
    pub(super) output: Option<String>,
    /// Where to begin in the first track: 90, 1:30, 1:02:03, 2.5.
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = start)]
    pub(super) start: f64,
    /// Writes figures of the playing as JSON.
    #[arg(long, value_name = "FILE")]
    pub(super) stats: Option<String>,
    /// How to reach the node, by id; the ticket's own by default.
    #[arg(long, value_name = "NAME")]
    pub(super) transport: Option<String>,
}

impl PlayOptions {
    /// What these flags set in the configuration.
    pub(super) fn flags(&self) -> Vec<Flag> {
        let mut flags = Vec::new();
        if let Some(codec) = &self.codec {
            let (id, bitrate) =
                codec.split_once(':').map_or((codec.as_str(), None), |(id, kbit)| (id, Some(kbit)));
            flags.push(Flag::new("--codec", "codec.prefer", id));
            flags.extend(bitrate.map(|kbit| Flag::new("--codec", "codec.bitrate", &format!("{kbit}kbit"))));
        }
        let texts = [
            ("--output", "output.use", &self.output),
            ("--stats", "stats.file", &self.stats),
            ("--transport", "transport.use", &self.transport),
        ];
        for (flag, key, text) in texts {
            flags.extend(text.as_ref().map(|text| Flag::new(flag, key, text)));
        }
        flags
    }
}

/// Seconds of `90`, `1:30`, `1:02:03`, `2.5`.
fn start(text: &str) -> Result<f64, String> {
    let wrong = || format!("{text:?} is no time; write seconds, M:SS or H:MM:SS");
    let parts: Vec<_> = text.split(':').collect();
    let (last, whole) = parts.split_last().ok_or_else(wrong)?;
    if whole.len() > 2 {
        return Err(wrong());
    }
    let seconds: f64 = last.parse().map_err(|_| wrong())?;
    if !(0.0..1e9).contains(&seconds) || (!whole.is_empty() && seconds >= 60.0) {
        return Err(wrong());
    }
    let minutes = whole.iter().try_fold(0_u32, |sum, part| {
        let part = part.parse::<u32>().ok().filter(|it| *it < 6000)?;
        sum.checked_mul(60)?.checked_add(part)
    });
    Ok(f64::from(minutes.ok_or_else(wrong)?) * 60.0 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_takes_clock_times() {
        for (text, seconds) in
            [("0", 0.0), ("90", 90.0), ("1:30", 90.0), ("1:02:03", 3723.0), ("2.5", 2.5), ("0:01.25", 1.25)]
        {
            assert_eq!(start(text), Ok(seconds), "{text}");
        }
        for text in ["", "x", "-1", "1:60", "1:2:3:4", "1:", "nan", "inf", "99999:00", "1:-1"] {
            assert!(start(text).is_err(), "{text}");
        }
    }

    #[test]
    fn arguments_are_sound() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
