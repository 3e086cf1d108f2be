//! Locks that tell the processes of one key file apart. Each file holds a record of the process that has it.
//!
//! The system frees the lock when the process ends, however it ends, so a record alone means nothing.

use std::{
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// Attempts of [`ProcessLock::take_persistently`]. A command that looks at the holder has the lock for an instant. Test
/// `a_look_at_the_holder_does_not_keep_a_process_out`.
const ATTEMPTS: u32 = 10;
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(20);
/// Most bytes of a record that are read.
const MAX_RECORD: u64 = 16 * 1024;

/// Task of a process. Each role has identities and sockets of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Serves files under the identity of the node's key.
    Serve,
    /// Plays or lists what another node serves.
    Play,
}

impl Role {
    /// The name of the role, as in the command's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Play => "play",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A process as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// Its role.
    pub role: Role,
    /// Its number in the system. In a container, that of the container.
    pub pid: u32,
    /// Time of its start, in seconds since 1970.
    pub since: u64,
    /// Version of the program.
    pub version: String,
    /// Its control socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
}

impl ProcessRecord {
    /// The record of this process, which starts now.
    #[must_use]
    pub fn new(role: Role) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let version = env!("CARGO_PKG_VERSION").into();
        Self { role, pid: std::process::id(), since, version, socket: None }
    }

    /// Reads the record in a lock file, which may be that of an ended process.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        read_from(&File::open(path).ok()?)
    }

    /// Reads the record in a lock file, if a process holds the lock now.
    #[must_use]
    pub fn of_holder(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => read_from(&file),
            // Dropping the file gives the lock back.
            Ok(()) | Err(TryLockError::Error(_)) => None,
        }
    }
}

fn read_from(file: &File) -> Option<ProcessRecord> {
    let mut text = String::new();
    file.take(MAX_RECORD).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// Error of a lock.
#[derive(Debug)]
pub enum LockError {
    /// Another process holds it, and left this record.
    Held(Option<ProcessRecord>),
    /// The system cannot create or lock the file.
    Io(io::Error),
}

/// A lock that this process holds until it is dropped.
#[derive(Debug)]
pub struct ProcessLock {
    file: File,
    record: ProcessRecord,
}

impl ProcessLock {
    /// Takes the lock at `path`. Creates the file and its folder, readable by their owner only.
    ///
    /// # Errors
    /// [`LockError::Held`] if another process has it, and errors of the system.
    pub fn take(path: &Path, role: Role) -> Result<Self, LockError> {
        Self::take_between(path, role, 1, || {})
    }

    /// As [`ProcessLock::take`], but tries for 200 ms. Blocks.
    ///
    /// # Errors
    /// As [`ProcessLock::take`].
    pub fn take_persistently(path: &Path, role: Role) -> Result<Self, LockError> {
        Self::take_between(path, role, ATTEMPTS, || sleep(PAUSE))
    }

    fn take_between(
        path: &Path,
        role: Role,
        attempts: u32,
        mut pause: impl FnMut(),
    ) -> Result<Self, LockError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(LockError::Io)?;
        }
        let file = options.open(path).map_err(LockError::Io)?;
        for _ in 0..attempts {
            match file.try_lock() {
                Ok(()) => return Self::describe(file, role).map_err(LockError::Io),
                Err(TryLockError::WouldBlock) => pause(),
                Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
            }
        }
        Err(LockError::Held(read_from(&file)))
    }

    /// Writes the record of this process into its locked file.
    fn describe(file: File, role: Role) -> io::Result<Self> {
        let mut lock = Self { file, record: ProcessRecord::new(role) };
        lock.write()?;
        Ok(lock)
    }

    /// The record of this process.
    #[must_use]
    pub fn record(&self) -> &ProcessRecord {
        &self.record
    }

    /// Adds this process's control socket to the record.
    ///
    /// # Errors
    /// Errors of the system.
    pub fn note_socket(&mut self, socket: &Path) -> io::Result<()> {
        self.record.socket = Some(socket.into());
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        let text = serde_json::to_string(&self.record)? + "\n";
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_has_the_lock_and_is_named_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/key.serve.lock");
        let mut lock = ProcessLock::take(&path, Role::Serve).unwrap();
        lock.note_socket(Path::new("/run/a.sock")).unwrap();
        let LockError::Held(Some(holder)) = ProcessLock::take(&path, Role::Serve).unwrap_err() else {
            panic!("the lock was given twice");
        };
        assert_eq!(&holder, lock.record());
        assert_eq!((holder.pid, holder.socket), (std::process::id(), Some("/run/a.sock".into())));
        assert_eq!(ProcessRecord::of_holder(&path).as_ref(), Some(lock.record()));
        drop(lock);
        assert_eq!(ProcessRecord::of_holder(&path), None);
        assert!(ProcessRecord::read(&path).is_some(), "the record stays, and means nothing");
        assert_eq!(ProcessLock::take(&path, Role::Serve).unwrap().record().socket, None);
    }

    #[test]
    fn a_look_at_the_holder_does_not_keep_a_process_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.serve.lock");
        drop(ProcessLock::take(&path, Role::Serve).unwrap());
        let looking = File::open(&path).unwrap();
        looking.try_lock_shared().unwrap();
        assert!(matches!(ProcessLock::take(&path, Role::Serve), Err(LockError::Held(Some(_)))));
        let taken = ProcessLock::take_between(&path, Role::Serve, ATTEMPTS, || looking.unlock().unwrap());
        assert!(taken.is_ok());
    }

    #[test]
    fn a_damaged_record_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let mut lock = ProcessLock::take(&path, Role::Play).unwrap();
        lock.file.set_len(5).unwrap();
        assert!(matches!(ProcessLock::take(&path, Role::Play), Err(LockError::Held(None))));
        assert_eq!(ProcessRecord::of_holder(&path), None);
        lock.write().unwrap();
        assert!(ProcessRecord::of_holder(&path).is_some());
    }
}
