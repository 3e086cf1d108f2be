//! Messages of a plugin to the log of its node.

use std::{fmt::Display, sync::OnceLock};

/// Severity of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A call has failed or is about to fail.
    Error,
    /// Something unusual that the plugin could handle.
    Warn,
    /// Information for the node's user.
    Info,
    /// Information for the plugin's author.
    Debug,
}

static SINK: OnceLock<fn(Level, &str)> = OnceLock::new();

/// Writes one line to the node's log. Without a node, as in a plugin's unit test, the message is dropped.
///
/// Any thread may call it. It may allocate and lock, so a plugin must not call it for every packet.
pub fn log(level: Level, text: impl Display) {
    if let Some(sink) = SINK.get() {
        sink(level, &text.to_string());
    }
}

/// Sets the function that receives all messages. Only the host and `export_plugin!` call it. The first call
/// wins.
pub fn set_sink(sink: fn(Level, &str)) {
    SINK.get_or_init(|| sink);
}
