//! Small files that a person asked for: written whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// Writes `text` to `file`. A regular file is replaced at once, so that whoever waits for it finds it whole, and with
/// `private` only its owner may read it. Anything else that is there (a pipe, a device) is written to.
///
/// # Errors
/// As the system says; nothing is left behind.
pub fn write(file: &Path, text: &str, private: bool) -> io::Result<()> {
    // Through a link: what it leads to is replaced, not the link.
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
    let written = options
        .open(&beside)
        .and_then(|mut open| open.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&beside, &target));
    if written.is_err() {
        // What can't be removed could most likely not be made.
        let _ = fs::remove_file(&beside);
    }
    written
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
