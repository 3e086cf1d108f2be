//! The command that is fed: started, watched, ended.

use std::{
    io::{self, ErrorKind, Read},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use media_plugin_sdk::{Output, PluginError, Result};

use crate::options::Plan;

/// How much of what a command says is kept, in bytes: its last line is told when it fails.
const KEPT: usize = 1000;
/// How long a command has, once its input is closed, until it is told to end, and until it is made to.
const UNTIL_TOLD: Duration = Duration::from_millis(50);
const UNTIL_MADE: Duration = Duration::from_millis(450);
/// How often a child is asked whether it has ended; the system offers no wait with a limit that is portable and safe.
const EVERY: Duration = Duration::from_millis(2);

/// A command that runs. Dropping it ends it, within [`UNTIL_TOLD`] and [`UNTIL_MADE`], and leaves no zombie.
pub(crate) struct Running {
    program: String,
    child: Child,
    said: Arc<Mutex<Vec<u8>>>,
    /// Reads `said`, until the command and all that it started have closed their standard error.
    listener: JoinHandle<()>,
}

impl Running {
    /// Starts the command. What it writes to standard output is thrown away: ours may be a terminal that is drawn on.
    ///
    /// # Errors
    /// `BadArgument` where there is no such program, or it may not be run.
    pub(crate) fn start(plan: &Plan) -> Result<(Self, ChildStdin)> {
        let program = plan.program.clone();
        let mut command = Command::new(&program);
        command.args(&plan.arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        // Ctrl-C is for the node, which ends the command in good order; and it can be ended with all that it started.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|error| refused(&program, &error))?;
        let (Some(stdin), Some(stderr)) = (child.stdin.take(), child.stderr.take()) else {
            return Err(PluginError::Failed(format!("starting {program:?}: it has no pipes")));
        };
        let said = Arc::default();
        let listener = listen(stderr, Arc::clone(&said));
        match listener {
            Ok(listener) => Ok((Self { program, child, said, listener }, stdin)),
            Err(error) => {
                let _ = child.kill().and_then(|()| child.wait());
                Err(PluginError::Failed(format!("starting {program:?}: {error}")))
            }
        }
    }

    /// How it ended, if it has within `at_most`.
    pub(crate) fn ended(&mut self, at_most: Duration) -> Option<io::Result<ExitStatus>> {
        let mut ended = None;
        until(at_most, || {
            ended = self.child.try_wait().transpose();
            ended.is_some()
        });
        ended
    }

    /// The error for a command that ended in `how`, when it should not have.
    pub(crate) fn failure(&self, how: &str) -> PluginError {
        // It has ended, so its last words are there or about to be.
        until(<dyn Output>::MAX_WAIT / 2, || self.listener.is_finished());
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let said = String::from_utf8_lossy(&said);
        let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
        let last = last.map(|line| format!("; its last words: {line:?}")).unwrap_or_default();
        PluginError::Failed(format!(
            "output pipe: the command {:?} {how}{last}; correct it in [output.pipe] or behind \"pipe:\"",
            self.program
        ))
    }

    #[cfg(unix)]
    fn tell_to_end(&mut self, made: bool) {
        use rustix::process::{Pid, Signal, kill_process_group};
        let signal = if made { Signal::KILL } else { Signal::TERM };
        // Until it is waited for, its number belongs to nobody else. An error means that it has ended.
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, signal);
        }
    }

    #[cfg(not(unix))]
    fn tell_to_end(&mut self, made: bool) {
        if made {
            let _ = self.child.kill();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for (wait, made) in [(UNTIL_TOLD, false), (UNTIL_MADE, true)] {
            if self.ended(wait).is_some() {
                return;
            }
            self.tell_to_end(made);
        }
        // What is killed ends at once, unless the system itself holds it.
        let _ = self.ended(UNTIL_TOLD);
    }
}

fn refused(program: &str, error: &io::Error) -> PluginError {
    match error.kind() {
        ErrorKind::NotFound => PluginError::BadArgument(format!(
            "output pipe: there is no command {program:?}; install it, or name another in [output.pipe] or behind \"pipe:\""
        )),
        ErrorKind::PermissionDenied => {
            PluginError::BadArgument(format!("output pipe: {program:?} may not be run; is it a program?"))
        }
        _ => PluginError::Failed(format!("output pipe: starting {program:?}: {error}")),
    }
}

/// Reads what a command says to its end, and keeps the last of it.
fn listen(mut from: impl Read + Send + 'static, said: Arc<Mutex<Vec<u8>>>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("pipe errors".into()).spawn(move || {
        let mut bytes = [0; KEPT];
        while let Ok(read @ 1..) = from.read(&mut bytes) {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.extend_from_slice(&bytes[..read]);
            let old = said.len().saturating_sub(KEPT);
            said.drain(..old);
        }
    })
}

/// Asks until the answer is yes, or for `at_most`.
fn until(at_most: Duration, mut is_it: impl FnMut() -> bool) {
    let end = Instant::now() + at_most;
    while !is_it() && Instant::now() < end {
        thread::sleep(EVERY);
    }
}
