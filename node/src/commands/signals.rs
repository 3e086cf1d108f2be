//! Signals that end the process, or make a node read its configuration again.

/// A signal, by its meaning for a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Ends the process.
    Stop,
    /// Reads the configuration again.
    Reload,
}

/// Waits for Ctrl-C, or for another signal of the system to stop. SIGHUP is one, since it says that the terminal is
/// closed.
pub(super) async fn stop() {
    let mut signals = Signals::listen(Signal::Stop);
    while signals.next().await != Signal::Stop {}
}

/// The signals of this process, from the call of [`Signals::listen`] on.
#[cfg(unix)]
pub(super) struct Signals {
    interrupt: Option<tokio::signal::unix::Signal>,
    terminate: Option<tokio::signal::unix::Signal>,
    /// `None` if the process was started with SIGHUP ignored, as by `nohup`.
    hangup: Option<tokio::signal::unix::Signal>,
    hangup_means: Signal,
}

#[cfg(unix)]
impl Signals {
    /// Catches the signals. An ignored SIGHUP stays ignored; this is known on Linux only.
    pub(super) fn listen(hangup_means: Signal) -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let caught = |kind| signal(kind).ok();
        Self {
            interrupt: caught(SignalKind::interrupt()),
            terminate: caught(SignalKind::terminate()),
            hangup: if ignores_hangup(&status) { None } else { caught(SignalKind::hangup()) },
            hangup_means,
        }
    }

    /// As [`Signals::listen`], for a node. SIGHUP reloads the configuration of a node without a terminal, as
    /// administrators expect it of a service. With a terminal, it says that the terminal is closed.
    pub(super) fn of_node() -> Self {
        // The system opens this path for a process with a controlling terminal only.
        let has_terminal = std::fs::File::open("/dev/tty").is_ok();
        Self::listen(if has_terminal { Signal::Stop } else { Signal::Reload })
    }

    /// Waits for the next signal. Cancel-safe.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            () = receive(&mut self.interrupt) => Signal::Stop,
            () = receive(&mut self.terminate) => Signal::Stop,
            () = receive(&mut self.hangup) => self.hangup_means,
        }
    }
}

#[cfg(unix)]
async fn receive(signal: &mut Option<tokio::signal::unix::Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}

/// Returns whether SIGHUP is ignored, by the text of `/proc/self/status`.
#[cfg(unix)]
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // SIGHUP is signal 1, so it has the lowest bit.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}

/// The signals of this process: Ctrl-C only.
#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Catches Ctrl-C.
    pub(super) fn listen(_: Signal) -> Self {
        Self
    }

    /// As [`Signals::listen`].
    pub(super) fn of_node() -> Self {
        Self
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Stop
    }
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    use super::*;

    #[cfg(unix)]
    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status = |mask: &str| {
            format!("Name:\tmedia-node\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\nSigCgt:\t1\n")
        };
        assert!(ignores_hangup(&status("0000000000000001")));
        assert!(ignores_hangup(&status("0000000000001001")));
        assert!(!ignores_hangup(&status("0000000000001000")));
        assert!(!ignores_hangup(&status("x")));
        assert!(!ignores_hangup(""));
    }
}
