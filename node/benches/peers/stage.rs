//! Files, tools and processes in a folder that is removed after the run.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::fixtures;

/// State that all rows share.
pub(crate) struct Stage {
    folder: PathBuf,
    _temporary: Option<TempDir>,
    pub(crate) rounds: usize,
}

impl Stage {
    /// Creates the stage. `PEERS_FILES` names a folder that keeps the generated files for the next run.
    /// `PEERS_ROUNDS` is the number of turns of quick measurements.
    pub(crate) fn new() -> Self {
        let rounds = std::env::var("PEERS_ROUNDS").ok().and_then(|it| it.parse().ok()).unwrap_or(15);
        if let Some(folder) = std::env::var_os("PEERS_FILES") {
            let folder = PathBuf::from(folder);
            fs::create_dir_all(&folder).unwrap();
            return Self { folder: folder.canonicalize().unwrap(), _temporary: None, rounds };
        }
        let temporary = TempDir::new().unwrap();
        Self { folder: temporary.path().into(), _temporary: Some(temporary), rounds }
    }

    /// Number of turns of measurements that take seconds.
    pub(crate) fn few_rounds(&self) -> usize {
        self.rounds.div_ceil(5)
    }

    /// Path of a file or folder of the stage.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns a file, which `make` makes unless an earlier run did.
    pub(crate) fn file(&self, name: &str, make: impl FnOnce(&Path)) -> PathBuf {
        let path = self.path(name);
        if !path.exists() {
            eprintln!("making {name}");
            let half = self.path(&format!("half-{}", name.replace('/', "-")));
            make(&half);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::rename(half, &path).unwrap();
        }
        path
    }

    /// Music as a 16-bit stereo WAV of `seconds`, from `skip` seconds on.
    pub(crate) fn music(&self, seconds: f64, skip: f64) -> PathBuf {
        self.file(&format!("music-{seconds}-{skip}.wav"), |path| {
            let samples = fixtures::music(44_100, 2, skip + seconds);
            let skipped = (skip * 44_100.0) as usize * 2;
            let folder = TempDir::new().unwrap();
            let made =
                fixtures::encode(folder.path(), fixtures::Kind::WavS16, 44_100, 2, &samples[skipped..]);
            fs::copy(made, path).unwrap();
        })
    }
}

/// Returns a message about the first of `tools` that is not installed.
pub(crate) fn lacking(tools: &[&str]) -> Option<String> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&folders).chain(["/usr/sbin".into()]).collect();
    let is_there = |tool: &&&str| folders.iter().any(|folder| folder.join(tool).is_file());
    tools.iter().find(|tool| !is_there(tool)).map(|tool| format!("{tool}: not installed"))
}

/// Runs a tool to its end, which must be successful.
pub(crate) fn run(command: &mut Command) -> Vec<u8> {
    let done = command.stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

/// Time from the start of a program until it writes a byte other than 0 to standard output. Kills it then.
pub(crate) fn first_sound(command: &mut Command) -> Duration {
    let began = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let heard = not_zero(began, child.stdout.take().unwrap());
    end(&mut child);
    heard.unwrap_or_else(|| panic!("no sound of {command:?}"))
}

/// Time from before `open` until the opened pipe yields a byte other than 0.
pub(crate) fn first_sound_of<R: Read + Send + 'static>(open: impl FnOnce() -> R) -> Duration {
    let began = Instant::now();
    not_zero(began, open()).expect("a sound")
}

fn not_zero(began: Instant, mut pipe: impl Read + Send + 'static) -> Option<Duration> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = pipe.read(&mut bytes) {
            if bytes[..read].iter().any(|byte| *byte != 0) {
                let _ = sender.send(began.elapsed());
                return;
            }
        }
    });
    receiver.recv_timeout(Duration::from_secs(60)).ok()
}

/// Kills a child process and waits for it.
pub(crate) fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// CPU time of a process. `None` if the system has no such table.
pub(crate) fn processor_time(process: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may contain any character.
    let fields: Vec<_> = text.rsplit_once(')')?.1.split_whitespace().collect();
    ticks(&fields, 11)
}

/// CPU time of the children that have ended and were waited for.
pub(crate) fn children_time() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<_> = text.rsplit_once(')')?.1.split_whitespace().collect();
    ticks(&fields, 13)
}

/// Sum of two successive fields in ticks, which are 1/100 s on every Linux.
fn ticks(fields: &[&str], first: usize) -> Option<f64> {
    let field = |place: usize| fields.get(place)?.parse::<f64>().ok();
    Some((field(first)? + field(first + 1)?) / 100.0)
}

/// A figure of `/proc/PID/status` in MB, such as `VmRSS`.
pub(crate) fn memory(process: u32, name: &str) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? / 1024.0)
}
