//! How a person hears of what goes on, and says what to do: one status line and keys on a terminal, plain lines elsewhere.
//!
//! All of it goes to standard error, so that standard output stays free for sound.

mod keys;
mod status_line;
mod terminal;

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use tokio::sync::{mpsc, watch};

use crate::control::{Command, Notice, Snapshot};

/// What a view is connected to; the counterpart of [`crate::control::Channels`].
pub struct View {
    /// To the loop.
    pub commands: mpsc::Sender<Command>,
    /// From the loop.
    pub snapshots: watch::Receiver<Snapshot>,
    /// From the loop.
    pub notices: mpsc::Receiver<Notice>,
    /// How far a seek key moves.
    pub seek_step: Duration,
}

impl View {
    /// Shows what goes on until the loop ends. Draws a status line where standard error is a terminal, and listens to keys
    /// where standard input is one too.
    ///
    /// # Errors
    /// When the terminal can't be set up or written to.
    pub async fn run(self) -> io::Result<()> {
        if io::stderr().is_terminal() && io::stdin().is_terminal() {
            terminal::run(self).await
        } else {
            self.plain().await
        }
    }

    async fn plain(mut self) -> io::Result<()> {
        // Nobody need take any.
        drop(self.snapshots);
        while let Some(notice) = self.notices.recv().await {
            writeln!(io::stderr(), "{}", line(&notice))?;
        }
        Ok(())
    }
}

/// A notice as one line.
fn line(notice: &Notice) -> String {
    match notice {
        Notice::Info(text) => sanitize(text),
        Notice::Warning(text) => format!("warning: {}", sanitize(text)),
    }
}

/// Text from a peer or a file with nothing in it that a terminal would obey, or that would turn the writing around.
#[must_use]
pub fn sanitize(text: &str) -> String {
    let obeyed = |c: char| c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if obeyed(c) { '\u{FFFD}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn printable_text_has_no_control_codes() {
        assert_eq!(super::sanitize("a\u{1b}[2Jb\r\n\u{9b}c"), "a\u{FFFD}[2Jb\u{FFFD}\u{FFFD}\u{FFFD}c");
    }
}
