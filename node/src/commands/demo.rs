//! `demo`: serves a bundled track and plays it, in one process.

use std::sync::Arc;

use super::{
    Context,
    args::PlayOptions,
    bound_server::BoundServer,
    connection::NodeConnection,
    play::{self, Prepared},
    stdout::print,
    tracks,
};
use crate::{
    access::{AccessBook, SystemClock},
    exit::{Exit, ExitContext, ExitError},
    identity::Secret,
    library::Catalog,
    machine_identity::ProcessIdentity,
    ui::sanitize,
};

/// The bundled track. `assets/README.md` describes how it was made.
const TRACK: &[u8] = include_bytes!("../../assets/demo.flac");

/// Runs a node and a client, each with a random key, over the first configured transport. Prints measurements at the end.
pub(super) async fn run(context: &Context, options: &PlayOptions) -> Result<(), ExitError> {
    let prepared = play::prepare(context)?;
    let Prepared { setup, .. } = &prepared;
    let is_on_stdout = setup.output.plugin.info().id == "stdout";
    let folder = tempfile::tempdir().context(Exit::Failed, "creating a temporary folder")?;
    let file = folder.path().join("media-node demo.flac");
    std::fs::write(&file, TRACK)
        .context(Exit::Failed, format!("unpacking the track to {}", file.display()))?;
    let catalog = Catalog::scan(&[file], false).or_exit(Exit::Failed)?;
    let (node_key, client_key) =
        (Secret::random().or_exit(Exit::Failed)?, Secret::random().or_exit(Exit::Failed)?);
    let transports = vec![context.transport(None)?];
    let book = AccessBook::in_memory(Arc::new(SystemClock)).or_exit(Exit::Failed)?;
    let server = BoundServer::start(context, transports, &node_key, Arc::new(book), catalog).await?;
    let serving = tokio::spawn(server.serve());
    let ticket =
        server.first_ticket().ok_or_else(|| ExitError::new(Exit::Failed, "the demo has no ticket"))?;
    let node = NodeConnection::open_as(context, &ticket, ProcessIdentity::of(client_key)).await?;
    let tracks = tracks::all(&node.library()).await?.tracks;
    let stats = play::play(context, tracks, prepared, node, options).await;
    server.server.stop();
    let _ = serving.await;
    let stats = stats?;
    let first_audio = stats.first_audio_ms.map_or("none".into(), |ms| format!("{ms:.0} ms"));
    let codec = format!("{} at {} kbit/s", stats.codec, stats.bitrate / 1000);
    let lines = [
        format!("time to first audio: {first_audio}"),
        format!("dropouts: {}", stats.underruns),
        format!("codec: {codec} over {} ({})", stats.transport, stats.path),
        format!("reason: {}", stats.reason),
    ];
    let lines = lines.iter().map(|line| sanitize(line));
    if is_on_stdout {
        lines.for_each(|line| eprintln!("{line}"));
        return Ok(());
    }
    print(lines)
}
