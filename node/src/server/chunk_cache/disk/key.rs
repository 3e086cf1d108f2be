use std::{
    collections::HashMap,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use blake3::{Hash, Hasher, OUT_LEN};
use bytes::Bytes;
use media_plugin_host::{Kind, Listing, PluginOrigin, Registry};
use media_protocol::{ChunkIndex, Rendition};

use crate::server::chunk_cache::cached_chunk::CachedChunk;

/// File name ending of a cached chunk.
const ENDING: &str = ".chunk";
/// File name ending of a chunk that is being written.
const PART: &str = ".part";
/// Bytes of a file behind the chunk: the silenced frames, and the hash.
pub(super) const APPENDED: usize = size_of::<u32>() + OUT_LEN;
/// Key derivation contexts of BLAKE3, which make these keys differ from other hashes of the same bytes. A change
/// of the files' format must raise the number.
const CONTEXT: &str = "media-node 2026-11 chunk on disk 2";
const FINGERPRINT_CONTEXT: &str = "media-node 2026-11 chunk on disk 2, who made it";

/// Name of a cached chunk: a hash of everything that the bytes of the chunk depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct DiskKey(Hash);

/// Kind of a file of the cache, known from its name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CacheFile {
    Chunk(DiskKey),
    /// A chunk that is being written, or a leftover of an interrupted write.
    Part,
}

impl DiskKey {
    /// The key of chunk `index` of `rendition`, encoded by the codec with that fingerprint from a file with
    /// that size and time of change. The track's id alone is not enough, since it depends on some parts of the
    /// file only. `None` for a time before 1970.
    pub(super) fn new(
        fingerprint: &Hash,
        (size, modified): (u64, SystemTime),
        rendition: &Rendition,
        index: ChunkIndex,
    ) -> Option<Self> {
        let mut hasher = Hasher::new_derive_key(CONTEXT);
        hasher.update(fingerprint.as_bytes());
        hasher.update(&size.to_le_bytes());
        hasher.update(&modified.duration_since(UNIX_EPOCH).ok()?.as_nanos().to_le_bytes());
        hasher.update(&index.0.to_le_bytes());
        hasher.update(&serde_json::to_vec(rendition).ok()?);
        Some(Self(hasher.finalize()))
    }

    /// File name of the chunk.
    pub(super) fn file(&self) -> String {
        format!("{}{ENDING}", self.0)
    }

    /// Beginning and ending of the file name while the chunk is being written.
    pub(super) fn part_file(&self) -> (String, &'static str) {
        (format!("{}.", self.0), PART)
    }

    /// The bytes that follow the chunk in its file: the silenced frames and the seal.
    pub(super) fn appended(&self, chunk: &CachedChunk) -> [u8; APPENDED] {
        let mut appended = [0; APPENDED];
        let (silenced, seal) = appended.split_at_mut(size_of::<u32>());
        silenced.copy_from_slice(&chunk.silenced.to_le_bytes());
        let mut hasher = Hasher::new_keyed(self.0.as_bytes());
        hasher.update(&chunk.bytes).update(silenced);
        seal.copy_from_slice(hasher.finalize().as_bytes());
        appended
    }

    /// The chunk in the content of its file, if the seal matches.
    pub(super) fn open(&self, file: Vec<u8>) -> Option<CachedChunk> {
        let (sealed, seal) = file.split_last_chunk::<OUT_LEN>()?;
        if blake3::keyed_hash(self.0.as_bytes(), sealed) != *seal {
            return None;
        }
        let (chunk, silenced) = sealed.split_last_chunk()?;
        let length = chunk.len();
        let silenced = u32::from_le_bytes(*silenced);
        Some(CachedChunk { bytes: Bytes::from(file).slice(..length), silenced })
    }
}

impl CacheFile {
    /// Kind of the file with this name. `None` for a file that does not belong to the cache.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let (hash, rest) = name.split_at_checked(2 * OUT_LEN)?;
        let key = DiskKey(Hash::from_hex(hash).ok()?);
        if key.file() == name {
            return Some(Self::Chunk(key));
        }
        (rest.starts_with('.') && rest.ends_with(PART)).then_some(Self::Part)
    }
}

/// One hash for each codec, by its id. It depends on the codec's description, on the shared library that holds the
/// codec, and on this program. The size and time of change of both files count, since a new build does not always
/// raise the version.
pub(super) fn codec_fingerprints(registry: &Registry) -> HashMap<String, Hash> {
    let program = std::env::current_exe().ok().map(|path| stamp(&path));
    let fingerprint = |listing: Listing| {
        let library = match &listing.origin {
            PluginOrigin::Loaded(path) => Some(stamp(path)),
            _ => None,
        };
        let inputs = (env!("CARGO_PKG_VERSION"), &program, &listing, library);
        let json = serde_json::to_vec(&inputs).ok()?;
        let hash = Hasher::new_derive_key(FINGERPRINT_CONTEXT).update(&json).finalize();
        Some((listing.id, hash))
    };
    let codecs = registry.list().into_iter().filter(|listing| listing.kind == Kind::Codec);
    codecs.filter_map(fingerprint).collect()
}

/// Size and time of change of a file; `None` if the system does not tell.
fn stamp(file: &Path) -> Option<(u64, SystemTime)> {
    let metadata = file.metadata().ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}
