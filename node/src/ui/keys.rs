//! Keys of the terminal, and the commands that they send.

use std::{io, time::Duration};

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;

use super::clock_time::parse_clock_time;
use crate::control::Command;

/// Change of the volume per key press, in percentage points.
const VOLUME_STEP: i8 = 5;
/// Seconds that PgUp and PgDn move. Tested by `keys_are_those_of_the_readme`.
const LONG_STEP: f64 = 60.0;
/// Greatest number of characters of a time that a person types.
const MAX_TIME: usize = 12;

/// The keys with their meanings, for the manual and for `?`.
pub const KEYS: &[(&str, &str)] = &[
    ("space", "Pause and resume."),
    ("left, right", "Seek backward and forward by the time of playback.seek_step."),
    ("PgUp, PgDn", "Seek 1 min forward and backward."),
    ("0 to 9", "Seek to 0 % to 90 % of the track."),
    ("g", "Go to a time: type it, then press Enter."),
    ("up, down", "Volume up and down by 5 %."),
    ("m", "Mute, and end that."),
    ("n, p", "Next and previous track."),
    ("s", "Shuffle, and end that."),
    ("r", "Repeat all tracks, this track, or none."),
    ("?", "List the keys."),
    ("q, Esc, Ctrl-C", "Quit."),
];

/// An entry from the thread that reads keys to the view.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum KeyAction {
    /// A command to the session.
    Command(Command),
    /// The text of the line in which a person types a time; `None` at its end.
    Prompt(Option<String>),
    /// A line for the person.
    Line(String),
    /// The list of keys.
    Help,
}

/// Reads keys. Sends commands to the session, and everything else to the view. Returns at the first key that is pressed after
/// the end of either.
///
/// Blocks, and may wait for a key forever. So it needs a thread of its own.
pub(super) fn read(
    commands: &mpsc::Sender<Command>,
    view: &mpsc::Sender<KeyAction>,
    seek_step: Duration,
) -> io::Result<()> {
    let mut keys = Keys::new(seek_step);
    loop {
        let Event::Key(key) = event::read()? else { continue };
        for action in keys.press(key) {
            let sent = match action {
                KeyAction::Command(command) => commands.blocking_send(command).is_ok(),
                other => view.blocking_send(other).is_ok(),
            };
            if !sent {
                return Ok(());
            }
        }
    }
}

/// The keys and the line that is being typed.
struct Keys {
    seek_step: f64,
    /// The time that a person types; `None` if keys are commands.
    typed: Option<String>,
}

impl Keys {
    fn new(seek_step: Duration) -> Self {
        Self { seek_step: seek_step.as_secs_f64(), typed: None }
    }

    fn press(&mut self, key: KeyEvent) -> Vec<KeyAction> {
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return vec![KeyAction::Command(Command::Quit)];
        }
        if let Some(text) = self.typed.take() {
            return self.type_time(text, key.code);
        }
        match key.code {
            KeyCode::Char('g') => self.prompt(String::new()),
            KeyCode::Char('?') => vec![KeyAction::Help],
            code => command(code, self.seek_step).map(KeyAction::Command).into_iter().collect(),
        }
    }

    /// Takes a key of a person who types a time.
    fn type_time(&mut self, mut text: String, key: KeyCode) -> Vec<KeyAction> {
        match key {
            KeyCode::Enter => {
                let end = KeyAction::Prompt(None);
                match parse_clock_time(&text) {
                    _ if text.is_empty() => vec![end],
                    Ok(seconds) => vec![end, KeyAction::Command(Command::SeekTo { seconds })],
                    Err(line) => vec![end, KeyAction::Line(line)],
                }
            }
            KeyCode::Esc => vec![KeyAction::Prompt(None)],
            KeyCode::Backspace => {
                text.pop();
                self.prompt(text)
            }
            KeyCode::Char(letter @ ('0'..='9' | ':' | '.')) if text.len() < MAX_TIME => {
                text.push(letter);
                self.prompt(text)
            }
            _ => self.prompt(text),
        }
    }

    fn prompt(&mut self, text: String) -> Vec<KeyAction> {
        self.typed = Some(text.clone());
        vec![KeyAction::Prompt(Some(text))]
    }
}

fn command(key: KeyCode, step: f64) -> Option<Command> {
    Some(match key {
        KeyCode::Char('q') | KeyCode::Esc => Command::Quit,
        KeyCode::Char(' ') => Command::Toggle,
        KeyCode::Left => Command::SeekBy { seconds: -step },
        KeyCode::Right => Command::SeekBy { seconds: step },
        KeyCode::PageUp => Command::SeekBy { seconds: LONG_STEP },
        KeyCode::PageDown => Command::SeekBy { seconds: -LONG_STEP },
        KeyCode::Char(digit @ '0'..='9') => Command::SeekToPercent { percent: (digit as u8 - b'0') * 10 },
        KeyCode::Up => Command::ChangeVolume { percent: VOLUME_STEP },
        KeyCode::Down => Command::ChangeVolume { percent: -VOLUME_STEP },
        KeyCode::Char('m') => Command::ToggleMute,
        KeyCode::Char('s') => Command::ToggleShuffle,
        KeyCode::Char('r') => Command::CycleRepeat,
        KeyCode::Char('n') => Command::Next,
        KeyCode::Char('p') => Command::Previous,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(keys: &mut Keys, code: KeyCode) -> Vec<KeyAction> {
        keys.press(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn keys_are_those_of_the_readme() {
        let mut keys = Keys::new(Duration::from_secs(10));
        for (code, command) in [
            (KeyCode::Char(' '), Command::Toggle),
            (KeyCode::Left, Command::SeekBy { seconds: -10.0 }),
            (KeyCode::Right, Command::SeekBy { seconds: 10.0 }),
            (KeyCode::PageUp, Command::SeekBy { seconds: 60.0 }),
            (KeyCode::PageDown, Command::SeekBy { seconds: -60.0 }),
            (KeyCode::Char('0'), Command::SeekToPercent { percent: 0 }),
            (KeyCode::Char('9'), Command::SeekToPercent { percent: 90 }),
            (KeyCode::Up, Command::ChangeVolume { percent: 5 }),
            (KeyCode::Char('m'), Command::ToggleMute),
            (KeyCode::Char('s'), Command::ToggleShuffle),
            (KeyCode::Char('r'), Command::CycleRepeat),
            (KeyCode::Char('n'), Command::Next),
            (KeyCode::Char('p'), Command::Previous),
            (KeyCode::Char('q'), Command::Quit),
            (KeyCode::Esc, Command::Quit),
        ] {
            assert_eq!(press(&mut keys, code), [KeyAction::Command(command)], "{code:?}");
        }
        assert_eq!(press(&mut keys, KeyCode::Char('?')), [KeyAction::Help]);
        assert_eq!(press(&mut keys, KeyCode::Char('c')), []);
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(keys.press(interrupt), [KeyAction::Command(Command::Quit)]);
    }

    #[test]
    fn a_typed_time_is_a_seek() {
        let prompt = |text: &str| KeyAction::Prompt(Some(text.into()));
        let mut keys = Keys::new(Duration::from_secs(10));
        assert_eq!(press(&mut keys, KeyCode::Char('g')), [prompt("")]);
        assert_eq!(press(&mut keys, KeyCode::Char('1')), [prompt("1")]);
        assert_eq!(press(&mut keys, KeyCode::Char('n')), [prompt("1")], "no letters in a time");
        press(&mut keys, KeyCode::Char(':'));
        press(&mut keys, KeyCode::Char('3'));
        press(&mut keys, KeyCode::Char('5'));
        assert_eq!(press(&mut keys, KeyCode::Backspace), [prompt("1:3")]);
        assert_eq!(press(&mut keys, KeyCode::Char('0')), [prompt("1:30")]);
        let seek = KeyAction::Command(Command::SeekTo { seconds: 90.0 });
        assert_eq!(press(&mut keys, KeyCode::Enter), [KeyAction::Prompt(None), seek]);
        // ESC leaves the line and does not quit.
        press(&mut keys, KeyCode::Char('g'));
        assert_eq!(press(&mut keys, KeyCode::Esc), [KeyAction::Prompt(None)]);
        press(&mut keys, KeyCode::Char('g'));
        press(&mut keys, KeyCode::Char(':'));
        let actions = press(&mut keys, KeyCode::Enter);
        assert!(
            matches!(&actions[..], [KeyAction::Prompt(None), KeyAction::Line(line)] if line.contains("not a time"))
        );
        assert_eq!(press(&mut keys, KeyCode::Char('n')), [KeyAction::Command(Command::Next)]);
    }
}
