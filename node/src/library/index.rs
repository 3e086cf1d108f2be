//! What was found, kept for the next start: one file for each library in the person's cache folder.
//!
//! Lines of JSON: what it is and of which library, then a track each, then the BLAKE3 of all before. It is taken whole or
//! not at all. The hash tells damage, not malice: whoever can write to the person's cache folder is that person. Still, what
//! comes of any bytes is bounded, and nothing outside of the library is taken from it.

use std::{
    fs::{self, File as DiskFile},
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    describe::is_text,
    file::{File, Look},
};
use crate::files;

/// Raised whenever an index of before would be misunderstood, or describes files otherwise than is done now.
const VERSION: u32 = 1;
/// The longest index, in bytes: some 700,000 tracks. A longer one is neither written nor read.
const MAX_BYTES: usize = 256 * 1024 * 1024;
/// Indexes of so many libraries are kept, those that were written last.
const MAX_INDEXES: usize = 16;
/// What follows the library in an index's name.
const ENDING: &str = "index";
/// Makes a library's name differ from any other use of the hash.
const CONTEXT: &str = "media-node 2026-01 library";

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    media_node_index: u32,
    library: String,
}

/// Where the index of a library is, and which library that is.
#[derive(Debug)]
pub(super) struct Index {
    folder: PathBuf,
    library: String,
    /// What it may name files under; empty where links may lead anywhere.
    roots: Vec<PathBuf>,
}

impl Index {
    /// Of what lies under `roots`, real paths, in this order.
    pub(super) fn new(folder: &Path, roots: Vec<PathBuf>, follow_links: bool) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        for root in &roots {
            let bytes = root.as_os_str().as_encoded_bytes();
            hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        }
        let library = hasher.update(&[u8::from(follow_links)]).finalize().to_hex().to_string();
        Self { folder: folder.to_owned(), library, roots: if follow_links { Vec::new() } else { roots } }
    }

    /// The tracks of the last scan; none where there is no index that can be used.
    pub(super) fn load(&self) -> Vec<File> {
        match self.read() {
            Ok(bytes) => self.parse(&bytes).unwrap_or_else(|| {
                tracing::debug!(file = %self.file().display(), "this index is damaged or another's");
                Vec::new()
            }),
            Err(error) => {
                tracing::debug!(file = %self.file().display(), "no index: {error}");
                Vec::new()
            }
        }
    }

    /// Replaces the index at once, so that another node that reads or writes it finds it whole.
    ///
    /// # Errors
    /// As the system says.
    pub(super) fn save<'a>(&self, looks: impl Iterator<Item = &'a Look>) -> io::Result<()> {
        let tracks = looks.filter_map(|look| if let Look::Track(file) = look { Some(file) } else { None });
        // A path that is no text cannot be written down: such a file is looked into at each start.
        let lines = tracks.filter_map(|file| serde_json::to_string(file.as_ref()).ok());
        let mut text = serde_json::to_string(&self.header())? + "\n";
        for line in lines {
            text.push_str(&line);
            text.push('\n');
            if text.len() > MAX_BYTES {
                return Err(io::Error::other("it would be too long"));
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

    fn header(&self) -> Header {
        Header { media_node_index: VERSION, library: self.library.clone() }
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        DiskFile::open(self.file())?.take(MAX_BYTES as u64 + 128).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Takes any bytes. Memory is a small multiple of theirs.
    fn parse(&self, bytes: &[u8]) -> Option<Vec<File>> {
        let end = bytes.iter().rposition(|it| *it == b'\n')? + 1;
        let (text, hash) = bytes.split_at(end);
        if blake3::hash(text).to_hex().as_bytes() != hash {
            return None;
        }
        let mut lines = text.split(|it| *it == b'\n').filter(|line| !line.is_empty());
        let header: Header = serde_json::from_slice(lines.next()?).ok()?;
        if header != self.header() {
            return None;
        }
        let file =
            |line| serde_json::from_slice(line).ok().filter(|it| self.is_sound(it)).map(File::with_words);
        lines.map(file).collect()
    }

    fn is_sound(&self, file: &File) -> bool {
        let texts = [&file.title, &file.artist, &file.album, &file.source.codec];
        let path = &file.at.path;
        let is_inside = self.roots.is_empty() || self.roots.iter().any(|root| path.starts_with(root));
        is_inside && path.is_absolute() && texts.into_iter().all(|it| is_text(it))
    }

    fn remove_old(&self) -> io::Result<()> {
        let mut indexes = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Also what is left of one that was broken off.
            let is_ours = entry.file_name().to_string_lossy().contains(&format!(".{ENDING}"));
            if let Ok(modified) = entry.metadata().and_then(|it| it.modified())
                && is_ours
            {
                indexes.push((modified, entry.path()));
            }
        }
        indexes.sort_by(|a, b| b.cmp(a));
        for (_, path) in indexes.into_iter().skip(MAX_INDEXES) {
            // Another node may have done it.
            let _ = fs::remove_file(path);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
