//! The view of a player: a status line and keys on a terminal, plain lines elsewhere.
//!
//! It writes to standard error only; standard output may carry audio.

mod keys;
mod status_line;
mod terminal;

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use tokio::sync::{mpsc, watch};

use crate::control::{Command, Notice, Snapshot};

/// A view, connected to a play session. The counterpart of [`crate::control::Channels`].
pub struct View {
    /// Commands to the session.
    pub commands: mpsc::Sender<Command>,
    /// The current state of the session.
    pub snapshots: watch::Receiver<Snapshot>,
    /// Notices from the session.
    pub notices: mpsc::Receiver<Notice>,
    /// Distance of one press of a seek key.
    pub seek_step: Duration,
}

impl View {
    /// Shows the state until the session ends. If standard input and standard error are terminals, draws a status line and
    /// reads keys; else writes one line per notice.
    ///
    /// # Errors
    /// If the terminal cannot be set up or written to.
    pub async fn run(self) -> io::Result<()> {
        if io::stderr().is_terminal() && io::stdin().is_terminal() {
            terminal::run(self).await
        } else {
            self.plain().await
        }
    }

    async fn plain(mut self) -> io::Result<()> {
        // Without a receiver, the session computes no snapshots.
        drop(self.snapshots);
        while let Some(notice) = self.notices.recv().await {
            writeln!(io::stderr(), "{}", line(&notice))?;
        }
        Ok(())
    }
}

/// Formats a notice as one line.
fn line(notice: &Notice) -> String {
    match notice {
        Notice::Info(text) => sanitize(text),
        Notice::Warning(text) => format!("warning: {}", sanitize(text)),
    }
}

/// Makes text from a peer or a file safe for a terminal: replaces control characters, and characters that change the
/// direction of writing, by U+FFFD.
#[must_use]
pub fn sanitize(text: &str) -> String {
    let is_unsafe =
        |c: char| c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if is_unsafe(c) { '\u{FFFD}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn sanitized_text_has_no_control_codes() {
        assert_eq!(super::sanitize("a\u{1b}[2Jb\r\n\u{9b}c"), "a\u{FFFD}[2Jb\u{FFFD}\u{FFFD}\u{FFFD}c");
    }
}
