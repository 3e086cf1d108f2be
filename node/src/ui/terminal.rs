//! The view on a terminal: a status line, and keys, which need the terminal's raw mode. The former mode is restored at the
//! end, even after a panic.

use std::{
    io::{self, Write},
    sync::Once,
    time::Instant,
};

use crossterm::{
    cursor, execute, queue,
    style::Print,
    terminal::{self, Clear, ClearType},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    keys::{self, KEYS, KeyAction},
    status_line::StatusLine,
    text::line,
    view::View,
};

/// Capacity of the queue from the thread that reads keys. It waits while the queue is full.
const KEY_ACTIONS: usize = 16;

/// Guard of the terminal's raw mode. Dropping it restores the former mode.
struct RawMode;

impl RawMode {
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

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the terminal. Ignores errors, which mean that the terminal is gone.
fn restore() {
    if terminal::is_raw_mode_enabled().unwrap_or(false) {
        let _ = execute!(io::stderr(), Print("\r"), Clear(ClearType::UntilNewLine), cursor::Show);
        let _ = terminal::disable_raw_mode();
    }
}

pub(super) async fn run(mut view: View) -> io::Result<()> {
    let _raw = RawMode::enter()?;
    let (commands, seek_step) = (view.commands.clone(), view.seek_step);
    let (ended, mut keys_ended) = oneshot::channel();
    let (key_sender, mut key_actions) = mpsc::channel(KEY_ACTIONS);
    tokio::task::spawn_blocking(move || {
        let _ = ended.send(keys::read(&commands, &key_sender, seek_step));
        drop(commands);
    });
    drop(view.commands);
    let mut status = StatusLine::new(Instant::now());
    let mut prompt = None;
    loop {
        tokio::select! {
            notice = view.notices.recv() => match notice {
                Some(notice) => print_above(&line(&notice))?,
                None => break,
            },
            Some(action) = key_actions.recv() => match action {
                KeyAction::Prompt(text) => prompt = text,
                KeyAction::Line(line) => print_above(&line)?,
                KeyAction::Help => KEYS.iter().try_for_each(|(key, meaning)| print_above(&format!("{key:<15} {meaning}")))?,
                KeyAction::Command(_) => {}
            },
            changed = view.snapshots.changed() => if changed.is_err() { break },
        }
        // A serial line, or a pseudo-terminal without a size, reports 0 columns.
        let width = match terminal::size() {
            Ok((columns @ 1.., _)) => usize::from(columns),
            _ => 80,
        };
        // The last column stays free. Some terminals wrap a line that fills it.
        let width = width.saturating_sub(1);
        let line = match &prompt {
            Some(typed) => format!("go to: {typed}_").chars().take(width).collect(),
            None => status.draw(&view.snapshots.borrow_and_update(), width, Instant::now()),
        };
        queue!(io::stderr(), Print("\r"), Print(line), Clear(ClearType::UntilNewLine))?;
        io::stderr().flush()?;
    }
    // The thread that reads keys may still wait for one. It ends with the process.
    keys_ended.try_recv().unwrap_or(Ok(()))
}

/// Prints a line in place of the status line, which is drawn again below it.
fn print_above(line: &str) -> io::Result<()> {
    queue!(io::stderr(), Print("\r"), Clear(ClearType::UntilNewLine), Print(line), Print("\r\n"))
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Read;

    use pty_process::blocking::{Command, open};

    use super::*;

    #[test]
    #[ignore = "run by the test below, on a terminal of its own"]
    fn panics_in_raw_mode() {
        // The guard is never dropped, so only the panic hook can restore the mode.
        std::mem::forget(RawMode::enter().unwrap());
        assert!(terminal::is_raw_mode_enabled().unwrap());
        assert!(std::thread::spawn(|| panic!("on purpose")).join().is_err());
        assert!(!terminal::is_raw_mode_enabled().unwrap());
    }

    #[test]
    fn a_panic_leaves_the_terminal_as_it_was() {
        let script =
            r#"before=$(stty -g); "$0" "$@"; echo "exit=$?"; [ "$before" = "$(stty -g)" ] && echo same"#;
        let test = "ui::terminal::tests::panics_in_raw_mode";
        let (mut pty, terminal) = open().unwrap();
        let shell = Command::new("sh").args(["-c", script]).arg(std::env::current_exe().unwrap());
        let mut shell = shell.args([test, "--exact", "--ignored", "--nocapture"]).spawn(terminal).unwrap();
        let (mut drawn, mut buffer) = (Vec::new(), [0; 1024]);
        // A read from a pseudo-terminal that no process has open gives an error and not an end of file.
        while let Ok(read @ 1..) = pty.read(&mut buffer) {
            drawn.extend_from_slice(&buffer[..read]);
        }
        shell.wait().unwrap();
        let drawn = String::from_utf8_lossy(&drawn);
        for words in ["1 passed", "on purpose", "exit=0", "same"] {
            assert!(drawn.contains(words), "no {words:?} in {drawn}");
        }
    }
}
