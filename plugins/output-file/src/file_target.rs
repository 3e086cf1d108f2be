use std::{
    ffi::OsString,
    fs::{self, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use media_plugin_sdk::{PluginError, Result};

/// File that the output `file` writes.
///
/// A regular file is written as PATH with `.part` appended, and gets its name in [`FileTarget::finish`]. So a file named PATH
/// is never unfinished, and an existing one stays until the new one is complete. A pipe, a device and the target of a
/// symbolic link are written directly.
pub(crate) struct FileTarget {
    pub(crate) file: fs::File,
    path: PathBuf,
    state: State,
}

enum State {
    /// Written at its final path.
    Direct,
    /// Written at `part`. `overwrite` permits to replace a file at the final path.
    Part { part: PathBuf, overwrite: bool },
    /// Renamed to its final path.
    Finished,
    /// Removed after a failed write.
    Discarded,
}

impl FileTarget {
    /// Opens `path`, or its `.part` file. Replaces the `.part` file of a killed process, but not one that a running process
    /// writes.
    ///
    /// # Errors
    /// `BadArgument` if a file with content exists and `overwrite` is not set, or if the file cannot be created there.
    pub(crate) fn open(path: &Path, overwrite: bool) -> Result<Self> {
        let is_direct = fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file());
        let mut options = fs::OpenOptions::new();
        options.write(true);
        check_existing(path, overwrite)?;
        let exists = path.exists();
        let (file, state) = if is_direct {
            // Linux may refuse to open another user's pipe in `/tmp` with `create`.
            let file = options.create(!exists).truncate(true).open(path);
            (file.map_err(|error| failure(path, &error))?, State::Direct)
        } else {
            if exists {
                // A rename would replace a file that this user may not write.
                options.open(path).map_err(|error| failure(path, &error))?;
            }
            let part = part_of(path);
            (create_part(&part)?, State::Part { part, overwrite })
        };
        Ok(Self { file, path: path.into(), state })
    }

    /// Gives the file its name, after the last sample. Later calls do nothing.
    ///
    /// # Errors
    /// `Failed` if another file has appeared at the path, or if the system cannot rename. The `.part` file stays.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let State::Part { part, overwrite } = &self.state else { return Ok(()) };
        let renamed =
            check_existing(&self.path, *overwrite).map_err(|error| error.to_string()).and_then(|()| {
                if let Ok(replaced) = fs::metadata(&self.path) {
                    fs::set_permissions(part, replaced.permissions()).map_err(|error| error.to_string())?;
                }
                fs::rename(part, &self.path).map_err(|error| error.to_string())
            });
        renamed.map_err(|reason| {
            let (path, part) = (self.path.display(), part.display());
            PluginError::Failed(format!("renaming {part} to {path}: {reason}; all samples are in {part}"))
        })?;
        self.state = State::Finished;
        Ok(())
    }

    /// Removes the file after a failed write. Returns a clause for the error message, empty if nothing was removed.
    pub(crate) fn discard(&mut self) -> String {
        let path = match &self.state {
            State::Part { part, .. } => part,
            State::Finished => &self.path,
            State::Direct => {
                let is_regular = self.file.metadata().is_ok_and(|metadata| metadata.is_file());
                return match is_regular.then(|| self.file.set_len(0)) {
                    Some(Ok(())) => "; the unfinished file was emptied".into(),
                    Some(Err(error)) => format!("; the file is unfinished, and emptying it failed: {error}"),
                    None => String::new(),
                };
            }
            State::Discarded => return String::new(),
        };
        let clause = match fs::remove_file(path) {
            Ok(()) => "; the unfinished file was removed".into(),
            Err(error) => format!("; the unfinished file {} could not be removed: {error}", path.display()),
        };
        self.state = State::Discarded;
        clause
    }

    /// Path of the `.part` file, `None` if the file has its name or is gone.
    pub(crate) fn part(&self) -> Option<&Path> {
        match &self.state {
            State::Part { part, .. } => Some(part),
            State::Direct | State::Finished | State::Discarded => None,
        }
    }
}

/// Accepts an existing file if it has no content to lose (an empty file, a pipe or a device), or if `overwrite` is set.
fn check_existing(path: &Path, overwrite: bool) -> Result<()> {
    let has_content = fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0);
    if has_content && !overwrite {
        return Err(PluginError::BadArgument(format!(
            "{} exists: choose another name, delete the file, or set overwrite = true in [output.file]",
            path.display()
        )));
    }
    Ok(())
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".part");
    name.into()
}

/// Creates a `.part` file and locks it, so that two processes never write the same one.
fn create_part(part: &Path) -> Result<fs::File> {
    let failed = |error: &std::io::Error| failure(part, error);
    if fs::symlink_metadata(part).is_ok_and(|metadata| metadata.is_file()) {
        let left = fs::OpenOptions::new().write(true).open(part).map_err(|error| failed(&error))?;
        lock(&left, part)?;
        fs::remove_file(part).map_err(|error| failed(&error))?;
    }
    // Never follows a symbolic link that someone has put there.
    let file =
        fs::OpenOptions::new().write(true).create_new(true).open(part).map_err(|error| failed(&error))?;
    lock(&file, part)?;
    Ok(file)
}

/// Locks a file until it is closed. A file system without locks counts as locked.
fn lock(file: &fs::File, part: &Path) -> Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(PluginError::BadArgument(format!(
            "{} is being written by another process: choose another name",
            part.display()
        ))),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

fn failure(path: &Path, error: &std::io::Error) -> PluginError {
    let message = format!("creating {}: {error}", path.display());
    match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::IsADirectory
        | ErrorKind::NotADirectory
        | ErrorKind::AlreadyExists
        | ErrorKind::PermissionDenied => PluginError::BadArgument(message),
        _ => PluginError::Failed(message),
    }
}
