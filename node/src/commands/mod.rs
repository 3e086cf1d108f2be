//! What `media-node` does, one file per command: each turns arguments and configuration into a run of the rooms beside it.

mod args;
mod codec;
mod context;
mod demo;
mod figures;
mod options;
mod output;
mod play;
mod plugins;
mod serve;
mod show;

use std::time::Duration;

use clap::Parser;
use media_config::Flag;

use self::args::{Arguments, Command, ConfigCommand, Plugins};
use self::context::Context;
use crate::fault::{Exit, Fault};

/// Runs the process's command line. Returns when the command is done.
///
/// # Errors
/// One line and an exit code.
pub fn run() -> Result<(), Fault> {
    let arguments = Arguments::parse();
    if let Command::Config(ConfigCommand::Path) = arguments.command {
        return show::config_path(arguments.config.as_deref());
    }
    // A library is looked at without the configuration, which may name it.
    match &arguments.command {
        Command::Plugins(Plugins::Inspect { file, json, timeout, here }) => {
            let limit = Duration::from_secs(*timeout);
            return plugins::inspect(file, *json, limit, *here);
        }
        Command::Plugins(Plugins::Check(checking)) => return plugins::check(checking),
        _ => {}
    }
    let mut flags = Vec::new();
    for set in &arguments.set {
        let (key, value) = set.split_once('=').ok_or_else(|| {
            Fault::new(Exit::Usage, format!("--set {set}: write KEY=VALUE, as in --set buffer.target=5s"))
        })?;
        flags.push(Flag::new("--set", key, value));
    }
    flags.extend(match &arguments.command {
        Command::Demo { playing } | Command::Play { playing, .. } => playing.flags(),
        Command::Serve { transport, stats, .. } => {
            [("--transport", "transport.use", transport), ("--stats", "server.stats", stats)]
                .into_iter()
                .filter_map(|(flag, key, text)| Some(Flag::new(flag, key, text.as_deref()?)))
                .collect()
        }
        _ => Vec::new(),
    });
    let libraries = !matches!(arguments.command, Command::Plugins(_) | Command::Id);
    let context = Context::load(arguments.config.as_deref(), flags, libraries)?;
    match arguments.command {
        Command::Demo { playing } => context.block_on(demo::run(&context, &playing)),
        Command::Serve { paths, ticket_file, .. } => {
            context.block_on(serve::run(&context, paths, ticket_file.as_deref()))
        }
        Command::Ls { ticket, words, json } => {
            context.block_on(show::list(&context, &ticket, &words.join(" "), json))
        }
        Command::Play { ticket, tracks, playing } => {
            context.block_on(play::run(&context, &ticket, &tracks, &playing))
        }
        Command::Devices { json } => show::devices(&context, json),
        Command::Plugins(Plugins::List { json }) => show::plugins(&context, json),
        // Dispatched above.
        Command::Plugins(_) => Ok(()),
        Command::Config(ConfigCommand::Show { json }) => show::config(&context, json),
        Command::Config(_) => show::config_check(&context),
        Command::Id => show::id(&context),
    }
}
