//! The index: descriptions of the tracks and skipped files on disk, so that the next start need not read all headers
//! again.
//!
//! Each library has one file in the owner's cache folder. The file has lines of JSON: a header, one line a
//! file, and the BLAKE3 hash of all lines before. The node ignores a damaged index as a whole. The hash
//! detects damage. It does not detect tampering, since only the owner can write to the folder. Still, the
//! parser accepts any bytes in bounded memory, and rejects paths outside of the library.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    root::FolderId,
    track_file::{ScannedEntry, SkippedFile, TrackFile, is_bounded_text},
};
use crate::files;

/// Version of the format and of the descriptions in it. The node ignores an index of another version. The version rises if a
/// kind of file becomes supported, so that the node reads the files of that kind again.
const VERSION: u32 = 4;
/// Size limit of an index in bytes, about 700,000 tracks. A longer index is neither written nor read.
const MAX_BYTES: usize = 256 * 1024 * 1024;
/// Greatest number of indexes in the folder. The node removes the oldest ones. Tested by
/// `the_oldest_indexes_are_removed`.
const MAX_INDEXES: usize = 16;
/// File name ending of an index.
const ENDING: &str = "index";
/// Key derivation context of BLAKE3: keeps library names apart from other hashes.
const CONTEXT: &str = "media-node 2026-01 library";

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    media_node_index: u32,
    library: String,
    /// For each folder of the library, its identity when it last had files.
    filled: Vec<Option<FolderId>>,
}

/// The content of an index.
#[derive(Debug, Default)]
pub(super) struct IndexContent {
    /// The files of the last scan.
    pub(super) files: Vec<ScannedEntry>,
    /// For each folder of the library, its identity when it last had files.
    pub(super) filled: Vec<Option<FolderId>>,
}

/// A line of a file.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Track(Box<TrackFile>),
    Skipped(SkippedFile),
}

/// The index of one library.
#[derive(Debug)]
pub(super) struct Index {
    folder: PathBuf,
    /// Hash that names the library's folders.
    library: String,
    /// Folders below which every track must lie. Empty if the scan follows links, since these may lead anywhere.
    roots: Vec<PathBuf>,
}

impl Index {
    /// The index of the library below `roots`, which are absolute paths without symbolic links.
    pub(super) fn new(folder: &Path, roots: Vec<PathBuf>, follow_links: bool) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        for root in &roots {
            let bytes = root.as_os_str().as_encoded_bytes();
            hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        }
        let library = hasher.update(&[u8::from(follow_links)]).finalize().to_hex().to_string();
        Self { folder: folder.to_owned(), library, roots: if follow_links { Vec::new() } else { roots } }
    }

    /// The results of the last scan; empty without a usable index.
    pub(super) fn load(&self) -> IndexContent {
        match self.read() {
            Ok(bytes) => self.parse(&bytes).unwrap_or_else(|| {
                tracing::debug!(file = %self.file().display(), "ignored the index: it is damaged, or belongs to another library or version");
                IndexContent::default()
            }),
            Err(error) => {
                tracing::debug!(file = %self.file().display(), "cannot read the index: {error}");
                IndexContent::default()
            }
        }
    }

    /// Replaces the index atomically, so that another node that shares the folder never reads half of it.
    ///
    /// # Errors
    /// The system's error, or an error if the index would be longer than [`MAX_BYTES`].
    pub(super) fn save<'a>(
        &self,
        scanned: impl Iterator<Item = &'a ScannedEntry>,
        filled: Vec<Option<FolderId>>,
    ) -> io::Result<()> {
        // A path that is not UTF-8 cannot be saved: the node reads such a file's headers at each start. A file that cannot be
        // read at present may be readable at the next start.
        let lines = scanned.filter(|entry| !entry.is_unreadable()).filter_map(|entry| match entry {
            ScannedEntry::Track(file) => serde_json::to_string(&**file).ok(),
            ScannedEntry::Skipped(file) => serde_json::to_string(&**file).ok(),
        });
        let mut text = serde_json::to_string(&self.header(filled))? + "\n";
        for line in lines {
            text.push_str(&line);
            text.push('\n');
            if text.len() > MAX_BYTES {
                return Err(io::Error::other("the library is too large for an index"));
            }
        }
        let hash = blake3::hash(text.as_bytes()).to_hex();
        text.push_str(&hash);
        fs::create_dir_all(&self.folder)?;
        files::write(&self.file(), &text, true)?;
        self.remove_old()
    }

    fn file(&self) -> PathBuf {
        self.folder.join(&self.library[..16]).with_extension(ENDING)
    }

    fn header(&self, filled: Vec<Option<FolderId>>) -> Header {
        Header { media_node_index: VERSION, library: self.library.clone(), filled }
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.file())?.take(MAX_BYTES as u64 + 128).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Parses any bytes. Takes at most a small multiple of their length in memory.
    fn parse(&self, bytes: &[u8]) -> Option<IndexContent> {
        let end = bytes.iter().rposition(|byte| *byte == b'\n')? + 1;
        let (text, hash) = bytes.split_at(end);
        if blake3::hash(text).to_hex().as_bytes() != hash {
            return None;
        }
        let mut lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let header: Header = serde_json::from_slice(lines.next()?).ok()?;
        if header.media_node_index != VERSION || header.library != self.library {
            return None;
        }
        let files = lines.map(|line| self.parse_line(line)).collect::<Option<_>>()?;
        Some(IndexContent { files, filled: header.filled })
    }

    fn parse_line(&self, line: &[u8]) -> Option<ScannedEntry> {
        let (entry, is_bounded) = match serde_json::from_slice(line).ok()? {
            Line::Track(file) => {
                let is_bounded = file.is_bounded();
                (ScannedEntry::Track(Arc::new((*file).shrunk())), is_bounded)
            }
            Line::Skipped(file) => {
                let is_bounded = is_bounded_text(file.reason.text());
                (ScannedEntry::Skipped(Arc::new(file)), is_bounded)
            }
        };
        let path = &entry.entry().path;
        let is_inside = self.roots.is_empty() || self.roots.iter().any(|root| path.starts_with(root));
        (is_inside && path.is_absolute() && is_bounded).then_some(entry)
    }

    fn remove_old(&self) -> io::Result<()> {
        let mut indexes = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // This includes leftovers of interrupted writes.
            let is_ours = entry.file_name().to_string_lossy().contains(&format!(".{ENDING}"));
            if let Ok(modified) = entry.metadata().and_then(|metadata| metadata.modified())
                && is_ours
            {
                indexes.push((modified, entry.path()));
            }
        }
        indexes.sort_by(|a, b| b.cmp(a));
        for (_, path) in indexes.into_iter().skip(MAX_INDEXES) {
            // An error is harmless: another node may have removed the file already.
            let _ = fs::remove_file(path);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
