//! The view on a terminal: raw mode for the keys, one line for the status. Whatever happens, a panic included, the terminal
//! is left as it was found.

use std::{
    io::{self, Write},
    sync::Once,
};

use crossterm::{
    cursor, execute, queue,
    style::Print,
    terminal::{self, Clear, ClearType},
};

use super::{View, keys, line, status};

/// The terminal in raw mode, until dropped.
struct Raw;

impl Raw {
    fn enter() -> io::Result<Self> {
        static ON_PANIC: Once = Once::new();
        ON_PANIC.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                restore();
                before(info);
            }));
        });
        terminal::enable_raw_mode()?;
        execute!(io::stderr(), cursor::Hide)?;
        Ok(Self)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

/// There is nobody to tell if this fails: the terminal is gone.
fn restore() {
    if terminal::is_raw_mode_enabled().unwrap_or(false) {
        let _ = execute!(io::stderr(), Print("\r"), Clear(ClearType::UntilNewLine), cursor::Show);
        let _ = terminal::disable_raw_mode();
    }
}

pub(super) async fn run(mut view: View) -> io::Result<()> {
    let _raw = Raw::enter()?;
    let (commands, seek_step) = (view.commands.clone(), view.seek_step);
    let keys = tokio::task::spawn_blocking(move || keys::read(&commands, seek_step));
    drop(view.commands);
    loop {
        tokio::select! {
            notice = view.notices.recv() => match notice {
                Some(notice) => {
                    queue!(io::stderr(), Print("\r"), Clear(ClearType::UntilNewLine), Print(line(&notice)), Print("\r\n"))?;
                }
                None => break,
            },
            changed = view.snapshots.changed() => if changed.is_err() { break },
        }
        let width = terminal::size().map_or(80, |(columns, _)| usize::from(columns));
        // A line that fills the last column would wrap.
        let line = status::draw(&view.snapshots.borrow_and_update(), width.saturating_sub(1));
        queue!(io::stderr(), Print("\r"), Print(line), Clear(ClearType::UntilNewLine))?;
        io::stderr().flush()?;
    }
    keys.await.map_err(io::Error::other)?
}
