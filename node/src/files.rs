//! Small files that are written whole or not at all.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// Writes `text` to `file`. Replaces a regular file in one step, so that a reader never finds half of it. With
/// `private`, only its owner can read the file. Writes to a pipe or a device directly.
///
/// # Errors
/// Errors of the system. No temporary file is left behind.
pub fn write(file: &Path, text: &str, private: bool) -> io::Result<()> {
    // If `file` is a symbolic link, the rename must replace its target and not the link.
    let target = file.canonicalize().unwrap_or_else(|_| file.into());
    if target.exists() && !target.is_file() {
        return File::create(&target)?.write_all(text.as_bytes());
    }
    let mut beside = target.clone();
    beside.as_mut_os_string().push(format!(".{}.part", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if private { 0o600 } else { 0o644 });
    #[cfg(not(unix))]
    let _ = private;
    let mut opened = options.open(&beside);
    if opened.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists) {
        // A process with this number was killed while it wrote. In a container, each one has the same number.
        fs::remove_file(&beside)?;
        opened = options.open(&beside);
    }
    let written = opened
        .and_then(|mut open| {
            open.write_all(text.as_bytes())?;
            // A private file holds keys and tickets, which must outlast a power failure.
            if private { open.sync_all() } else { Ok(()) }
        })
        .and_then(|()| fs::rename(&beside, &target));
    if written.is_err() {
        // An error here most likely means that the temporary file was never created.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Locks `file` for a change by this process, until the returned handle is dropped. The lock is a file beside it. Creates
/// the folder of the file if there is none.
///
/// # Errors
/// Errors of the system.
pub fn lock(file: &Path) -> io::Result<File> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut lock_file = file.to_path_buf();
    lock_file.as_mut_os_string().push(".lock");
    // Whoever can open the file can hold the lock for ever, so only its owner may.
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let lock = options.open(&lock_file)?;
    #[cfg(unix)]
    if is_exposed(&lock.metadata()?) {
        lock.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    }
    lock.lock()?;
    Ok(lock)
}

/// Advice to the owner of a process that has no file descriptor left.
pub const TOO_MANY_OPEN_FILES: &str =
    "too many open files: raise the limit with `ulimit -n 4096`, or `LimitNOFILE=4096` in a systemd unit";

/// Returns true if a call failed because this process, or the whole system, has no file descriptor left.
#[must_use]
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    // Linux, macOS and the BSDs have the same numbers: ENFILE and EMFILE.
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

/// The reason why a socket could not accept a connection, with advice if the process has no file descriptor left.
#[must_use]
pub fn accept_problem(error: &io::Error) -> String {
    if is_out_of_descriptors(error) { TOO_MANY_OPEN_FILES.into() } else { error.to_string() }
}

/// Metadata of a file; `None` if there is no file.
///
/// # Errors
/// Errors of the system.
pub fn metadata(file: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(file) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tells if other users can read or write the file.
#[cfg(unix)]
#[must_use]
pub fn is_exposed(metadata: &Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0
}

/// On other systems, the access list of the user's profile folder protects the file.
#[cfg(not(unix))]
#[must_use]
pub fn is_exposed(_: &Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_files_whole_and_leaves_nothing_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ticket");
        for text in ["a longer text", "short"] {
            write(&file, text, true).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        assert!(write(&folder.path().join("no/such/folder"), "", false).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_remains_of_a_killed_process_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("stats.json");
        let remains = folder.path().join(format!("stats.json.{}.part", std::process::id()));
        fs::write(&remains, "half").unwrap();
        write(&file, "whole", false).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "whole");
        assert!(!remains.exists());
    }

    #[cfg(unix)]
    #[test]
    fn no_other_user_can_hold_a_lock() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let lock_file = folder.path().join("state.lock");
        let mode = || fs::metadata(&lock_file).unwrap().permissions().mode() & 0o777;
        drop(lock(&folder.path().join("state")).unwrap());
        assert_eq!(mode(), 0o600);
        // Earlier versions made it readable.
        fs::set_permissions(&lock_file, fs::Permissions::from_mode(0o644)).unwrap();
        drop(lock(&folder.path().join("state")).unwrap());
        assert_eq!(mode(), 0o600);
    }

    #[cfg(unix)]
    #[test]
    fn is_private_where_asked_and_follows_links_and_devices() {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        write(&file, "", true).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        symlink(&file, &link).unwrap();
        write(&link, "through", false).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "through");
        write(Path::new("/dev/null"), "x", true).unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }
}
