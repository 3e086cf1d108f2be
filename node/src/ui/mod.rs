//! The view of a player: a status line and keys on a terminal, plain lines elsewhere.
//!
//! It writes only to standard error, since standard output may carry audio.

mod clock_time;
mod keys;
mod status_line;
mod terminal;
mod text;
mod view;

use std::io::{self, IsTerminal, Write};

pub use self::{clock_time::parse_clock_time, keys::KEYS, text::sanitize, view::View};

/// Shows the state of the player until the session ends. If standard input and standard error are terminals, draws a status
/// line and reads keys. Otherwise writes one line for each notice.
///
/// # Errors
/// If the terminal cannot be set up or written to.
pub async fn run(view: View) -> io::Result<()> {
    if io::stderr().is_terminal() && io::stdin().is_terminal() {
        terminal::run(view).await
    } else {
        plain(view).await
    }
}

async fn plain(mut view: View) -> io::Result<()> {
    // If nobody holds a receiver, the session does not publish snapshots at intervals.
    drop(view.snapshots);
    while let Some(notice) = view.notices.recv().await {
        writeln!(io::stderr(), "{}", text::line(&notice))?;
    }
    Ok(())
}
