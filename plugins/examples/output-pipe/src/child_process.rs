use std::{
    io::{self, ErrorKind, Read},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use media_plugin_sdk::{Output, PluginError, Result};

use crate::options::PipeOptions;

/// Bytes of the command's standard error that are kept. The last line goes into the error message.
const KEPT_STDERR: usize = 1000;
/// Shortest time from the end of the command's input to SIGTERM. Tested by
/// `a_command_that_does_not_read_holds_up_nobody_and_is_ended`.
const TERM_AFTER: Duration = Duration::from_millis(50);
/// Shortest time from SIGTERM to SIGKILL. Tested by `a_command_that_does_not_read_holds_up_nobody_and_is_ended`.
const KILL_AFTER: Duration = Duration::from_millis(450);
/// Interval of checks for the command's end. No portable, safe system call waits for a child with a timeout.
const POLL: Duration = Duration::from_millis(2);

/// Running command. Dropping it ends the command and its process group within the sum of [`TERM_AFTER`] and [`KILL_AFTER`],
/// and leaves no zombie.
pub(crate) struct ChildProcess {
    program: String,
    child: Child,
    /// Last bytes of the command's standard error.
    stderr: Arc<Mutex<Vec<u8>>>,
    /// Thread that reads standard error until the command and all its children have closed it.
    stderr_reader: JoinHandle<()>,
}

impl ChildProcess {
    /// Starts the command and returns its standard input. Its standard output is discarded, because the node may draw on the
    /// terminal.
    ///
    /// # Errors
    /// `BadArgument` if there is no such program or it cannot be executed.
    pub(crate) fn start(options: &PipeOptions) -> Result<(Self, ChildStdin)> {
        let program = options.program.clone();
        let mut command = Command::new(&program);
        command.args(&options.arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        // A process group of its own: Ctrl-C reaches only the node, and a signal reaches the command's children too.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|error| start_error(&program, &error))?;
        let (Some(stdin), Some(pipe)) = (child.stdin.take(), child.stderr.take()) else {
            return Err(PluginError::Failed(format!("output pipe: starting {program:?}: it has no pipes")));
        };
        let stderr = Arc::default();
        match read_stderr(pipe, Arc::clone(&stderr)) {
            Ok(stderr_reader) => Ok((Self { program, child, stderr, stderr_reader }, stdin)),
            Err(error) => {
                let _ = child.kill().and_then(|()| child.wait());
                Err(PluginError::Failed(format!("output pipe: starting {program:?}: {error}")))
            }
        }
    }

    /// Waits up to `timeout` for the command's end. `None` if it still runs.
    pub(crate) fn wait(&mut self, timeout: Duration) -> Option<io::Result<ExitStatus>> {
        let mut status = None;
        poll(timeout, || {
            status = self.child.try_wait().transpose();
            status.is_some()
        });
        status
    }

    /// Error for a command that should still run, or should have succeeded. `event` says what happened to it.
    pub(crate) fn failure(&self, event: &str) -> PluginError {
        // The command has ended, so the rest of its standard error arrives soon.
        poll(<dyn Output>::MAX_WAIT / 2, || self.stderr_reader.is_finished());
        let stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let stderr = String::from_utf8_lossy(&stderr);
        let last = stderr.lines().rev().map(str::trim).find(|line| !line.is_empty());
        let last = last.map(|line| format!("; its last words: {line:?}")).unwrap_or_default();
        PluginError::Failed(format!(
            "output pipe: the command {:?} {event}{last}; correct it in [output.pipe] or after \"pipe:\"",
            self.program
        ))
    }

    #[cfg(unix)]
    fn signal(&mut self, kill: bool) {
        use rustix::process::{Pid, Signal, kill_process_group};
        let signal = if kill { Signal::KILL } else { Signal::TERM };
        // The system does not reuse the process id before `wait`. An error means that the group has ended.
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, signal);
        }
    }

    #[cfg(not(unix))]
    fn signal(&mut self, kill: bool) {
        if kill {
            let _ = self.child.kill();
        }
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        for (timeout, kill) in [(TERM_AFTER, false), (KILL_AFTER, true)] {
            if self.wait(timeout).is_some() {
                return;
            }
            self.signal(kill);
        }
        // A killed process ends at once, unless a system call holds it.
        let _ = self.wait(TERM_AFTER);
    }
}

fn start_error(program: &str, error: &io::Error) -> PluginError {
    match error.kind() {
        ErrorKind::NotFound => PluginError::BadArgument(format!(
            "output pipe: there is no command {program:?}; install it, or name another in [output.pipe] or after \"pipe:\""
        )),
        ErrorKind::PermissionDenied => {
            PluginError::BadArgument(format!("output pipe: {program:?} cannot be executed; is it a program?"))
        }
        _ => PluginError::Failed(format!("output pipe: starting {program:?}: {error}")),
    }
}

/// Starts a thread that reads standard error to its end and keeps the last [`KEPT_STDERR`] bytes.
fn read_stderr(
    mut pipe: impl Read + Send + 'static,
    kept: Arc<Mutex<Vec<u8>>>,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("pipe errors".into()).spawn(move || {
        let mut bytes = [0; KEPT_STDERR];
        while let Ok(read @ 1..) = pipe.read(&mut bytes) {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend_from_slice(&bytes[..read]);
            let surplus = kept.len().saturating_sub(KEPT_STDERR);
            kept.drain(..surplus);
        }
    })
}

/// Checks a condition every [`POLL`], until it is true or `timeout` has passed.
fn poll(timeout: Duration, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + timeout;
    while !condition() && Instant::now() < end {
        thread::sleep(POLL);
    }
}
