//! The log on standard error, whose level can change while it is written.

use std::fmt::Result as Written;

use media_config::Config;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Writer},
    },
    registry::LookupSpan,
};

use super::stderr::Priority;
use crate::exit::{Exit, ExitContext, ExitError};

/// Sets a new filter of the log. Fails if the log is gone.
type SetFilter = Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>;

/// The log of this process.
pub(super) struct Log {
    /// `None` if `MEDIA_NODE_LOG` sets the filter, or the log belongs to another command of this process.
    set_filter: Option<SetFilter>,
}

impl Log {
    /// Starts the log with the filter of `MEDIA_NODE_LOG`, or else the level of `log.level`.
    pub(super) fn start(config: &Config) -> Result<Self, ExitError> {
        let (filter, is_fixed) = match std::env::var("MEDIA_NODE_LOG") {
            Ok(filter) => (EnvFilter::try_new(filter).context(Exit::Usage, "reading MEDIA_NODE_LOG")?, true),
            Err(_) => (filter(config), false),
        };
        // A terminal that is closed takes no lines; that is no reason to panic. Colours would hide names from `grep`.
        let builder = tracing_subscriber::fmt()
            .with_ansi(false)
            .log_internal_errors(false)
            .event_format(WithPriority(Format::default()))
            .with_env_filter(filter)
            .with_writer(std::io::stderr);
        let builder = builder.with_filter_reloading();
        let handle = builder.reload_handle();
        // An error means that this process has a log already, as in a test that runs several commands.
        let is_ours = builder.try_init().is_ok();
        let set_filter: SetFilter =
            Box::new(move |filter| handle.reload(filter).map_err(|error| error.to_string()));
        Ok(Self { set_filter: (is_ours && !is_fixed).then_some(set_filter) })
    }

    /// A log that stays as it is.
    #[cfg(test)]
    pub(super) fn fixed() -> Self {
        Self { set_filter: None }
    }

    /// Takes the level of `log.level`, unless `MEDIA_NODE_LOG` has set a filter.
    pub(super) fn set_level(&self, config: &Config) -> Result<(), String> {
        self.set_filter.as_ref().map_or(Ok(()), |set_filter| set_filter(filter(config)))
    }
}

/// The usual lines, each with the priority that the journal reads.
struct WithPriority(Format);

impl<S, N> FormatEvent<S, N> for WithPriority
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> Written {
        let priority = match *event.metadata().level() {
            Level::ERROR => Priority::Error,
            Level::WARN => Priority::Warning,
            Level::INFO => Priority::Info,
            Level::DEBUG | Level::TRACE => Priority::Debug,
        };
        writer.write_str(priority.prefix())?;
        self.0.format_event(context, writer, event)
    }
}

/// The filter of `log.level`. Messages of the libraries below are for developers, so only the node's own are shown.
fn filter(config: &Config) -> EnvFilter {
    EnvFilter::new(format!("off,media_node={}", config.log.level.as_str()))
}
