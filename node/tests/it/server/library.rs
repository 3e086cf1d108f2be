//! The catalog's index on disk, and changes of the library while it is served.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use media_node::library::{Catalog, CatalogError};
use media_protocol::{ErrorCode, List, ListPage, TrackId};

use crate::{
    fixtures::Kind,
    rig::{Music, Rig, code, offering},
};

fn page(catalog: &Catalog) -> ListPage {
    catalog.list(&List { limit: List::MAX, ..List::default() })
}

fn ids(catalog: &Catalog) -> Vec<TrackId> {
    page(catalog).tracks.into_iter().map(|it| it.id).collect()
}

fn titles(catalog: &Catalog) -> Vec<String> {
    page(catalog).tracks.into_iter().map(|it| it.title).collect()
}

fn recall(music: &Music, index: &Path) -> Catalog {
    Catalog::recall(&[music.path().to_owned()], false, Some(index)).unwrap()
}

/// Makes tracks of one second with different lengths.
fn music(names: &[&str]) -> Music {
    let music = Music::new();
    for name in names {
        add(&music, name, 1.0);
    }
    music
}

fn add(music: &Music, name: &str, seconds: f64) -> PathBuf {
    // Another length gives another content.
    music.add(name, Kind::WavS16, 8_000, 1, seconds + name.len() as f64 / 100.0)
}

#[test]
fn a_second_start_knows_all_before_it_has_looked() {
    let (music, cache) = (music(&["a", "bb", "ccc"]), tempfile::tempdir().unwrap());
    let first = recall(&music, cache.path());
    assert_eq!((page(&first).total, page(&first).scanning), (0, Some(0)));
    assert!(first.rescan().unwrap());
    assert_eq!(page(&first).scanning, None);

    let second = recall(&music, cache.path());
    let mut known = page(&second);
    assert_eq!(known.scanning.take(), Some(3));
    assert_eq!(known, page(&first));
    assert_eq!(second.list(&List { search: "CCC".into(), limit: 9, ..List::default() }).total, 1);
    second.rescan().unwrap();
    assert_eq!(page(&second), page(&first));
}

#[test]
fn a_file_that_is_as_it_was_is_not_opened_again() {
    let (music, cache) = (music(&["a", "bb"]), tempfile::tempdir().unwrap());
    recall(&music, cache.path()).rescan().unwrap();
    // Same size and time, other content: only a node that opens the file can notice.
    let file = music.path().join("a.wav");
    let modified = fs::metadata(&file).unwrap().modified().unwrap();
    let size = fs::metadata(&file).unwrap().len() as usize;
    fs::write(&file, vec![0; size]).unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
    let second = recall(&music, cache.path());
    second.rescan().unwrap();
    assert_eq!(titles(&second), ["a", "bb"]);
    assert_eq!(Catalog::scan(&[music.path().to_owned()], false).unwrap().len(), 1);
}

#[test]
fn a_damaged_index_is_as_none() {
    let (music, cache) = (music(&["a", "bb"]), tempfile::tempdir().unwrap());
    let first = recall(&music, cache.path());
    first.rescan().unwrap();
    let index = fs::read_dir(cache.path()).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&index).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    fs::write(&index, bytes).unwrap();
    let second = recall(&music, cache.path());
    assert!(second.is_empty());
    second.rescan().unwrap();
    assert_eq!(page(&second), page(&first));
    assert_eq!(recall(&music, cache.path()).len(), 2, "and it was written anew");
}

#[test]
fn an_index_of_other_folders_is_not_used() {
    let (music, cache) = (music(&["x/a", "y/bb"]), tempfile::tempdir().unwrap());
    recall(&music, cache.path()).rescan().unwrap();
    let x = Catalog::recall(&[music.path().join("x")], false, Some(cache.path())).unwrap();
    assert!(x.is_empty());
    x.rescan().unwrap();
    assert_eq!((titles(&x), recall(&music, cache.path()).len()), (vec!["a".to_owned()], 2));
}

#[test]
fn what_comes_and_goes_is_followed_and_ids_stay() {
    let music = music(&["bb", "dddd"]);
    let catalog = music.catalog();
    let [b, d] = ids(&catalog).try_into().unwrap();
    assert!(!catalog.rescan().unwrap(), "nothing has changed");

    add(&music, "a", 1.0);
    add(&music, "folder/e", 1.0);
    assert!(catalog.rescan().unwrap());
    assert_eq!(titles(&catalog), ["a", "bb", "dddd", "e"]);
    let numbers: Vec<_> = page(&catalog).tracks.iter().map(|it| it.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert_eq!(ids(&catalog)[1..3], [b.clone(), d.clone()]);

    fs::remove_file(music.path().join("bb.wav")).unwrap();
    fs::rename(music.path().join("dddd.wav"), music.path().join("0.wav")).unwrap();
    assert!(catalog.rescan().unwrap());
    assert_eq!(titles(&catalog), ["0", "a", "e"]);
    assert_eq!(ids(&catalog)[0], d, "another name is the same track");
    assert!(!ids(&catalog).contains(&b));
}

#[test]
fn a_replaced_file_is_another_track() {
    let music = music(&["a", "bb"]);
    let catalog = music.catalog();
    let before = page(&catalog).tracks;
    add(&music, "a", 2.0);
    assert!(catalog.rescan().unwrap());
    let after = page(&catalog).tracks;
    assert_ne!(after[0].id, before[0].id);
    assert_eq!((after[0].duration_ms, &after[1]), (2010, &before[1]));
}

#[test]
fn copies_have_ids_of_their_own_and_the_first_keeps_its() {
    let music = music(&["a"]);
    let catalog = music.catalog();
    let [first] = ids(&catalog).try_into().unwrap();
    for name in ["b.wav", "c.wav"] {
        fs::copy(music.path().join("a.wav"), music.path().join(name)).unwrap();
    }
    catalog.rescan().unwrap();
    let all = ids(&catalog);
    assert_eq!((all.len(), &all[0]), (3, &first));
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(ids(&music.catalog()), all, "and the same at the next start");
    // When the first copy goes, the next copy takes over its id, so that a listener can continue.
    fs::remove_file(music.path().join("a.wav")).unwrap();
    catalog.rescan().unwrap();
    assert_eq!(ids(&catalog), all[..2]);
}

#[test]
fn bad_files_are_named_and_looked_at_again_when_they_change() {
    let music = music(&["good"]);
    let (bad, sound) = (music.path().join("bad.wav"), fs::read(music.path().join("good.wav")).unwrap());
    fs::write(&bad, "buy milk").unwrap();
    let catalog = music.catalog();
    assert!(!catalog.rescan().unwrap());
    assert_eq!((catalog.len(), catalog.skipped().len()), (1, 1));
    fs::write(&bad, sound).unwrap();
    assert!(catalog.rescan().unwrap());
    assert_eq!((catalog.len(), catalog.skipped().len()), (2, 0));
}

#[test]
fn an_unknown_length_is_measured_after_the_scan_and_remembered() {
    let (music, cache) = (Music::new(), tempfile::tempdir().unwrap());
    music.add("bare", Kind::Mp3Bare, 44_100, 2, 5.0);
    music.add("counted", Kind::FlacS16, 44_100, 2, 5.0);
    let lengths = |catalog: &Catalog| -> Vec<u64> {
        page(catalog).tracks.into_iter().map(|track| track.duration_ms).collect()
    };
    let first = recall(&music, cache.path());
    first.rescan().unwrap();
    assert_eq!(lengths(&first), [0, 5000]);
    first.measure_lengths();
    let measured = lengths(&first);
    assert!((5000..5100).contains(&measured[0]) && measured[1] == 5000, "{measured:?}");
    assert_eq!(lengths(&recall(&music, cache.path())), measured);
    // A track that cannot be opened is none.
    let path = music.path().join("cut.mp3");
    fs::write(&path, [[0xff, 0xfb, 0x90, 0x64].as_slice(), &[0; 413]].concat().repeat(3)).unwrap();
    first.rescan().unwrap();
    first.measure_lengths();
    assert!(lengths(&first).iter().all(|length| *length > 0));
}

#[test]
fn skipped_files_are_remembered_and_not_read_again() {
    let (music, cache) = (music(&["good"]), tempfile::tempdir().unwrap());
    let wma = music.path().join("old.wma");
    fs::write(&wma, [&b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"[..], &[0; 2000]].concat()).unwrap();
    fs::write(music.path().join("notes.mp3"), "buy milk".repeat(1000)).unwrap();
    let first = recall(&music, cache.path());
    first.rescan().unwrap();
    let skipped = first.skipped();
    assert_eq!(skipped.len(), 2);
    // Another content with the same size and time of change: whoever reads it finds a track.
    let modified = fs::metadata(&wma).unwrap().modified().unwrap();
    let sound = fs::read(music.path().join("good.wav")).unwrap();
    fs::write(&wma, &sound[..2008]).unwrap();
    fs::OpenOptions::new().append(true).open(&wma).unwrap().set_modified(modified).unwrap();
    let second = recall(&music, cache.path());
    assert_eq!(second.skipped(), skipped, "known before the folders are read");
    second.rescan().unwrap();
    assert_eq!((second.skipped(), second.len()), (skipped, 1));
    fs::write(&wma, sound).unwrap();
    second.rescan().unwrap();
    assert_eq!((second.skipped().len(), second.len()), (1, 2), "the content tells the kind");
}

#[test]
fn a_library_that_goes_away_comes_back_from_what_is_known() {
    let music = music(&["a", "bb"]);
    let (folder, aside) = (music.path().join("disk"), music.path().join("aside"));
    add(&music, "disk/a", 1.0);
    let catalog = Catalog::scan(std::slice::from_ref(&folder), false).unwrap();
    fs::rename(&folder, &aside).unwrap();
    assert!(catalog.rescan().unwrap());
    assert_eq!((titles(&catalog), catalog.away()), (vec!["a".to_owned()], 1));
    let [skipped] = &catalog.skipped()[..] else { panic!("{:?}", catalog.skipped()) };
    assert!(skipped.to_string().ends_with("disk: its disk is away; its file stays listed"), "{skipped}");
    // A mount point without its disk.
    fs::create_dir(&folder).unwrap();
    assert!(!catalog.rescan().unwrap(), "nothing has changed");
    assert_eq!((catalog.len(), catalog.away(), page(&catalog).scanning), (1, 1, None));
    fs::remove_dir(&folder).unwrap();
    fs::rename(&aside, &folder).unwrap();
    assert!(catalog.rescan().unwrap());
    assert_eq!((titles(&catalog), catalog.away()), (vec!["a".to_owned()], 0));
}

#[test]
fn a_disk_that_is_away_at_the_start_or_beside_others_is_remembered() {
    let (music, cache) = (music(&["one/a", "two/bb", "two/ccc"]), tempfile::tempdir().unwrap());
    let (one, two) = (music.path().join("one"), music.path().join("two"));
    let recall = || Catalog::recall(&[one.clone(), two.clone()], false, Some(cache.path())).unwrap();
    recall().rescan().unwrap();
    // Only the mount point is there.
    fs::rename(&one, music.path().join("aside")).unwrap();
    fs::create_dir(&one).unwrap();
    let catalog = recall();
    assert!(catalog.rescan().unwrap());
    assert_eq!((titles(&catalog), catalog.away()), (vec!["a".into(), "bb".into(), "ccc".into()], 1));
    // A file that was deleted is forgotten.
    fs::remove_file(two.join("bb.wav")).unwrap();
    assert!(catalog.rescan().unwrap());
    assert_eq!((titles(&catalog), catalog.away()), (vec!["a".into(), "ccc".into()], 1));
}

#[tokio::test]
async fn a_track_whose_disk_is_away_is_waited_for() {
    let music = music(&["disk/a"]);
    let (folder, aside) = (music.path().join("disk"), music.path().join("aside"));
    let rig = Rig::new(&music).await;
    let listener = rig.listener().await;
    let request = offering(&listener.track().await, &["pcm"]);
    // The first chunk is in no cache.
    let rendition = listener.get_info(&request).await.unwrap().rendition;
    fs::rename(music.path(), music.path().with_extension("aside")).unwrap();
    let busy = listener.chunk(&rendition, 0).await.unwrap_err();
    assert_eq!((busy.code, busy.retry_after_ms), (ErrorCode::Busy, Some(2000)));
    assert!(busy.message.contains("the disk with \"a\" is away"), "{busy}");
    assert_eq!(code(listener.get_info(&request).await), ErrorCode::Busy);
    rig.server.catalog().rescan().unwrap();
    let listed = listener.track().await;
    assert_eq!((listed.id, listed.away), (request.track.clone(), true));
    assert_eq!(code(listener.get_info(&request).await), ErrorCode::Busy);
    fs::rename(music.path().with_extension("aside"), music.path()).unwrap();
    assert!(listener.chunk(&rendition, 0).await.is_ok());
    assert!(listener.get_info(&request).await.is_ok());
    // One that was deleted is not waited for.
    fs::rename(&folder, &aside).unwrap();
    assert_eq!(code(listener.get_info(&request).await), ErrorCode::UnknownTrack);
}

#[test]
fn an_empty_index_is_no_reason_to_find_nothing() {
    let (music, cache) = (Music::new(), tempfile::tempdir().unwrap());
    let catalog = recall(&music, cache.path());
    assert!(matches!(catalog.rescan(), Err(CatalogError::Empty { .. })));
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
    add(&music, "late", 1.0);
    assert!(catalog.rescan().unwrap());
}

#[test]
fn a_listener_sees_a_growing_list_whose_numbers_stay() {
    let music = music(&["a"]);
    for number in 0..500 {
        fs::copy(music.path().join("a.wav"), music.path().join(format!("b{number}.wav"))).unwrap();
    }
    let catalog = Catalog::recall(&[music.path().to_owned()], false, None).unwrap();
    let pages = std::thread::scope(|scope| {
        let scan = scope.spawn(|| catalog.rescan());
        let mut pages = Vec::new();
        while !scan.is_finished() {
            pages.push(page(&catalog));
        }
        scan.join().unwrap().unwrap();
        pages
    });
    let whole = Vec::from_iter((0..2).flat_map(|it| {
        catalog
            .list(&List { offset: it * List::MAX, limit: List::MAX, search: String::new(), detail: false })
            .tracks
    }));
    assert_eq!((whole.len(), page(&catalog).scanning), (501, None));
    for page in pages {
        assert!(page.scanning.is_none_or(|it| it == page.total));
        assert_eq!(page.tracks, whole[..page.tracks.len()]);
    }
}

#[tokio::test]
async fn listeners_are_served_what_is_there_now() {
    let music = music(&["a", "bb"]);
    let rig = Rig::new(&music).await;
    let listener = rig.listener().await;
    let before = listener.track().await;
    let request = offering(&before, &["pcm"]);
    let rendition = listener.get_info(&request).await.unwrap().rendition;
    let first = listener.chunk(&rendition, 0).await.unwrap();

    fs::rename(music.path().join("a.wav"), music.path().join("z.wav")).unwrap();
    let gone = listener.get_info(&request).await.unwrap_err();
    assert_eq!(gone.code, ErrorCode::UnknownTrack);
    rig.server.catalog().rescan().unwrap();
    let info = listener.get_info(&request).await.unwrap();
    assert_eq!((info.track.number, info.track.title.as_str()), (2, "z"));
    assert_eq!(listener.chunk(&info.rendition, 0).await.unwrap(), first);

    fs::remove_file(music.path().join("z.wav")).unwrap();
    rig.server.catalog().rescan().unwrap();
    assert_eq!(code(listener.get_info(&request).await), ErrorCode::UnknownTrack);
    add(&music, "new", 4.0);
    rig.server.catalog().rescan().unwrap();
    let list = List { search: "new".into(), limit: 1, ..List::default() };
    let new = listener.list(&list).await.unwrap().tracks.remove(0);
    let rendition = listener.get_info(&offering(&new, &["pcm"])).await.unwrap().rendition;
    assert!(listener.chunk(&rendition, 1).await.is_ok());
}
