use std::path::PathBuf;

/// Folder and capacity of the chunk cache on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskCacheConfig {
    /// The folder. The cache creates it if missing, and reads and removes only its own files in it.
    pub folder: PathBuf,
    /// Capacity in bytes. Each file counts as whole blocks of 4 KiB. If several nodes share the folder, each may
    /// exceed the capacity by a sixteenth.
    pub bytes: u64,
}
