//! Lines for a person on standard error. A terminal that is closed is no error: the node serves on.
//!
//! The journal of systemd takes the priority of a line from a prefix such as `<4>`, see sd-daemon(3).

use std::{
    fmt::Display,
    io::{self, Write},
    sync::OnceLock,
};

use crate::ui::sanitize;

/// Priority of a line in the journal, as syslog(3) numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Priority {
    Error = 3,
    Warning = 4,
    Notice = 5,
    Info = 6,
    Debug = 7,
}

impl Priority {
    /// The prefix of a line with this priority. Empty unless the journal reads the standard error of this process.
    pub(super) fn prefix(self) -> &'static str {
        static READS: OnceLock<bool> = OnceLock::new();
        if !*READS.get_or_init(journal_reads) {
            return "";
        }
        match self {
            Self::Error => "<3>",
            Self::Warning => "<4>",
            Self::Notice => "<5>",
            Self::Info => "<6>",
            Self::Debug => "<7>",
        }
    }
}

/// Tells if the journal reads the standard error: systemd names its stream in `JOURNAL_STREAM`, as `DEVICE:INODE`.
#[cfg(target_os = "linux")]
fn journal_reads() -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let metadata = std::fs::metadata("/proc/self/fd/2");
    metadata.is_ok_and(|metadata| stream == format!("{}:{}", metadata.dev(), metadata.ino()))
}

#[cfg(not(target_os = "linux"))]
fn journal_reads() -> bool {
    false
}

/// Prints a line.
pub(super) fn note(text: impl Display) {
    print(Priority::Notice, text);
}

/// Prints an error.
pub(super) fn error(text: impl Display) {
    print(Priority::Error, text);
}

/// Prints a warning.
pub(super) fn warn(text: impl Display) {
    print(Priority::Warning, format_args!("warning: {text}"));
}

fn print(priority: Priority, text: impl Display) {
    let _ = writeln!(io::stderr(), "{}{}", priority.prefix(), sanitize(&text.to_string()));
}
