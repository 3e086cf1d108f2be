//! Statistics of a running node: the file of `server.stats` and the address of `server.metrics`.

use std::{path::Path, time::Duration};

use super::Context;
use crate::{
    exit::{Exit, ExitContext, ExitError},
    files,
    server::Server,
};

/// Shortest time between two writes of the file, even if `server.stats_interval` is shorter.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// Opens the address of `server.metrics` and writes the file of `server.stats` once, if they are configured.
///
/// The returned future writes the file again every `server.stats_interval`. It ends only with an error.
pub(super) async fn start<'a>(
    context: &'a Context,
    server: &'a Server,
) -> Result<impl Future<Output = ExitError> + 'a, ExitError> {
    if let Some(address) = context.config.server.metrics.get() {
        metrics(server, address).await?;
    }
    write(context, server)?;
    let interval = context.config.server.stats_interval.get().max(MIN_INTERVAL);
    Ok(async move {
        loop {
            tokio::time::sleep(interval).await;
            // The file is small. A slow disk blocks only this thread of the runtime.
            if let Err(error) = tokio::task::block_in_place(|| write(context, server)) {
                return error;
            }
        }
    })
}

/// Writes the file of `server.stats`, if it is configured.
pub(super) fn write(context: &Context, server: &Server) -> Result<(), ExitError> {
    context.config.server.stats.as_deref().map_or(Ok(()), |file| write_to(file, server))
}

fn write_to(file: &Path, server: &Server) -> Result<(), ExitError> {
    let doing = || format!("writing the statistics to {}", file.display());
    let text = serde_json::to_string_pretty(&server.stats()).context(Exit::Failed, doing())? + "\n";
    files::write(file, &text, false).context(Exit::Failed, doing())
}

#[cfg(feature = "metrics")]
async fn metrics(server: &Server, address: std::net::SocketAddr) -> Result<(), ExitError> {
    let bound = server.metrics(address).await;
    let bound = bound.context(Exit::Failed, format!("opening server.metrics at {address}"))?;
    super::stdout::print([format!("metrics: http://{bound}/metrics")])
}

#[cfg(not(feature = "metrics"))]
async fn metrics(_: &Server, _: std::net::SocketAddr) -> Result<(), ExitError> {
    Err(ExitError::new(Exit::Usage, "server.metrics: this build has no metrics; leave the key empty"))
}
