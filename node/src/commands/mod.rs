//! The commands of `media-node`, one file each. A command reads arguments and configuration, and calls the other rooms.

mod args;
mod ask;
mod bound_server;
mod codec_choice;
mod completion;
mod config;
mod connection;
mod context;
mod demo;
mod devices;
mod dialer;
mod doctor;
mod door;
mod id;
mod library_watch;
mod log;
mod ls;
mod man;
mod node_control;
mod nodes;
mod play;
mod plugins;
mod printed_list;
mod reload;
mod running;
mod serve;
mod service_manager;
mod signals;
mod stats_writer;
mod status;
mod stderr;
mod stdout;
mod ticket;
mod tracks;

use std::time::Duration;

use clap::{CommandFactory, Parser};
use clap_complete::CompleteEnv;
use media_config::Flag;

use self::args::{Arguments, CliCommand, ConfigCommand, PluginsCommand};
use self::context::Context;
use self::ls::ListForm;
use crate::exit::{Exit, ExitError};

/// Prints the error that ends the process.
pub fn report(error: &ExitError) {
    stderr::error(format_args!("media-node: {}", error.message));
}

/// Runs the command line of this process.
///
/// # Errors
/// The error of the command.
pub fn run() -> Result<(), ExitError> {
    // A shell that completes a command line calls the program with the variable COMPLETE. This answers it and ends the process.
    CompleteEnv::with_factory(Arguments::command).complete();
    let arguments = Arguments::parse();
    if let CliCommand::Config(ConfigCommand::Path) = arguments.command {
        return config::path(arguments.config.as_deref());
    }
    if let CliCommand::Man { folder } = &arguments.command {
        return man::write(folder);
    }
    // These two commands examine one plugin library. They do not load the configuration, which may name a broken library.
    match &arguments.command {
        CliCommand::Plugins(PluginsCommand::Inspect { file, json, timeout, here }) => {
            let limit = Duration::from_secs(*timeout);
            return plugins::inspect(file, *json, limit, *here);
        }
        CliCommand::Plugins(PluginsCommand::Check(options)) => return plugins::check(options),
        _ => {}
    }
    let mut flags = Vec::new();
    for set in &arguments.set {
        let (key, value) = set.split_once('=').ok_or_else(|| {
            ExitError::new(Exit::Usage, format!("--set {set}: write KEY=VALUE, as in --set buffer.target=5s"))
        })?;
        flags.push(Flag::new("--set", key, value));
    }
    flags.extend(match &arguments.command {
        CliCommand::Demo { options } | CliCommand::Play { options, .. } => options.flags(),
        CliCommand::Serve { transport, stats, .. } => {
            [("--transport", "transport.use", transport), ("--stats", "server.stats", stats)]
                .into_iter()
                .filter_map(|(flag, key, text)| Some(Flag::new(flag, key, text.as_deref()?)))
                .collect()
        }
        _ => Vec::new(),
    });
    if let CliCommand::Doctor { json } = arguments.command {
        return doctor::run(arguments.config.as_deref(), flags, json);
    }
    // These commands use no plugin of a library, so they run none's code.
    let libraries = !matches!(
        arguments.command,
        CliCommand::Plugins(_) | CliCommand::Id | CliCommand::Status { .. } | CliCommand::Reload
    );
    let context = Context::load(arguments.config.as_deref(), flags, libraries)?;
    match arguments.command {
        CliCommand::Demo { options } => context.block_on(demo::run(&context, &options)),
        CliCommand::Serve { paths, ticket_file, .. } => {
            context.block_on(serve::run(&context, paths, ticket_file.as_deref()))
        }
        CliCommand::Status { json } => status::run(&context, json),
        CliCommand::Reload => reload::run(&context),
        CliCommand::Add { ticket, name } => nodes::add(&context, &ticket, &name),
        CliCommand::Nodes { asking: true, json } => nodes::asking(&context, json),
        CliCommand::Nodes { json, .. } => context.block_on(nodes::list(&context, json)),
        CliCommand::Ask { node, name } => context.block_on(ask::run(&context, &node, &name)),
        CliCommand::Rename { name, new } => nodes::rename(&context, &name, &new),
        CliCommand::Forget { name } => nodes::forget(&context, &name),
        CliCommand::Ticket(command) => ticket::run(&context, command),
        CliCommand::Allow { identity, grant } => ticket::allow(&context, &identity, grant),
        CliCommand::Ls { ticket, words, tracks, json } => {
            let form = match (json, tracks) {
                (true, _) => ListForm::Json,
                (false, true) => ListForm::Tracks,
                (false, false) => ListForm::Albums,
            };
            context.block_on(ls::run(&context, &ticket, &words.join(" "), form))
        }
        CliCommand::Play { ticket, tracks, options } => {
            context.block_on(play::run(&context, &ticket, &tracks, &options))
        }
        CliCommand::Devices { json } => devices::run(&context, json),
        CliCommand::Plugins(PluginsCommand::List { json }) => plugins::list(&context, json),
        // These are handled above.
        CliCommand::Plugins(_) | CliCommand::Man { .. } | CliCommand::Doctor { .. } => Ok(()),
        CliCommand::Config(ConfigCommand::Show { json }) => config::show(&context, json),
        CliCommand::Config(_) => config::check(&context),
        CliCommand::Id => id::run(&context),
    }
}
