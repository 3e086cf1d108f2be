use std::{sync::Arc, time::Duration};

use media_protocol::{List, ListPage, Position, Track};
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};

use super::{Context, args::PlayOptions, codec_choice};
use crate::{
    client::{NodeLink, PauseMode, Setup},
    control::{self, Channels, Command, Notice, Outcome, PlaySession, Snapshot, Stats},
    exit::{Exit, ExitContext, ExitError},
    ui::View,
};

/// `play TICKET [TRACK…]`.
pub(super) async fn run(
    context: &Context,
    text: &str,
    wanted: &[String],
    options: &PlayOptions,
) -> Result<(), ExitError> {
    let ticket = context.ticket(text)?;
    let setup = setup(context)?;
    let (dial, transport) = context.dial(&ticket).await?;
    let tracks = select(&dial, wanted).await?;
    listen(context, tracks, setup, dial, transport, options.start).await.map(drop)
}

/// How often a node that is still looking for its tracks is asked again for those that it has not found.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// The tracks to play, as soon as the node has found them.
async fn select(dial: &NodeLink, wanted: &[String]) -> Result<Vec<Track>, ExitError> {
    let mut told = false;
    loop {
        let ListPage { total, tracks, scanning } = candidates(dial, wanted).await?;
        let selected = control::select(&tracks, total, wanted).or_exit(Exit::NotFound);
        match selected {
            Ok(tracks) if !tracks.is_empty() => return Ok(tracks),
            // Whatever it has not found yet may come.
            _ if scanning.is_some() => {
                if !std::mem::replace(&mut told, true) {
                    eprintln!("the node is still looking for its tracks; waiting");
                }
                sleep(ASK_AGAIN).await;
            }
            Ok(_) => return Err(ExitError::new(Exit::NotFound, "the node serves no tracks")),
            Err(fault) => return Err(fault),
        }
    }
}

/// What may be among the `wanted`. A small catalog is asked for as a whole, in one page; of a large one, which takes a
/// hundred, only what fits.
async fn candidates(dial: &NodeLink, wanted: &[String]) -> Result<ListPage, ExitError> {
    // A search has a limit.
    if wanted.is_empty() || wanted.iter().any(|it| it.len() > List::MAX_SEARCH) {
        return Context::catalog(dial, "").await;
    }
    let mut found = Context::page(dial, List { limit: List::MAX, ..List::default() }).await?;
    if found.tracks.len() >= found.total as usize {
        return Ok(found);
    }
    for wanted in wanted {
        if let Some(offset) = wanted.parse::<u32>().ok().and_then(|number| number.checked_sub(1)) {
            let list = List { offset, limit: 1, ..List::default() };
            found.tracks.extend(Context::page(dial, list).await?.tracks);
        }
        found.tracks.extend(Context::catalog(dial, wanted).await?.tracks);
    }
    found.tracks.sort_by_key(|it| it.number);
    found.tracks.dedup_by(|a, b| a.id == b.id);
    Ok(found)
}

/// How to play, by the configuration, and perhaps a line about the output. Fails before anything is asked of a node.
pub(super) fn setup(context: &Context) -> Result<(Setup, Option<String>), ExitError> {
    let config = &context.config;
    let (output, line) = context.output()?;
    let setup = Setup {
        output,
        codec: codec_choice::codec_choice(context)?,
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
    Ok((setup, line))
}

/// Notices that may wait to be sanitize; past them some are lost, so that a view that hangs holds nothing up.
const NOTICES: usize = 256;

/// Plays tracks with keys and a status line, then writes `--stats`.
pub(super) async fn listen(
    context: &Context,
    tracks: Vec<Track>,
    (setup, line): (Setup, Option<String>),
    dial: Arc<NodeLink>,
    transport: String,
    start: f64,
) -> Result<Stats, ExitError> {
    let (command, commands) = mpsc::channel(16);
    let (snapshot, snapshots) = watch::channel(Snapshot::default());
    let (notice, notices) = mpsc::channel(NOTICES);
    if let Some(line) = line {
        let _ = notice.try_send(Notice::Info(line));
    }
    let seek_step = context.config.playback.seek_step.get();
    let view = View { commands: command.clone(), snapshots, notices, seek_step };
    let channels = Channels { commands, view: snapshot, notices: notice };
    let listening = PlaySession::start(tracks, setup, dial, transport, channels);
    let listening = listening.context(Exit::Failed, "starting to play")?;
    let view = tokio::spawn(view.run());
    tokio::spawn(async move {
        super::serve::interrupted().await;
        let _ = command.send(Command::Quit).await;
    });
    let (ending, stats) = listening.run(Position::START.moved(start)).await;
    // The view has sanitize what there was to show; a terminal that is gone is no reason to fail.
    let _ = view.await;
    if let Some(file) = &context.config.stats.file {
        stats.write(file).context(Exit::Failed, format!("writing the statistics to {}", file.display()))?;
    }
    match ending {
        Outcome::Finished | Outcome::Quit => Ok(stats),
        Outcome::Unreachable(reason) => {
            Err(ExitError::new(Exit::Unreachable, format!("the node is out of reach: {reason}")))
        }
        Outcome::Output(reason) => Err(ExitError::new(Exit::Output, reason)),
        Outcome::Incomplete(reason) | Outcome::Failed(reason) => Err(ExitError::new(Exit::Failed, reason)),
    }
}
