use proptest::prelude::*;

use super::{super::skipped::SkipReason, *};
use crate::library::test_support::track_file;

fn file(number: u64) -> TrackFile {
    let mut file = track_file(&format!("/music/{number}.flac"), number);
    file.tags.artists = vec!["Artist".into()];
    file.tags.date = "1977-03".parse().ok();
    file.tags.side = Some('B');
    file
}

fn index(folder: &Path, root: &str) -> Index {
    Index::new(folder, vec![root.into()], false)
}

fn scanned(files: impl IntoIterator<Item = TrackFile>) -> Vec<ScannedEntry> {
    files.into_iter().map(|file| ScannedEntry::Track(Arc::new(file))).collect()
}

fn skipped(number: u64, reason: SkipReason) -> ScannedEntry {
    ScannedEntry::Skipped(Arc::new(SkippedFile { entry: file(number).entry, reason }))
}

/// `text` as a file of the index: followed by a line end and its hash.
fn sealed(text: &[u8]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    bytes.push(b'\n');
    let hash = blake3::hash(&bytes);
    bytes.extend_from_slice(hash.to_hex().as_bytes());
    bytes
}

#[test]
fn what_was_saved_is_loaded_with_the_files_that_are_skipped_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let index = index(&folder.path().join("not/yet"), "/music");
    assert_eq!(index.load().files, []);
    let mut all = scanned([file(1), file(2)]);
    all.push(skipped(3, SkipReason::Unsupported("WMA".into())));
    all.push(skipped(4, SkipReason::Damaged("the file is damaged".into())));
    all.push(skipped(5, SkipReason::Unreadable("permission denied".into())));
    index.save(all.iter(), Vec::new()).unwrap();
    assert_eq!(index.load().files, all[..4]);
    index.save(scanned([file(4)]).iter(), Vec::new()).unwrap();
    assert_eq!(index.load().files, scanned([file(4)]));
}

#[test]
fn the_index_of_another_library_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let music = index(folder.path(), "/music");
    music.save(scanned([file(1)]).iter(), Vec::new()).unwrap();
    assert_eq!(index(folder.path(), "/other").load().files, []);
    assert_eq!(Index::new(folder.path(), vec!["/music".into()], true).load().files, []);
    let other = index(folder.path(), "/other");
    fs::rename(music.file(), other.file()).unwrap();
    assert_eq!(other.load().files, []);
}

#[test]
fn nothing_outside_of_the_library_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let index = index(folder.path(), "/music");
    for path in ["/secret/1.flac", "relative.flac"] {
        let mut outside = file(1);
        outside.entry.path = path.into();
        index.save(scanned([file(2), outside.clone()]).iter(), Vec::new()).unwrap();
        assert_eq!(index.load().files, [], "{path}");
        let reason = SkipReason::Unsupported("WMA".into());
        let outside = SkippedFile { entry: outside.entry, reason };
        index.save([ScannedEntry::Skipped(Arc::new(outside))].iter(), Vec::new()).unwrap();
        assert_eq!(index.load().files, [], "{path}");
    }
}

#[test]
fn any_change_of_a_byte_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let index = index(folder.path(), "/music");
    index.save(scanned([file(1)]).iter(), Vec::new()).unwrap();
    let whole = fs::read(index.file()).unwrap();
    assert!(index.parse(&whole).is_some());
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        assert!(index.parse(&damaged).is_none(), "byte {place}");
        assert!(index.parse(&whole[..place]).is_none(), "cut at {place}");
    }
}

#[test]
fn the_oldest_indexes_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.txt"), "kept").unwrap();
    for number in 0..20 {
        index(folder.path(), &format!("/{number}")).save([].iter(), Vec::new()).unwrap();
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 16 + 1);
}

proptest! {
    #[test]
    fn any_bytes_are_passed_over(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(index(Path::new("/none"), "/music").parse(&bytes).is_none());
    }

    #[test]
    fn any_lines_of_a_sound_file_are_taken_whole_or_not_at_all(
        line in "[\\PC\n]{0,200}",
        value in "\\{\"at\":\\{\"path\":\"/[a-z/.]{0,20}\",\"size\":-?[0-9]{1,25},\"modified\":[0-9]{1,4}\\}[^\n]{0,40}",
    ) {
        let index = index(Path::new("/none"), "/music");
        let header = serde_json::to_string(&index.header(Vec::new())).unwrap();
        let good = serde_json::to_string(&file(1)).unwrap();
        let parse = |lines: &[&str]| index.parse(&sealed(lines.join("\n").as_bytes()));
        prop_assert_eq!(parse(&[&header, &good]).map(|recalled| recalled.files.len()), Some(1));
        for line in [&line, &value] {
            if line.contains(|c: char| !c.is_whitespace()) {
                prop_assert!(parse(&[&header, &good, line]).is_none());
            }
        }
    }
}
