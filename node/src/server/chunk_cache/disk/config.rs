use std::path::PathBuf;

/// Folder and capacity of the chunk cache on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskCacheConfig {
    /// The folder; created if missing. The cache reads and removes only files of its own in it.
    pub folder: PathBuf,
    /// Capacity in bytes; each file counts in whole blocks of 4 KiB. Nodes that share the folder may each
    /// exceed it by a sixteenth.
    pub bytes: u64,
}
