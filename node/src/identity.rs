//! Secrets of a node: its key, which gives it its identity, and the capability in its tickets. Each secret has a file that
//! only its owner can read.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;

use crate::files;

/// Secret of 32 bytes. `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub [u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Error about a secret. Each message is one line.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// An operation on the file failed.
    #[error("{} {}: {error}", .doing, .file.display())]
    Io {
        /// The operation, as in `reading`.
        doing: &'static str,
        /// The file of the secret.
        file: PathBuf,
        /// Error of the system.
        error: io::Error,
    },
    /// Other users can read the file.
    #[error("{file} can be read by others: restrict it to yourself (chmod 600 {file}), or remove it to get a new one", file = .0.display())]
    Exposed(PathBuf),
    /// The file does not contain a secret.
    #[error("{} contains no key: 64 hexadecimal digits expected; restore it, or remove it to get a new one", .0.display())]
    Malformed(PathBuf),
    /// The system gave no random bytes.
    #[error("no random bytes for a new key: {0}")]
    Random(getrandom::Error),
}

impl Secret {
    /// Reads a secret from its file. Creates the file with a random secret if it does not exist.
    ///
    /// # Errors
    /// If the file cannot be read or created, is readable by others, or contains no secret.
    pub fn load_or_create(file: &Path) -> Result<Self, SecretError> {
        let failed = |doing| move |error| SecretError::Io { doing, file: file.into(), error };
        match fs::File::open(file) {
            Ok(open) => Self::load(file, open),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let secret = Self::random()?;
                match create(file, &secret.0) {
                    // Another process created the file meanwhile; its secret counts.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        Self::load(file, fs::File::open(file).map_err(failed("reading"))?)
                    }
                    made => made.map(|()| secret).map_err(failed("creating")),
                }
            }
            Err(error) => Err(failed("reading")(error)),
        }
    }

    fn load(file: &Path, open: fs::File) -> Result<Self, SecretError> {
        let failed = |error| SecretError::Io { doing: "reading", file: file.into(), error };
        if files::is_exposed(&open.metadata().map_err(failed)?) {
            return Err(SecretError::Exposed(file.into()));
        }
        let mut text = String::new();
        // 66 bytes are one more than a secret and its line end, so that a longer file is found malformed.
        open.take(66).read_to_string(&mut text).map_err(failed)?;
        let bytes = HEXLOWER.decode(text.trim_end().as_bytes()).ok();
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| SecretError::Malformed(file.into()))
    }

    /// Creates a random secret that no file keeps.
    ///
    /// # Errors
    /// [`SecretError::Random`].
    pub fn random() -> Result<Self, SecretError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(SecretError::Random)?;
        Ok(Self(bytes))
    }

    /// Derives another secret from this one and `context`. Nobody can compute this one from the derived one.
    #[must_use]
    pub fn derive(&self, context: &str) -> Self {
        Self(blake3::derive_key(context, &self.0))
    }
}

/// Creates the file of a secret. Writes it under a temporary name and then links it to its name, so that a reader never finds
/// half a secret.
fn create(file: &Path, secret: &[u8; 32]) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut beside = file.to_path_buf();
    beside.as_mut_os_string().push(format!(".{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut opened = options.open(&beside);
    if opened.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists) {
        // A process with this number was killed while it wrote. In a container, each one has the same number.
        fs::remove_file(&beside)?;
        opened = options.open(&beside);
    }
    let made = opened.and_then(|mut open| {
        open.write_all((HEXLOWER.encode(secret) + "\n").as_bytes())?;
        open.sync_all()?;
        fs::hard_link(&beside, file)
    });
    let _ = fs::remove_file(&beside);
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/key");
        let secret = Secret::load_or_create(&file).unwrap();
        assert_eq!(Secret::load_or_create(&file).unwrap(), secret);
        assert_ne!(Secret::load_or_create(&folder.path().join("other")).unwrap(), secret);
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn the_remains_of_a_killed_process_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        fs::write(folder.path().join(format!("key.{}", std::process::id())), "half").unwrap();
        let secret = Secret::load_or_create(&file).unwrap();
        assert_eq!(Secret::load_or_create(&file).unwrap(), secret);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_secret_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let secret = Secret::load_or_create(&folder.path().join("key")).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[test]
    fn refuses_what_is_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        Secret::load_or_create(&file).unwrap();
        for text in ["", "abc", &"0".repeat(65), &"g".repeat(64)] {
            fs::write(&file, text).unwrap();
            assert!(matches!(Secret::load_or_create(&file), Err(SecretError::Malformed(_))), "{text:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn refuses_what_others_can_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        Secret::load_or_create(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Secret::load_or_create(&file), Err(SecretError::Exposed(_))));
    }
}
