//! The real program, run in a home of its own: without the machine's configuration, keys and sound system.
//!
//! A test binary includes it with `#[path = "../common/program.rs"] mod program;`.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of tests says what it expects by failing")]

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// Timeout after which a program counts as hanging; far longer than any test takes.
pub const HANGS: Duration = Duration::from_secs(120);

/// Configuration that keeps the transport on this machine: no relay, no mDNS, the loopback interface.
const CONFIG: &str = "[transport.fastn]\nrelay = \"off\"\nmdns = false\nbind = [\"127.0.0.1:0\"]\n";

/// A home directory, removed when dropped.
pub struct Home(TempDir);

impl Home {
    /// Creates a home with a configuration for the loopback interface and without a sound device.
    pub fn new() -> Self {
        let home = Self(TempDir::new().unwrap());
        home.configure("");
        fs::create_dir(home.path("tmp")).unwrap();
        home
    }

    /// Replaces the configuration, with `more` at its end.
    pub fn configure(&self, more: &str) {
        fs::write(self.path("config.toml"), format!("{CONFIG}\n{more}")).unwrap();
    }

    /// Path of a file in the home.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Reads the file that `--stats stats.json` wrote.
    pub fn stats(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path("stats.json")).unwrap()).unwrap()
    }

    /// Returns a command that runs the program with these arguments.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_media-node"));
        command.args(arguments).current_dir(self.0.path()).env_clear();
        command.envs(self.environment()).stdin(Stdio::null());
        command
    }

    /// The whole environment of the program.
    pub fn environment(&self) -> Vec<(String, String)> {
        let inside = |name: &str| self.path(name).to_str().unwrap().to_owned();
        [
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("HOME", inside("")),
            ("TMPDIR", inside("tmp")),
            ("XDG_CONFIG_HOME", inside("config")),
            ("XDG_DATA_HOME", inside("data")),
            ("XDG_RUNTIME_DIR", inside("run")),
            // An empty ALSA configuration has no device.
            ("ALSA_CONFIG_PATH", "/dev/null".into()),
            ("MEDIA_NODE_CONFIG", inside("config.toml")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// Runs the program to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Done {
        Running::start(&mut self.command(arguments)).finish()
    }

    /// Runs the program to its end, which must be successful.
    pub fn ok<S: AsRef<OsStr> + std::fmt::Debug>(&self, arguments: &[S]) -> Done {
        let done = self.run(arguments);
        assert_eq!(done.code, 0, "{arguments:?}: {}", done.err);
        done
    }

    /// Serves files and folders.
    pub fn serve(&self, paths: &[&Path]) -> Node {
        let arguments = [OsStr::new("serve")].into_iter().chain(paths.iter().map(|it| it.as_os_str()));
        Node::start(&mut self.command(&arguments.collect::<Vec<_>>()))
    }
}

/// Output of a finished program, and its exit code; -1 if a signal ended it.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    /// Asserts that the program ended with `code` and one line on standard error that contains all `words`.
    #[track_caller]
    pub fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!((self.code, self.err.lines().count()), (code, 1), "{self:?}");
        let message = self.err.strip_prefix("media-node: ").expect("the program's name first");
        for word in words {
            assert!(message.contains(word), "no {word:?} in {message:?}");
        }
    }
}

/// A running program. Killed when dropped.
pub struct Running {
    child: Child,
    said: Receiver<(bool, String)>,
    /// Standard output until now.
    pub out: String,
    /// Standard error until now.
    pub err: String,
}

impl Running {
    /// Starts a program and reads its standard output and standard error.
    pub fn start(command: &mut Command) -> Self {
        Self::of(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Wraps a started child, and reads those of its pipes that are still there.
    pub fn of(mut child: Child) -> Self {
        let (sender, said) = mpsc::channel();
        child.stdout.take().into_iter().for_each(|pipe| relay(pipe, false, sender.clone()));
        child.stderr.take().into_iter().for_each(|pipe| relay(pipe, true, sender.clone()));
        Self { child, said, out: String::new(), err: String::new() }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a matching line on standard output or standard error, and returns it.
    #[track_caller]
    pub fn line(&mut self, is_it: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + HANGS;
        while let Some(line) = self.read(until) {
            if is_it(&line) {
                return line;
            }
        }
        panic!("it ended without the line waited for: {}{}", self.out, self.err);
    }

    /// Waits for the end, and asserts the exit code.
    #[track_caller]
    pub fn finish_with(self, code: i32) -> Done {
        let done = self.finish();
        assert_eq!(done.code, code, "{}", done.err);
        done
    }

    /// Waits for the end.
    #[track_caller]
    pub fn finish(mut self) -> Done {
        let until = Instant::now() + HANGS;
        while self.read(until).is_some() {}
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Done { code, out: std::mem::take(&mut self.out), err: std::mem::take(&mut self.err) }
    }

    /// Sends a signal, such as `INT`.
    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status();
        assert!(done.unwrap().success(), "sending {name}");
    }

    #[track_caller]
    fn read(&mut self, until: Instant) -> Option<String> {
        match self.said.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok((is_err, line)) => {
                if is_err { &mut self.err } else { &mut self.out }.push_str(&line);
                Some(line)
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs: {}{}", self.out, self.err),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn relay(pipe: impl Read + Send + 'static, is_err: bool, sender: Sender<(bool, String)>) {
    thread::spawn(move || {
        let (mut pipe, mut line) = (BufReader::new(pipe), Vec::new());
        while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let _ = sender.send((is_err, String::from_utf8_lossy(&line).into_owned()));
            line.clear();
        }
    });
}

/// A running `media-node serve`.
pub struct Node {
    pub process: Running,
    pub ticket: String,
}

impl Node {
    /// Starts the node and waits for its ticket.
    pub fn start(command: &mut Command) -> Self {
        let mut process = Running::start(command);
        let line = process.line(|line| line.starts_with("ticket: "));
        let ticket = line.trim_start_matches("ticket: ").trim().to_owned();
        Self { process, ticket }
    }
}

/// A WAV file. Its samples are `f32`, which holds 24 bits exactly.
pub struct Wav {
    pub samples: Vec<f32>,
    pub spec: hound::WavSpec,
}

impl Wav {
    pub fn read(path: &Path) -> Self {
        let mut reader = hound::WavReader::open(path).unwrap();
        let spec = reader.spec();
        let scale = f64::from(1_u32 << (spec.bits_per_sample - 1));
        let samples = match spec.sample_format {
            hound::SampleFormat::Float => reader.samples::<f32>().map(Result::unwrap).collect(),
            hound::SampleFormat::Int => {
                reader.samples::<i32>().map(|it| (f64::from(it.unwrap()) / scale) as f32).collect()
            }
        };
        Self { samples, spec }
    }

    pub fn frames(&self) -> usize {
        self.samples.len() / usize::from(self.spec.channels)
    }
}
