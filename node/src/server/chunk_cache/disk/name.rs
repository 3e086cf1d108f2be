//! What a chunk on disk is called: the hash of all that its bytes depend on.

use std::{
    collections::HashMap,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use blake3::{Hash, Hasher, OUT_LEN};
use bytes::Bytes;
use media_plugin_host::{Kind, Listing, PluginOrigin, Registry};
use media_protocol::{ChunkIndex, Rendition};

/// What a file's name ends with.
const ENDING: &str = ".chunk";
/// What that of one that is being written does.
const PART: &str = ".part";
/// Make these names differ from any other use of the hash. The number is raised when the files become others.
const CONTEXT: &str = "media-node 2026-11 chunk on disk 1";
const MAKER_CONTEXT: &str = "media-node 2026-11 chunk on disk 1, who made it";

/// A chunk's name. Two chunks that may differ in a byte have different ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct Name(Hash);

/// What a file in the folder is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Chunk(Name),
    /// Being written, or left over from a write that was broken off.
    Part,
}

impl Name {
    /// Of chunk `index` of `rendition`, made by `maker` from a file of that size, last written to at that time: a track's
    /// id names a sample of its file, so that a change in the middle can leave it as it is. `None` for a time before 1970.
    pub(super) fn new(
        maker: &Hash,
        (size, written): (u64, SystemTime),
        rendition: &Rendition,
        index: ChunkIndex,
    ) -> Option<Self> {
        let mut hasher = Hasher::new_derive_key(CONTEXT);
        hasher.update(maker.as_bytes());
        hasher.update(&size.to_le_bytes());
        hasher.update(&written.duration_since(UNIX_EPOCH).ok()?.as_nanos().to_le_bytes());
        hasher.update(&index.0.to_le_bytes());
        hasher.update(&serde_json::to_vec(rendition).ok()?);
        Some(Self(hasher.finalize()))
    }

    /// The name of its file.
    pub(super) fn file(&self) -> String {
        format!("{}{ENDING}", self.0)
    }

    /// What the name of its file begins and ends with while it is being written.
    pub(super) fn part(&self) -> (String, &'static str) {
        (format!("{}.", self.0), PART)
    }

    /// What follows the chunk in its file.
    pub(super) fn seal(&self, chunk: &[u8]) -> Hash {
        blake3::keyed_hash(self.0.as_bytes(), chunk)
    }

    /// The chunk in a file of this name, if it is exactly what was written there.
    pub(super) fn open(&self, file: Vec<u8>) -> Option<Bytes> {
        let (chunk, seal) = file.split_last_chunk::<OUT_LEN>()?;
        let length = chunk.len();
        (self.seal(chunk) == *seal).then(|| Bytes::from(file).slice(..length))
    }
}

impl Kept {
    /// `None` for a file that is not the cache's.
    pub(super) fn of(file: &str) -> Option<Self> {
        let (hash, rest) = file.split_at_checked(2 * OUT_LEN)?;
        let name = Name(Hash::from_hex(hash).ok()?);
        if name.file() == file {
            return Some(Self::Chunk(name));
        }
        (rest.starts_with('.') && rest.ends_with(PART)).then_some(Self::Part)
    }
}

/// What stands for each codec, by its id: what it says of itself, its library and this program, both with size and time of
/// writing, since not everybody who builds one anew raises its version.
pub(super) fn makers(registry: &Registry) -> HashMap<String, Hash> {
    let program = std::env::current_exe().ok().map(|it| stamp(&it));
    let maker = |listing: Listing| {
        let library = match &listing.origin {
            PluginOrigin::Loaded(path) => Some(stamp(path)),
            _ => None,
        };
        let who = (env!("CARGO_PKG_VERSION"), &program, &listing, library);
        let json = serde_json::to_vec(&who).ok()?;
        let hash = Hasher::new_derive_key(MAKER_CONTEXT).update(&json).finalize();
        Some((listing.id, hash))
    };
    registry.list().into_iter().filter(|it| it.kind == Kind::Codec).filter_map(maker).collect()
}

/// Size and time of writing; `None` where the system does not say.
fn stamp(file: &Path) -> Option<(u64, SystemTime)> {
    let metadata = file.metadata().ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}
