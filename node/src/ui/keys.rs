//! Keys of the terminal, and the commands that they send.

use std::{io, time::Duration};

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;

use crate::control::Command;

/// Change of the volume per key press, in percentage points.
const VOLUME_STEP: i8 = 5;

/// The keys with their meanings, for the manual.
pub const KEYS: &[(&str, &str)] = &[
    ("space", "Pause and resume."),
    ("left, right", "Seek backward and forward by the time of playback.seek_step."),
    ("up, down", "Volume up and down by 5 %."),
    ("n, p", "Next and previous track."),
    ("q, Esc, Ctrl-C", "Quit."),
];

/// Reads keys and sends their commands. Returns at the first key that is pressed after the end of the session.
///
/// Blocks, and may wait for a key forever. So it needs a thread of its own.
pub(super) fn read(commands: &mpsc::Sender<Command>, seek_step: Duration) -> io::Result<()> {
    loop {
        if let Event::Key(key) = event::read()?
            && let Some(command) = command(key, seek_step)
            && commands.blocking_send(command).is_err()
        {
            return Ok(());
        }
    }
}

fn command(key: KeyEvent, seek_step: Duration) -> Option<Command> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let step = seek_step.as_secs_f64();
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Command::Quit),
        KeyCode::Char('q') | KeyCode::Esc => Some(Command::Quit),
        KeyCode::Char(' ') => Some(Command::Toggle),
        KeyCode::Left => Some(Command::SeekBy { seconds: -step }),
        KeyCode::Right => Some(Command::SeekBy { seconds: step }),
        KeyCode::Up => Some(Command::ChangeVolume { percent: VOLUME_STEP }),
        KeyCode::Down => Some(Command::ChangeVolume { percent: -VOLUME_STEP }),
        KeyCode::Char('n') => Some(Command::Next),
        KeyCode::Char('p') => Some(Command::Previous),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_readme() {
        let step = Duration::from_secs(10);
        let pressed = |code| command(KeyEvent::new(code, KeyModifiers::NONE), step);
        assert_eq!(pressed(KeyCode::Char(' ')), Some(Command::Toggle));
        assert_eq!(pressed(KeyCode::Left), Some(Command::SeekBy { seconds: -10.0 }));
        assert_eq!(pressed(KeyCode::Right), Some(Command::SeekBy { seconds: 10.0 }));
        assert_eq!(pressed(KeyCode::Up), Some(Command::ChangeVolume { percent: 5 }));
        assert_eq!(pressed(KeyCode::Char('n')), Some(Command::Next));
        assert_eq!(pressed(KeyCode::Char('p')), Some(Command::Previous));
        for quit in [KeyCode::Char('q'), KeyCode::Esc] {
            assert_eq!(pressed(quit), Some(Command::Quit));
        }
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(command(interrupt, step), Some(Command::Quit));
        assert_eq!(pressed(KeyCode::Char('c')), None);
    }
}
