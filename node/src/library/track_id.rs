//! Track ids: hashes of a file's size and of three samples of its content, so the same at every start and on every node that
//! has the file. Further copies in one library get ids that also depend on their order there.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use media_protocol::{IdError, TrackId};

use super::track_file::FileEntry;
use crate::files::is_out_of_descriptors;

/// Length of an id in hexadecimal digits: 64 bits, enough for a billion files without a collision. Tested by
/// `ids_are_the_same_for_ever`.
const ID_LENGTH: usize = 16;
/// Length of each part of a file's content that the hash reads, in bytes. Tested by `ids_are_the_same_for_ever`.
const SAMPLE: u64 = 4096;
/// Key derivation context of BLAKE3, which makes track ids differ from other hashes of the same bytes.
const CONTEXT: &str = "media-node 2026-01 track id";

/// The id of a file's content.
///
/// # Errors
/// Only if the process has no file descriptor left.
pub(super) fn content_id(file: &FileEntry) -> io::Result<TrackId> {
    hashed_id(fingerprint(file)?.as_bytes(), 0).map_err(io::Error::other)
}

/// The id of a file of which `copies_before` other copies come earlier in the library.
pub(super) fn copy_id(first: &TrackId, copies_before: u64) -> TrackId {
    if copies_before == 0 {
        return first.clone();
    }
    // Hexadecimal digits always make a valid id.
    hashed_id(first.as_str().as_bytes(), copies_before).unwrap_or_else(|_| first.clone())
}

/// Hashes a file's size, and [`SAMPLE`] bytes at its beginning, middle and end, which hold tags and audio. To hash
/// whole files would make the first start with a large library take minutes.
fn fingerprint(file: &FileEntry) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(&file.size.to_le_bytes());
    let mut add_samples = || -> io::Result<()> {
        let mut open = File::open(&file.path)?;
        for offset in [0, file.size / 2, file.size.saturating_sub(SAMPLE)] {
            open.seek(SeekFrom::Start(offset))?;
            hasher.update_reader((&mut open).take(SAMPLE))?;
        }
        Ok(())
    };
    match add_samples() {
        Err(error) if is_out_of_descriptors(&error) => Err(error),
        // Another error is harmless: the scan has skipped such a file already, or the node refuses it when a client plays it.
        _ => Ok(hasher.finalize()),
    }
}

fn hashed_id(content: &[u8], copies_before: u64) -> Result<TrackId, IdError> {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(content);
    hasher.update(&copies_before.to_le_bytes());
    let mut text = hasher.finalize().to_hex().to_string();
    text.truncate(ID_LENGTH);
    text.parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_of(content: &[u8]) -> TrackId {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, content).unwrap();
        let metadata = path.metadata().unwrap();
        content_id(&FileEntry::new(path, &metadata)).unwrap()
    }

    /// A changed id breaks playlists and caches of other nodes.
    #[test]
    fn ids_are_the_same_for_ever() {
        let content: Vec<u8> = (0..100_000_u32).map(|number| (number / 7) as u8).collect();
        let id = id_of(&content);
        assert_eq!(id.as_str(), "7a1699b434823bc8");
        assert_eq!(copy_id(&id, 0), id);
        assert_eq!(copy_id(&id, 1).as_str(), "28788d306c2b3197");
        // Head, middle and tail are sampled, 4096 bytes each.
        for sampled in [0, 4095, 50_000, 54_095, 95_904, 99_999] {
            let mut changed = content.clone();
            changed[sampled] ^= 1;
            assert_ne!(id_of(&changed), id, "byte {sampled}");
        }
        for ignored in [4096, 49_999, 54_096, 95_903] {
            let mut changed = content.clone();
            changed[ignored] ^= 1;
            assert_eq!(id_of(&changed), id, "byte {ignored}");
        }
        assert_ne!(id_of(&[content.as_slice(), &[0]].concat()), id);
    }
}
