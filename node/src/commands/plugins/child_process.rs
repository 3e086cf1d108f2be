//! This program once more, to do what may end it.

use std::{
    ffi::OsStr,
    io::Read,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use serde::de::DeserializeOwned;

const POLL: Duration = Duration::from_millis(5);
/// The most that is kept of what a plugin prints, in bytes.
const MAX_PRINTED: u64 = 1 << 20;

/// Runs this program with these arguments and reads the last line that it prints, as JSON; or says, in a few words, how it
/// ended instead.
pub(super) fn answer<T: DeserializeOwned>(arguments: &[&OsStr], limit: Duration) -> Result<T, String> {
    let cannot = |e: std::io::Error| format!("a process for it cannot be started: {e}");
    let program = std::env::current_exe().map_err(cannot)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(cannot)?;
    let (printed, errors) = (read(child.stdout.take()), read(child.stderr.take()));
    let status = wait(&mut child, limit)?;
    // A process that the plugin started may hold the pipes open; what it prints is not waited for.
    let text = |from: Receiver<String>| from.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
    if !status.success() {
        return Err(ended(status, &text(errors)));
    }
    let printed = text(printed);
    let line = printed.lines().last().unwrap_or_default();
    serde_json::from_str(line).map_err(|_| "it ended the process before there was an answer".into())
}

fn read(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (send, receive) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came until an error is better than nothing. The rest is drained, so that the child can end.
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
                return Err(format!("it did not come back within {} s", limit.as_secs()));
            }
            Err(e) => return Err(format!("its process cannot be waited for: {e}")),
        }
    }
}

fn ended(status: ExitStatus, errors: &str) -> String {
    let own = errors.lines().rev().find_map(|line| line.strip_prefix("media-node: "));
    match own {
        Some(line) if status.code().is_some() => line.into(),
        _ => format!("it ended the process with {status}"),
    }
}
