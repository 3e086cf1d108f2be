//! The list that `ls` printed last for each node, so that a number means the line that a person saw.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use media_protocol::{Ticket, Track, TrackId};
use serde::{Deserialize, Serialize};

use super::Context;
use crate::{files, library::Album};

/// Version of the file. A file of another version is ignored.
const VERSION: u32 = 1;
/// Size limit of a file in bytes: a list of a million tracks. A longer one is neither written nor read.
const MAX_BYTES: u64 = 128 * 1024 * 1024;
/// Number of lists that are kept; the oldest are removed. Tested by `the_oldest_lists_are_removed`.
const MAX_LISTS: usize = 64;
/// Characters of a track's title that are kept.
const MAX_TITLE: usize = 60;
/// Key derivation context of BLAKE3 for names of files.
const CONTEXT: &str = "media-node 2026-11 printed list";

/// The lines of a printed list. Line 1 is the first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PrintedList {
    version: u32,
    lines: Vec<PrintedLine>,
}

/// An album or a track in a printed list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PrintedLine {
    /// Title of the album or track, to name it to a person.
    pub(super) title: String,
    /// The tracks, in the order of playing.
    pub(super) tracks: Vec<TrackId>,
}

impl PrintedList {
    /// A list with a line for each album.
    pub(super) fn of_albums(albums: &[Album]) -> Self {
        let line = |album: &Album| PrintedLine {
            title: if album.title.is_empty() { album.artist.clone() } else { album.title.clone() },
            tracks: album.tracks.iter().map(|track| track.id.clone()).collect(),
        };
        Self { version: VERSION, lines: albums.iter().map(line).collect() }
    }

    /// Appends a line for each track.
    pub(super) fn append_tracks(&mut self, tracks: &[Track]) {
        self.version = VERSION;
        let line = |track: &Track| PrintedLine {
            title: track.title.chars().take(MAX_TITLE).collect(),
            tracks: vec![track.id.clone()],
        };
        self.lines.extend(tracks.iter().map(line));
    }

    /// Number of lines.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// A line by its number.
    pub(super) fn line(&self, number: usize) -> Option<&PrintedLine> {
        self.lines.get(number.checked_sub(1)?)
    }

    /// Reads the list of a node. `None` if there is none that can be read.
    pub(super) fn load(context: &Context, ticket: &Ticket) -> Option<Self> {
        Self::read(&file(context, ticket)?)
    }

    /// Keeps the list of a node. A failure is only logged, since the list is printed already.
    pub(super) fn save(&self, context: &Context, ticket: &Ticket) {
        let Some(file) = file(context, ticket) else { return };
        if let Err(error) = self.write(&file) {
            tracing::warn!("cannot keep the list in {}: {error}", file.display());
        }
    }

    fn read(file: &Path) -> Option<Self> {
        let mut text = String::new();
        File::open(file).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
        serde_json::from_str::<Self>(&text).ok().filter(|list| list.version == VERSION)
    }

    fn write(&self, file: &Path) -> io::Result<()> {
        let text = serde_json::to_string(self)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(io::Error::other("the list is too long"));
        }
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
            files::write(file, &text, true)?;
            remove_old(folder)?;
        }
        Ok(())
    }
}

/// The file of a node's list. Its name is a hash of the node's identity.
fn file(context: &Context, ticket: &Ticket) -> Option<PathBuf> {
    let peer = &ticket.routes.first()?.peer;
    let hash = blake3::Hasher::new_derive_key(CONTEXT).update(peer.as_bytes()).finalize().to_hex();
    Some(context.config.node.key.with_file_name("lists").join(&hash.as_str()[..16]).with_extension("json"))
}

fn remove_old(folder: &Path) -> io::Result<()> {
    let mut lists = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        lists.push((entry.metadata()?.modified()?, entry.path()));
    }
    lists.sort_by(|a, b| b.cmp(a));
    for (_, path) in lists.into_iter().skip(MAX_LISTS) {
        // Another command may have removed it already.
        let _ = fs::remove_file(path);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(title: &str) -> PrintedList {
        let line = PrintedLine { title: title.into(), tracks: vec!["a1".parse().unwrap()] };
        PrintedList { version: VERSION, lines: vec![line] }
    }

    #[test]
    fn a_list_comes_back_and_a_damaged_or_newer_one_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lists/a.json");
        assert_eq!(PrintedList::read(&file), None);
        list("x").write(&file).unwrap();
        let read = PrintedList::read(&file).unwrap();
        assert_eq!(read, list("x"));
        assert_eq!((read.line(1), read.line(0), read.line(2)), (list("x").line(1), None, None));
        for text in [
            "",
            "{}",
            "{\"version\":2,\"lines\":[]}",
            "{\"version\":1,\"lines\":[{\"title\":\"x\",\"tracks\":[\"A\"]}]}",
        ] {
            fs::write(&file, text).unwrap();
            assert_eq!(PrintedList::read(&file), None, "{text}");
        }
    }

    #[test]
    fn the_oldest_lists_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..70 {
            list("x").write(&folder.path().join(format!("{number}.json"))).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 64);
    }
}
