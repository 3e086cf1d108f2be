use std::{collections::HashMap, path::PathBuf, time::SystemTime};

use super::track_file::{FileEntry, ScannedEntry, nanos};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The times at which files came into the library, for those whose headers a scan reads.
///
/// A changed file keeps its time. A new file came now; but the files of a first scan came when they were last changed, as far
/// as the node can tell.
pub(super) struct AddedTimes {
    known: HashMap<PathBuf, u64>,
    /// Now, in seconds since 1970.
    now: u64,
    is_first_scan: bool,
}

impl AddedTimes {
    /// Takes the times from the scan before.
    pub(super) fn new(scanned: &[ScannedEntry]) -> Self {
        let known = scanned.iter().filter_map(|entry| match entry {
            ScannedEntry::Track(file) => Some((file.entry.path.clone(), file.added)),
            ScannedEntry::Skipped(_) => None,
        });
        let now = nanos(Some(SystemTime::now())) / NANOS_PER_SECOND;
        Self { known: known.collect(), now, is_first_scan: scanned.is_empty() }
    }

    /// Time of a file, in seconds since 1970.
    pub(super) fn of(&self, entry: &FileEntry) -> u64 {
        let changed = entry.modified / NANOS_PER_SECOND;
        let new = if self.is_first_scan && changed > 0 { changed.min(self.now) } else { self.now };
        self.known.get(&entry.path).copied().unwrap_or(new)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::library::test_support::track_file;

    #[test]
    fn a_changed_file_keeps_its_time_and_a_new_one_comes_now() {
        let known = ScannedEntry::Track(Arc::new(track_file("/a", 1)));
        let entry = |path: &str| FileEntry { path: path.into(), size: 9, modified: 3 * NANOS_PER_SECOND };
        let times = AddedTimes::new(&[known]);
        assert_eq!(times.of(&entry("/a")), 7);
        assert!(times.of(&entry("/b")) > 1_700_000_000);
        let first = AddedTimes::new(&[]);
        assert_eq!(first.of(&entry("/b")), 3);
        assert!(first.of(&FileEntry { modified: 0, ..entry("/b") }) > 1_700_000_000);
    }
}
