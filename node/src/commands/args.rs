//! The command line: commands, arguments and flags.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::ArgValueCandidates;
use media_config::{Bitrate, Flag, Size};

use super::completion::{codecs, keys, nodes, outputs, transports};
use crate::{
    access::{Quota, QuotaPeriod},
    control::Repeat,
    ui::parse_clock_time,
};

/// Listen to your own music anywhere: serves your audio files to your other devices and plays them there, peer to peer
/// and encrypted.
#[derive(Debug, Parser)]
#[command(name = "media-node", version = VERSION, max_term_width = 100, after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Configuration file to read in place of the default one.
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) config: Option<PathBuf>,
    /// Sets a configuration key for this run, as in --set buffer.target=5s. May be repeated.
    #[arg(long, global = true, value_name = "KEY=VALUE", add = ArgValueCandidates::new(keys))]
    pub(super) set: Vec<String>,
    #[command(subcommand)]
    pub(super) command: CliCommand,
}

/// The version. The scripts that build packages add the commit and its date.
pub(super) const VERSION: &str = match option_env!("MEDIA_NODE_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

const EXAMPLES: &str = "\
Examples:
  media-node demo                              play a bundled track
  media-node serve ~/Music                     serve a folder and print its ticket
  media-node add - as home                     store a ticket, pasted on standard input, as `home`
  media-node ls home                           list the albums of that node
  media-node ls home miles davis               list the albums of an artist
  media-node play home 'kind of blue'          play an album, an artist or a track by its name
  media-node play home 3 --codec opus:64       play line 3 of the list as Opus at 64 kbit/s
  media-node ticket new --for phone --expires 30d --folder Jazz
                                               make a ticket for one folder and a month";

#[derive(Debug, Subcommand)]
pub(super) enum CliCommand {
    /// Serve a bundled track and play it, in one process.
    Demo {
        #[command(flatten)]
        options: PlayOptions,
    },
    /// Serve files and folders until Ctrl-C, and print the ticket that lets other devices in.
    Serve {
        /// Files and folders to serve. Default: library.paths of the configuration.
        #[arg(value_hint = ValueHint::AnyPath)]
        paths: Vec<PathBuf>,
        /// File to write the ticket to, readable by you only.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        ticket_file: Option<PathBuf>,
        /// File to write statistics to as JSON, at the interval `server.stats_interval` (10 s by default) and at the end.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        stats: Option<String>,
        /// Ids of the transports to listen on, separated by commas (see `plugins list`). Default: transport.use.
        #[arg(long, value_name = "ID[,ID...]", add = ArgValueCandidates::new(transports))]
        transport: Option<String>,
    },
    /// Show the running node and its peers.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let the running node read its configuration again: library, access and log.level.
    Reload,
    /// Store the ticket of a node under a name, to use in place of the ticket.
    Add {
        /// Ticket of the node, a file that contains it, or - to read it from standard input.
        ticket: String,
        /// `as` and the name. Default: a name made from the node's identity.
        #[arg(value_name = "as NAME", num_args = 0..=2)]
        name: Vec<String>,
    },
    /// List the nodes that have a name, and others on the local network.
    Nodes {
        /// List the devices that ask the running node for access instead.
        #[arg(long)]
        asking: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Ask a node on the local network for access.
    Ask {
        /// Its name or id, as `media-node nodes` lists it.
        node: String,
        /// `as` and the name to store it under. Default: its own name.
        #[arg(value_name = "as NAME", num_args = 0..=2)]
        name: Vec<String>,
    },
    /// Give a node another name.
    Rename {
        /// Name of the node, or the beginning of it.
        #[arg(add = ArgValueCandidates::new(nodes))]
        name: String,
        /// New name of the node.
        new: String,
    },
    /// Remove a node's name and ticket from this machine.
    Forget {
        /// Whole name of the node.
        #[arg(add = ArgValueCandidates::new(nodes))]
        name: String,
    },
    /// Make, list and revoke tickets: each admits a device, with rights and bounds of its own.
    #[command(subcommand)]
    Ticket(TicketCommand),
    /// Admit a device by its identity, without a ticket. `media-node ticket revoke LABEL` ends that.
    Allow {
        /// Identity of the device: `media-node id` prints it there.
        #[arg(value_name = "ID52")]
        identity: String,
        #[command(flatten)]
        grant: GrantOptions,
    },
    /// List the albums of a node, or the artist, album or tracks that words name.
    Ls {
        /// Name or ticket of the node, a file that contains the ticket, or - to read it from standard input.
        #[arg(value_name = "NODE", add = ArgValueCandidates::new(nodes))]
        ticket: String,
        /// Words of an artist, album or title, or of any other tag. Default: everything.
        words: Vec<String>,
        /// Print a line for each track.
        #[arg(long)]
        tracks: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Play tracks of a node.
    Play {
        /// Name or ticket of the node, a file that contains the ticket, or - to read it from standard input.
        #[arg(value_name = "NODE", add = ArgValueCandidates::new(nodes))]
        ticket: String,
        /// What to play: the words of an artist, album or title, quoted if they belong together; a line number of the list that
        /// `ls` printed last; or a track's id. Default: all tracks.
        tracks: Vec<String>,
        #[command(flatten)]
        options: PlayOptions,
    },
    /// Examine this machine's node: files, folders, plugins, sound, ports, relays and the local network. Prints no secret.
    Doctor {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List outputs and their devices.
    Devices {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List, inspect and check plugins: codecs, outputs and transports.
    #[command(subcommand)]
    Plugins(PluginsCommand),
    /// Show and check the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print this node's identity and the path of its key file.
    Id,
    /// Write the manual pages into a folder. For packages.
    #[command(hide = true)]
    Man {
        /// Folder to write to.
        folder: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum TicketCommand {
    /// Make a ticket and print it. The node does not show it again.
    New {
        #[command(flatten)]
        grant: GrantOptions,
        /// For one device: the first device that uses the ticket keeps it, and no other can use it.
        #[arg(long)]
        once: bool,
        /// Print the ticket as a QR code too.
        #[arg(long)]
        qr: bool,
    },
    /// List tickets and allowed identities, with their use.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// End a ticket, or the admission of an identity. Its connections close at once.
    Revoke {
        /// Its label.
        label: String,
    },
}

/// Rights and bounds of a ticket or an identity.
#[derive(Debug, Args)]
pub(super) struct GrantOptions {
    /// Label of the device, as in `phone`.
    #[arg(long = "for", value_name = "LABEL")]
    pub(super) label: String,
    /// Listener name to store with the record. Default: the label. This version does not use it.
    #[arg(long, value_name = "NAME")]
    pub(super) listener: Option<String>,
    /// Time until the ticket or the admission expires: 90m, 12h, 30d, 2w. Default: never.
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(super) expires: Option<Duration>,
    /// Let the device see only the tracks in this folder and its subfolders: a path below a served folder, or an absolute path.
    /// May be repeated.
    #[arg(long, value_name = "FOLDER")]
    pub(super) folder: Vec<String>,
    /// Permit lossy codecs only.
    #[arg(long)]
    pub(super) lossy_only: bool,
    /// Highest bitrate, as in 96kbit.
    #[arg(long, value_name = "BITRATE")]
    pub(super) max: Option<Bitrate>,
    /// Most bytes to send in a calendar day or month (UTC): 5GB/month, 500MB/day.
    #[arg(long, value_name = "SIZE/PERIOD", value_parser = parse_quota)]
    pub(super) quota: Option<Quota>,
    /// Do not pass a file's own Opus packets through; encode the file again.
    #[arg(long)]
    pub(super) no_originals: bool,
    /// Permit changes of tags, ratings and playlists. No request of this version needs this right.
    #[arg(long)]
    pub(super) edit: bool,
    /// Permit control of this node's player. No request of this version needs this right.
    #[arg(long)]
    pub(super) control: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum PluginsCommand {
    /// List plugins: kind, id, version, origin.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show the plugins in a shared library (.so). The library is loaded in a separate process.
    Inspect {
        /// File of the shared library.
        file: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Time limit for loading the library, in seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 10)]
        timeout: u64,
        /// Load the library in this process. This program starts itself with it.
        #[arg(long, hide = true)]
        here: bool,
    },
    /// Run the conformance checks on the plugins in a shared library, each in a separate process.
    Check(CheckOptions),
}

#[derive(Debug, Args)]
pub(super) struct CheckOptions {
    /// File of the shared library.
    pub(super) file: PathBuf,
    /// Seed of the random damage to packets, to repeat an earlier run.
    #[arg(long)]
    pub(super) seed: Option<u32>,
    /// Target to open, for outputs: a device or a path. Default: the one that the output chooses.
    #[arg(long, default_value = "")]
    pub(super) target: String,
    /// Options of the codec or output, as a JSON object.
    #[arg(long, value_name = "JSON", default_value = "")]
    pub(super) options: String,
    /// Time limit for one check, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(super) timeout: u64,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// Run one check in this process. This program starts itself with it.
    #[arg(long, hide = true, value_name = "NAME")]
    pub(super) only: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Show every key with its value and the origin of the value.
    Show {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check the configuration file, the environment and the flags.
    Check,
    /// Print the path of the configuration file.
    Path,
}

/// Options of the commands that play.
#[derive(Debug, Args)]
pub(super) struct PlayOptions {
    /// Codec to request: auto, lossless, data-saver, or a codec with an optional bitrate (pcm, opus, opus:64). Default:
    /// codec.prefer (auto).
    #[arg(long, value_name = "CODEC[:KBIT]", add = ArgValueCandidates::new(codecs))]
    pub(super) codec: Option<String>,
    /// Output to play on: auto, cpal, cpal:DEVICE, file:PATH, stdout, null (no sound, in real time), null:fast (no sound, as
    /// fast as possible). Default: output.use (auto).
    #[arg(long, value_name = "NAME[:TARGET]", add = ArgValueCandidates::new(outputs))]
    pub(super) output: Option<String>,
    /// Start position in the first track, as seconds (90, 2.5) or clock time (1:30, 1:02:03).
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = parse_clock_time)]
    pub(super) start: f64,
    /// Play in a random order.
    #[arg(long)]
    pub(super) shuffle: bool,
    /// Repeat one track, or all.
    #[arg(long, value_name = "TRACKS")]
    repeat: Option<RepeatOption>,
    /// Volume in percent, 0 to 100. Default: playback.volume (100).
    #[arg(long, value_name = "PERCENT")]
    volume: Option<String>,
    /// File to write statistics to as JSON, at the end.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) stats: Option<String>,
    /// Id of the transport to use. Default: the first one in the ticket that this program supports.
    #[arg(long, value_name = "ID", add = ArgValueCandidates::new(transports))]
    pub(super) transport: Option<String>,
}

/// Value of `--repeat`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum RepeatOption {
    /// The current track.
    One,
    /// All tracks.
    All,
}

impl PlayOptions {
    /// The tracks to repeat.
    pub(super) fn repeat(&self) -> Repeat {
        match self.repeat {
            None => Repeat::Off,
            Some(RepeatOption::One) => Repeat::One,
            Some(RepeatOption::All) => Repeat::All,
        }
    }

    /// The configuration keys that these options set.
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
            ("--volume", "playback.volume", &self.volume),
        ];
        for (flag, key, text) in texts {
            flags.extend(text.as_ref().map(|text| Flag::new(flag, key, text)));
        }
        flags
    }
}

/// Parses a span of time, such as `90m`, `12h`, `30d` or `2w`.
fn parse_span(text: &str) -> Result<Duration, String> {
    let error = || format!("{text:?} is not a span of time; write 90m, 12h, 30d or 2w");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(error()),
    };
    let number = number.parse::<u32>().ok().filter(|number| *number > 0).ok_or_else(error)?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

/// Parses a quota, such as `5GB/month`.
fn parse_quota(text: &str) -> Result<Quota, String> {
    let error =
        || format!("{text:?} is not a quota; write a size and a period, as in 5GB/month or 500MB/day");
    let (size, period) = text.split_once('/').ok_or_else(error)?;
    let period = [QuotaPeriod::Day, QuotaPeriod::Month].into_iter().find(|known| known.as_str() == period);
    let bytes = size.parse::<Size>().map_err(|_| error())?.get();
    Ok(Quota { bytes, period: period.ok_or_else(error)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_quotas_have_a_unit() {
        for (text, seconds) in
            [("90m", 5400), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600), ("1s", 1)]
        {
            assert_eq!(parse_span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "30", "d", "0d", "-1d", "1.5d", "30 d", "9999999999d", "1y", "1dd"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
        let quota = |bytes, period| Ok(Quota { bytes, period });
        assert_eq!(parse_quota("5GB/month"), quota(5_000_000_000, QuotaPeriod::Month));
        assert_eq!(parse_quota("1.5MiB/day"), quota(1_572_864, QuotaPeriod::Day));
        for text in ["", "5GB", "5/month", "5GB/year", "/day", "5GB/Month", "5GB/month/day"] {
            assert!(parse_quota(text).is_err(), "{text}");
        }
    }

    #[test]
    fn arguments_are_sound() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
