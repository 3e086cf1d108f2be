use std::{
    io::{Read, Write},
    process::Child,
    sync::mpsc::{self, Receiver},
    thread,
    time::Instant,
};

use pty_process::{
    Size,
    blocking::{Command, Pty, open},
};

use crate::program::{HANGS, Home};

/// Script of the shell: runs the program, then prints its exit code and compares the terminal's modes.
const SCRIPT: &str = r#"
before=$(stty -g)
"$0" "$@"; printf '\nexit=%s\n' $?
[ "$before" = "$(stty -g)" ] && echo modes=same || echo modes=changed
"#;

const ROWS: u16 = 40;
/// Wide enough for the whole status line.
const COLUMNS: u16 = 160;

/// The program on a terminal of its own. Killed when dropped.
pub(crate) struct Screen {
    shell: Child,
    keys: Pty,
    drawn: Receiver<Vec<u8>>,
    /// Bytes that were drawn and are not examined yet.
    rest: Vec<u8>,
    /// Last line that was examined.
    last: String,
}

impl Screen {
    pub(crate) fn start(home: &Home, arguments: &[&str]) -> Self {
        Self::with_columns(home, arguments, COLUMNS)
    }

    pub(crate) fn with_columns(home: &Home, arguments: &[&str], columns: u16) -> Self {
        let (keys, terminal) = open().unwrap();
        keys.resize(Size::new(ROWS, columns)).unwrap();
        let program = home.command(arguments);
        let shell = Command::new("sh").args(["-c", SCRIPT]).arg(program.get_program()).args(arguments);
        let shell =
            shell.current_dir(home.path("")).env_clear().envs(home.environment()).env("TERM", "xterm");
        let shell = shell.spawn(terminal).unwrap();
        let mut pipe = std::fs::File::from(std::os::fd::AsFd::as_fd(&keys).try_clone_to_owned().unwrap());
        let (sender, drawn) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // A terminal without a reader gives an error instead of an end of file.
            while let Ok(read @ 1..) = pipe.read(&mut buffer) {
                let _ = sender.send(buffer[..read].to_vec());
            }
        });
        Self { shell, keys, drawn, rest: Vec::new(), last: String::new() }
    }

    /// Waits for a line that starts with `begin` and contains all `words`; returns it.
    #[track_caller]
    pub(crate) fn shows(&mut self, begin: &str, words: &[&str]) -> String {
        let until = Instant::now() + HANGS;
        loop {
            let line = self.line(until).unwrap_or_else(|| {
                panic!("never shown: {begin}…{words:?}; the last was {:?}", self.last);
            });
            if line.starts_with(begin) && words.iter().all(|word| line.contains(word)) {
                return line;
            }
        }
    }

    /// Waits for the status line of a track of one minute in a state (`▶` or `⏸`); returns its position in
    /// seconds.
    #[track_caller]
    pub(crate) fn position(&mut self, state: &str) -> u32 {
        seconds(&self.shows(state, &["/1:00 "]))
    }

    /// Waits until playback is at or behind this position, in seconds.
    #[track_caller]
    pub(crate) fn reaches(&mut self, seconds: u32) {
        while self.position("▶") < seconds {}
    }

    /// Types keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the end: exit code 0, and the terminal as before.
    #[track_caller]
    pub(crate) fn ends(mut self) {
        assert_eq!(self.shows("exit=", &[]), "exit=0");
        assert_eq!(self.shows("modes=", &[]), "modes=same");
    }

    /// Returns the next line: the text between two carriage returns, line feeds or erasures of the line.
    fn line(&mut self, until: Instant) -> Option<String> {
        const CLEAR: &[u8] = b"\x1b[K";
        loop {
            let ends =
                |at: &usize| matches!(self.rest[*at], b'\r' | b'\n') || self.rest[*at..].starts_with(CLEAR);
            if let Some(end) = (0..self.rest.len()).find(ends) {
                let width = if self.rest[end] == CLEAR[0] { CLEAR.len() } else { 1 };
                let line = String::from_utf8_lossy(&self.rest[..end]).into_owned();
                self.rest.drain(..end + width);
                if !line.is_empty() {
                    self.last.clone_from(&line);
                    return Some(line);
                }
            } else {
                let wait = until.saturating_duration_since(Instant::now());
                self.rest.extend(self.drawn.recv_timeout(wait).ok()?);
            }
        }
    }
}

/// Reads the position in seconds from the status line of a track of one minute.
pub(crate) fn seconds(line: &str) -> u32 {
    let (before, _) = line.rsplit_once("/1:00").unwrap();
    before.rsplit_once(':').unwrap().1.parse().unwrap()
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The program ends with its terminal, not with the shell.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
