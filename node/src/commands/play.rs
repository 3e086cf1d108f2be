//! `play`: plays tracks of a node.

use std::sync::Arc;

use media_protocol::{Position, Track};
use tokio::sync::{mpsc, watch};

use super::{
    Context, args::PlayOptions, codec_choice::codec_choice, connection::NodeConnection,
    printed_list::PrintedList, signals, tracks,
};
use crate::{
    client::{PauseMode, Setup},
    control::{Channels, Command, FirstOrder, Notice, Outcome, PlaySession, Snapshot, Stats},
    exit::{Exit, ExitContext, ExitError},
    ui::{self, View},
};

/// Plays the selected tracks of a node.
pub(super) async fn run(
    context: &Context,
    node_text: &str,
    selectors: &[String],
    options: &PlayOptions,
) -> Result<(), ExitError> {
    let ticket = context.ticket(node_text)?;
    let prepared = prepare(context)?;
    let node = NodeConnection::open(context, &ticket).await?;
    let printed = PrintedList::load(context, &ticket);
    let tracks = tracks::select(&node.library(), printed.as_ref(), selectors).await?;
    play(context, tracks, prepared, node, options).await.map(drop)
}

/// Configuration of the player, and a notice about the output if there is one.
pub(super) struct Prepared {
    pub(super) setup: Setup,
    notice: Option<String>,
}

/// Configures the player. To be called before the connection, so that a wrong configuration fails first.
pub(super) fn prepare(context: &Context) -> Result<Prepared, ExitError> {
    let config = &context.config;
    let (output, notice) = context.output()?;
    let setup = Setup {
        output,
        codec: codec_choice(context)?,
        bitrate: config.codec.bitrate.get(),
        target: config.buffer.target.get(),
        max: config.buffer.max.get(),
        max_bytes: usize::try_from(config.buffer.max_bytes.get()).unwrap_or(usize::MAX),
        start: config.buffer.start.get(),
        give_up: config.playback.give_up.get(),
        pause: match config.playback.pause {
            media_config::Pause::Hold => PauseMode::Hold,
            media_config::Pause::Drain => PauseMode::Drain,
        },
        volume: config.playback.volume.get() as f32 / 100.0,
        registry: Arc::clone(&context.registry),
        began: context.began,
    };
    Ok(Prepared { setup, notice })
}

/// Capacity of the notice queue. If a view hangs and the queue is full, further notices are dropped and the player continues.
const NOTICES: usize = 256;
/// Capacity of the command queue, which all senders of commands share. A sender waits while it is full.
const COMMANDS: usize = 16;

/// Plays tracks with keys and a status line, then writes the statistics of `--stats`.
pub(super) async fn play(
    context: &Context,
    tracks: Vec<Track>,
    Prepared { setup, notice }: Prepared,
    node: NodeConnection,
    options: &PlayOptions,
) -> Result<Stats, ExitError> {
    let (command_sender, commands) = mpsc::channel(COMMANDS);
    let (snapshot_sender, snapshots) = watch::channel(Snapshot::default());
    let (notice_sender, notices) = mpsc::channel(NOTICES);
    if let Some(line) = notice {
        let _ = notice_sender.try_send(Notice::Info(line));
    }
    let seek_step = context.config.playback.seek_step.get();
    let view = View { commands: command_sender.clone(), snapshots, notices, seek_step };
    let channels = Channels { commands, snapshots: snapshot_sender, notices: notice_sender };
    let session = PlaySession::start(tracks, setup, node.link, node.transport, channels, order(options)?);
    let session = session.context(Exit::Failed, "starting the player")?;
    let view = tokio::spawn(ui::run(view));
    tokio::spawn(async move {
        signals::stop().await;
        let _ = command_sender.send(Command::Quit).await;
    });
    let (outcome, stats) = session.run(Position::START.moved(options.start)).await;
    // Waits until the view has shown all notices. An error means that the terminal is gone, which is no failure.
    let _ = view.await;
    if let Some(file) = &context.config.stats.file {
        let writing = format!("writing the statistics to {}", file.display());
        stats.write(file).context(Exit::Failed, writing)?;
    }
    match outcome {
        Outcome::Finished | Outcome::Quit => Ok(stats),
        Outcome::Unreachable(reason) => {
            Err(ExitError::new(Exit::Unreachable, format!("the node is out of reach: {reason}")))
        }
        Outcome::Refused(reason) => {
            Err(ExitError::new(Exit::Unreachable, format!("the node stopped serving this device: {reason}")))
        }
        Outcome::Output(reason) => Err(ExitError::new(Exit::Output, reason)),
        Outcome::Incomplete(reason) | Outcome::Failed(reason) => Err(ExitError::new(Exit::Failed, reason)),
    }
}

/// The order that the options ask for, with a random seed.
fn order(options: &PlayOptions) -> Result<FirstOrder, ExitError> {
    let seed = getrandom::u64().context(Exit::Failed, "reading random bytes")?;
    Ok(FirstOrder { shuffle: options.shuffle, repeat: options.repeat(), seed })
}
