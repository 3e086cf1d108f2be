//! Statistics of a running node: the file of `server.stats` and the address of `server.metrics`.

use std::{io, path::Path, time::Duration};

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::{Context, stderr::warn};
use crate::{exit::ExitError, files, server::Server};

/// Shortest time between two writes of the file, even if `server.stats_interval` is shorter.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// Writer of the statistics of a running node. A file or an address that cannot be used is warned of once; the node serves
/// on without it.
pub(super) struct StatsWriter<'a> {
    file: Option<&'a Path>,
    interval: Interval,
    server: &'a Server,
    /// True if the last write failed.
    has_failed: bool,
}

impl<'a> StatsWriter<'a> {
    /// Opens the address of `server.metrics` and writes the file of `server.stats` once, if they are configured.
    pub(super) async fn start(context: &'a Context, server: &'a Server) -> Result<Self, ExitError> {
        let config = &context.config.server;
        if let Some(address) = config.metrics.get() {
            metrics(server, address).await?;
        }
        let period = config.stats_interval.get().max(MIN_INTERVAL);
        let mut interval = interval_at(Instant::now() + period, period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut writer = Self { file: config.stats.as_deref(), interval, server, has_failed: false };
        writer.write();
        Ok(writer)
    }

    /// Waits until the file is due, then writes it. Never returns without a file. Cancel-safe.
    pub(super) async fn write_when_due(&mut self) {
        if self.file.is_none() {
            return std::future::pending().await;
        }
        self.interval.tick().await;
        // The file has a few hundred bytes; a slow disk blocks only this thread of the runtime.
        tokio::task::block_in_place(|| self.write());
    }

    /// Writes the file now.
    pub(super) fn write(&mut self) {
        let Some(file) = self.file else { return };
        let written = write_to(file, self.server);
        if let Err(error) = &written
            && !self.has_failed
        {
            let file = file.display();
            warn(format_args!(
                "writing the statistics to {file}: {error}; the node serves on and tries again"
            ));
        }
        self.has_failed = written.is_err();
    }
}

fn write_to(file: &Path, server: &Server) -> io::Result<()> {
    files::write(file, &(serde_json::to_string_pretty(&server.stats())? + "\n"), false)
}

#[cfg(feature = "metrics")]
async fn metrics(server: &Server, address: std::net::SocketAddr) -> Result<(), ExitError> {
    match server.metrics(address).await {
        Ok(bound) => super::stdout::print([format!("metrics: http://{bound}/metrics")]),
        Err(error) => {
            warn(format_args!(
                "opening server.metrics at {address}: {error}; the node serves on without metrics"
            ));
            Ok(())
        }
    }
}

#[cfg(not(feature = "metrics"))]
async fn metrics(_: &Server, _: std::net::SocketAddr) -> Result<(), ExitError> {
    Err(ExitError::new(
        crate::exit::Exit::Usage,
        "server.metrics: this build has no metrics; leave the key empty",
    ))
}
