//! A child process of this same program, for code that may crash, hang or end its process.

use std::{
    ffi::OsStr,
    io::Read,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use serde::de::DeserializeOwned;

/// Interval at which the child is polled for its end.
const POLL: Duration = Duration::from_millis(5);
/// Time for which the output pipes may stay open after the child has ended. A process that the plugin started may keep
/// them open.
const PIPE_GRACE: Duration = Duration::from_secs(1);
/// Limit of the captured output of the child, in bytes.
const MAX_PRINTED: u64 = 1 << 20;

/// Runs this program with these arguments and parses the last line of its standard output as JSON.
///
/// # Errors
/// The reason why there is no answer, in words for a person.
pub(super) fn answer<T: DeserializeOwned>(arguments: &[&OsStr], limit: Duration) -> Result<T, String> {
    let cannot_start = |error: std::io::Error| format!("cannot start a process for it: {error}");
    let program = std::env::current_exe().map_err(cannot_start)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(cannot_start)?;
    let printed = capture(child.stdout.take());
    let errors = capture(child.stderr.take());
    let status = wait(&mut child, limit)?;
    let text = |from: Receiver<String>| from.recv_timeout(PIPE_GRACE).unwrap_or_default();
    if !status.success() {
        return Err(failure(status, &text(errors)));
    }
    let printed = text(printed);
    let line = printed.lines().last().unwrap_or_default();
    serde_json::from_str(line).map_err(|_| "its process ended without an answer".into())
}

/// Reads a pipe on a thread of its own. The receiver gets the text when the pipe is closed.
fn capture(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (send, receive) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // After a read error, the bytes read so far still count. The rest is read and dropped, so that the child can end.
            let _ = pipe.by_ref().take(MAX_PRINTED).read_to_end(&mut bytes);
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        }
        let _ = send.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receive
}

fn wait(child: &mut Child, limit: Duration) -> Result<ExitStatus, String> {
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if start.elapsed() < limit => thread::sleep(POLL),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("it did not answer within {} s", limit.as_secs()));
            }
            Err(error) => return Err(format!("cannot wait for its process: {error}")),
        }
    }
}

/// The child's own error message if it printed one, otherwise its exit status.
fn failure(status: ExitStatus, errors: &str) -> String {
    let message = errors.lines().rev().find_map(|line| line.strip_prefix("media-node: "));
    match message {
        Some(message) if status.code().is_some() => message.into(),
        _ => format!("its process ended with {status}"),
    }
}
