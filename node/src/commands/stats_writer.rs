//! What a server tells of itself while it runs: the file of `serve --stats`, and the metrics.

use std::{path::Path, time::Duration};

use super::Context;
use crate::{
    exit::{Exit, ExitContext, ExitError},
    files,
    server::Server,
};

/// Starts what the configuration asks for. The future that comes of it writes the file of `server.stats` now and then, and never
/// ends but by an error.
pub(super) async fn start<'a>(
    context: &'a Context,
    server: &'a Server,
) -> Result<impl Future<Output = ExitError> + 'a, ExitError> {
    if let Some(address) = context.config.server.metrics.get() {
        metrics(server, address).await?;
    }
    write(context, server)?;
    let every = context.config.server.stats_interval.get().max(Duration::from_millis(100));
    Ok(async move {
        loop {
            tokio::time::sleep(every).await;
            // A few hundred bytes; a slow disk holds up this thread of the runtime only.
            if let Err(fault) = tokio::task::block_in_place(|| write(context, server)) {
                return fault;
            }
        }
    })
}

/// Writes the file of `server.stats`, if there is to be one.
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
    Err(ExitError::new(Exit::Usage, "server.metrics: this build has no metrics; leave it empty"))
}
