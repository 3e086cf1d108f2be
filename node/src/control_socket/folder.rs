//! The folder of the sockets: readable by its owner only.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;

/// Bytes of the hash in a socket's name. They tell the nodes of one person apart.
const HASH: usize = 8;

/// Creates and checks the folder of the sockets, and returns it: `$XDG_RUNTIME_DIR/media-node`, or else the folder
/// `run` beside the key.
///
/// # Errors
/// Errors of the system, and `PermissionDenied` if the folder belongs to another user.
pub fn open_folder(key: &Path) -> io::Result<PathBuf> {
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for folder in folders(key, env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)) {
        match make_private(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) => failed = io::Error::new(error.kind(), format!("{}: {error}", folder.display())),
        }
    }
    Err(failed)
}

/// Places where a process with this role and key may have its socket, the most likely one first.
#[must_use]
pub fn socket_paths(role: &str, key: &Path) -> Vec<PathBuf> {
    let folders = folders(key, env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from));
    folders.into_iter().map(|folder| folder.join(socket_name(role, key))).collect()
}

/// File name of the socket of a process: its role, and a hash of the path of its key.
#[must_use]
pub fn socket_name(role: &str, key: &Path) -> String {
    let key = key.canonicalize().or_else(|_| std::path::absolute(key)).unwrap_or_else(|_| key.into());
    let hash = blake3::hash(key.as_os_str().as_encoded_bytes());
    format!("{role}-{}.sock", HEXLOWER.encode(&hash.as_bytes()[..HASH]))
}

/// Candidates, the preferred one first.
fn folders(key: &Path, runtime: Option<PathBuf>) -> Vec<PathBuf> {
    // The XDG base directory specification has a relative path ignored.
    let runtime = runtime.filter(|folder| folder.is_absolute()).map(|folder| folder.join("media-node"));
    runtime.into_iter().chain([key.with_file_name("run")]).collect()
}

#[cfg(unix)]
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let metadata = fs::symlink_metadata(folder)?;
    if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() {
        let message = "it is not a folder of this user";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    if metadata.mode() & 0o077 != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_folder_comes_first_if_its_path_is_absolute() {
        let key = Path::new("/data/key");
        let beside = PathBuf::from("/data/run");
        assert_eq!(folders(key, None), [beside.clone()]);
        assert_eq!(folders(key, Some("relative".into())), [beside.clone()]);
        assert_eq!(folders(key, Some("".into())), [beside.clone()]);
        assert_eq!(folders(key, Some("/run/user/7".into())), ["/run/user/7/media-node".into(), beside]);
    }

    #[test]
    fn each_role_and_key_has_a_name_of_its_own() {
        let (one, two) = (Path::new("/no/such/key"), Path::new("/no/such/key2"));
        assert_eq!(socket_name("serve", one), socket_name("serve", one));
        assert_ne!(socket_name("serve", one), socket_name("serve", two));
        assert_ne!(socket_name("serve", one), socket_name("player", one));
    }

    #[cfg(unix)]
    #[test]
    fn the_folder_becomes_private_and_a_file_or_link_in_its_place_is_refused() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("new/run");
        make_private(&folder).unwrap();
        let mode = |folder: &Path| fs::metadata(folder).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        make_private(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        let link = home.path().join("link");
        symlink(&folder, &link).unwrap();
        assert_eq!(make_private(&link).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        let file = home.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(make_private(&file).is_err());
    }
}
