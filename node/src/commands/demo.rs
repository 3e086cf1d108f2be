use std::sync::Arc;

use super::{Context, args::PlayOptions, play, serve::BoundServer, stdout::print};
use crate::{
    client::NodeLink,
    exit::{Exit, ExitContext, ExitError},
    identity::Secret,
    library::Catalog,
    ui::sanitize,
};
use media_plugin_sdk::transport::refuse_all;

/// The bundled track; `assets/README.md` says how it was made.
const TRACK: &[u8] = include_bytes!("../../assets/demo.flac");

/// `demo`: a node and a listener with a key each, over a real transport, in one process.
pub(super) async fn run(context: &Context, options: &PlayOptions) -> Result<(), ExitError> {
    let setup = play::setup(context)?;
    let is_on_stdout = setup.0.output.plugin.info().id == "stdout";
    let folder = tempfile::tempdir().context(Exit::Failed, "making a temporary folder")?;
    let file = folder.path().join("media-node demo.flac");
    std::fs::write(&file, TRACK)
        .context(Exit::Failed, format!("unpacking the track to {}", file.display()))?;
    let catalog = Catalog::scan(&[file], false).or_exit(Exit::Failed)?;
    let transport = context.transport(None)?;
    let (node_key, listener_key) = (random_secret()?, random_secret()?);
    let serving =
        BoundServer::start(context, Arc::clone(&transport), &node_key, random_secret()?, catalog).await?;
    let ticket = serving.ticket();
    let serve = tokio::spawn(serving.server.serve(Arc::clone(&serving.endpoint)));
    let endpoint = context.bind(transport.as_ref(), &listener_key, refuse_all()).await?;
    let dial = Arc::new(NodeLink::new(endpoint, serving.endpoint.address(), Some(ticket.token())));
    dial.connection().await.context(Exit::Unreachable, "connecting to this process's own node")?;
    let tracks = Context::catalog(&dial, "").await?.tracks;
    let stats = play::listen(context, tracks, setup, dial, transport.info().id, options.start).await;
    serving.server.stop();
    let _ = serve.await;
    let stats = stats?;
    let first_audio = stats.first_audio_ms.map_or("none".into(), |ms| format!("{ms:.0} ms"));
    let lines = [
        format!("time to first audio: {first_audio}"),
        format!("underruns: {}", stats.underruns),
        format!(
            "codec: {} at {} kbit/s over {} ({})",
            stats.codec,
            stats.bitrate / 1000,
            stats.transport,
            stats.path
        ),
        format!("reason: {}", stats.reason),
    ];
    if is_on_stdout {
        lines.iter().for_each(|line| eprintln!("{}", sanitize(line)));
        return Ok(());
    }
    print(lines.iter().map(|line| sanitize(line)))
}

fn random_secret() -> Result<Secret, ExitError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context(Exit::Failed, "making a secret")?;
    Ok(Secret(bytes))
}
