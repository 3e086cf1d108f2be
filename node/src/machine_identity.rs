//! Transport identities of the processes of one machine.
//!
//! A relay delivers to the newest endpoint of a key only, so no two running processes share an identity. `serve` alone
//! uses the node's key. Each client takes the first identity that no other process uses; all of them follow from the
//! node's key, so they stay the same, and the node knows the clients of its own machine.

use std::path::{Path, PathBuf};

use crate::{
    identity::{Secret, SecretError},
    process_lock::{LockError, ProcessLock, Role},
};

/// Client processes at once that have a lasting identity. A further one has an identity for its own run only. Test
/// `each_client_has_an_identity_of_its_own_and_the_next_one_reuses_it`.
const MAX_CLIENTS: usize = 8;

/// An identity that this process uses until it is dropped.
#[derive(Debug)]
pub struct ProcessIdentity {
    /// Its key.
    pub key: Secret,
    /// `None` for an identity that no other process can have.
    _lock: Option<ProcessLock>,
}

impl ProcessIdentity {
    /// The identity of a key that no other process uses.
    #[must_use]
    pub fn of(key: Secret) -> Self {
        Self { key, _lock: None }
    }

    /// Takes the first free client identity of the node with this key and key file.
    ///
    /// # Errors
    /// If the system gives no random bytes for an identity beyond those.
    pub fn of_client(key_file: &Path, node: &Secret) -> Result<Self, SecretError> {
        for (lock_file, key) in client_locks(key_file).zip(client_keys(node)) {
            match ProcessLock::take(&lock_file, Role::Play) {
                Ok(lock) => return Ok(Self { key, _lock: Some(lock) }),
                Err(LockError::Held(_)) => {}
                Err(LockError::Io(error)) => {
                    tracing::warn!(
                        "this run has an identity of its own, since {} cannot be locked: {error}",
                        lock_file.display()
                    );
                    break;
                }
            }
        }
        Ok(Self::of(Secret::random()?))
    }
}

/// The keys of all lasting client identities of a node, in the order in which clients take them.
pub fn client_keys(node: &Secret) -> impl Iterator<Item = Secret> {
    (1..=MAX_CLIENTS).map(|number| node.derive(&format!("media-node 2026 identity of client {number}")))
}

/// The lock files of all client identities, in the same order.
pub fn client_locks(key_file: &Path) -> impl Iterator<Item = PathBuf> {
    (1..=MAX_CLIENTS).map(|number| beside(key_file, &format!(".play-{number}.lock")))
}

/// The lock file of the node's own identity.
#[must_use]
pub fn node_lock(key_file: &Path) -> PathBuf {
    beside(key_file, ".serve.lock")
}

/// A file beside the key. A link to the key leads to the same files.
fn beside(key_file: &Path, ending: &str) -> PathBuf {
    let mut path = key_file.canonicalize().unwrap_or_else(|_| key_file.to_path_buf());
    path.as_mut_os_string().push(ending);
    path
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_client_has_an_identity_of_its_own_and_the_next_one_reuses_it() {
        let folder = tempfile::tempdir().unwrap();
        let (file, node) = (folder.path().join("key"), Secret([7; 32]));
        let take = || ProcessIdentity::of_client(&file, &node).unwrap();
        let mut running: Vec<_> = (0..=MAX_CLIENTS).map(|_| take()).collect();
        let keys: Vec<_> = running.iter().map(|identity| identity.key.0).collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), MAX_CLIENTS + 1, "no two are the same");
        let lasting: Vec<_> = client_keys(&node).map(|key| key.0).collect();
        assert_eq!(keys[..MAX_CLIENTS], lasting);
        assert!(!lasting.contains(&node.0), "the node's own key stays with `serve`");
        running.remove(2);
        assert_eq!(take().key.0, lasting[2]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_the_key_leads_to_the_same_lock() {
        let folder = tempfile::tempdir().unwrap();
        let [key, link] = ["key", "link"].map(|name| folder.path().join(name));
        std::fs::write(&key, "").unwrap();
        std::os::unix::fs::symlink(&key, &link).unwrap();
        assert_eq!(node_lock(&link), node_lock(&key));
    }
}
