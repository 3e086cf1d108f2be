//! How a plugin tells the node what happened, built in or loaded.

use std::{fmt::Display, sync::OnceLock};

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something failed, or is about to.
    Error,
    /// Something is odd.
    Warn,
    /// What a person may want to see.
    Info,
    /// For the plugin's author.
    Debug,
}

static SINK: OnceLock<fn(Level, &str)> = OnceLock::new();

/// Writes one line to the node's log; nothing happens where no node is. Any thread, but not for every packet, because it
/// may allocate and lock.
pub fn log(level: Level, text: impl Display) {
    if let Some(sink) = SINK.get() {
        sink(level, &text.to_string());
    }
}

/// Says where messages go, for the host and for what `export_plugin!` makes. The first call counts.
pub fn set_sink(sink: fn(Level, &str)) {
    SINK.get_or_init(|| sink);
}
