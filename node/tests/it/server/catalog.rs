//! The catalog: served files, and their names and ids.

use std::{collections::BTreeSet, fs};

use media_node::library::{Catalog, CatalogError};
use media_protocol::{ErrorCode, List, Track};

use crate::{
    fixtures::Kind,
    rig::{Music, Rig, code, offering},
};

fn tracks(catalog: &Catalog) -> Vec<Track> {
    catalog.list(&List { limit: List::MAX, ..List::default() }).tracks
}

#[test]
fn a_text_named_like_music_is_skipped_with_a_reason() {
    let music = Music::of(Kind::WavS16, 44_100, 2, 0.2);
    fs::write(music.path().join("notes.mp3"), "buy milk\n".repeat(100)).unwrap();
    fs::write(music.path().join("cover.jpg"), "no music, and no reason to say so").unwrap();
    let catalog = music.catalog();
    assert_eq!(catalog.len(), 1);
    let [skipped] = &catalog.skipped()[..] else { panic!("{:?}", catalog.skipped()) };
    let words = skipped.to_string();
    assert!(words.ends_with("notes.mp3: not a supported audio file (an unknown kind of file)"), "{words}");
}

#[test]
fn nothing_to_serve_is_an_error_that_says_what_would_do() {
    let music = Music::new();
    fs::write(music.path().join("notes.mp3"), "buy milk").unwrap();
    let error = Catalog::scan(&[music.path().to_owned()], false).unwrap_err();
    assert!(matches!(error, CatalogError::Empty { .. }));
    let words = error.to_string();
    let start = format!("no audio files found under {}; supported: aac, ", music.path().display());
    assert!(
        words.starts_with(&start) && words.contains("1 skipped") && words.contains("notes.mp3"),
        "{words}"
    );
    let nowhere = music.path().join("nowhere");
    let error = Catalog::scan(std::slice::from_ref(&nowhere), false).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot read {}: ", nowhere.display())), "{error}");
}

#[test]
fn tracks_are_numbered_in_natural_order_and_named_after_their_files() {
    let music = Music::new();
    for name in ["10 ten", "9 nine", "B/1", "a/2", "a/1"] {
        music.add(name, Kind::WavS16, 8_000, 1, 0.1);
    }
    let tracks = tracks(&music.catalog());
    let titles: Vec<_> = tracks.iter().map(|it| (it.number, it.title.as_str())).collect();
    assert_eq!(titles, [(1, "9 nine"), (2, "10 ten"), (3, "1"), (4, "2"), (5, "1")]);
}

#[test]
fn an_id_is_the_same_at_the_next_start_and_wherever_the_folder_lies() {
    let music = Music::new();
    music.add("album/1", Kind::WavS16, 8_000, 1, 0.1);
    music.add("album/2", Kind::WavS16, 8_000, 1, 0.1);
    music.add("album/deep/1", Kind::WavS16, 8_000, 1, 0.1);
    let ids = |folder: &Music| -> Vec<_> {
        let catalog = Catalog::scan(&[folder.path().join("album")], false).unwrap();
        tracks(&catalog).into_iter().map(|it| it.id).collect()
    };
    let moved = Music::new();
    fs::create_dir_all(moved.path().join("album/deep")).unwrap();
    for file in ["album/1.wav", "album/2.wav", "album/deep/1.wav"] {
        fs::copy(music.path().join(file), moved.path().join(file)).unwrap();
    }
    let first = ids(&music);
    assert_eq!(first, ids(&music));
    assert_eq!(first, ids(&moved));
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 3);
    assert!(first.iter().all(|it| it.as_str().len() == 16));
}

#[test]
fn files_of_one_name_in_folders_of_one_name_have_ids_of_their_own() {
    let music = Music::new();
    let (one, two) = (music.path().join("x/album"), music.path().join("y/album"));
    music.add("x/album/1", Kind::WavS16, 8_000, 1, 0.1);
    music.add("y/album/1", Kind::WavS16, 8_000, 1, 0.1);
    let catalog = Catalog::scan(&[one, two], false).unwrap();
    let [first, second] = tracks(&catalog).try_into().unwrap();
    assert_ne!(first.id, second.id);
}

#[tokio::test]
async fn a_list_comes_by_pages_and_by_words() {
    let music = Music::new();
    for name in ["Blue Moon", "Red Sun", "Blue Sky"] {
        music.add(name, Kind::FlacS16, 44_100, 2, 0.5);
    }
    let listener = Rig::new(&music).await.listener().await;
    let titles = async |list: List| {
        let page = listener.list(&list).await.unwrap();
        (page.total, page.tracks.into_iter().map(|it| it.title).collect::<Vec<_>>())
    };
    let list = List { limit: 2, ..List::default() };
    assert_eq!(titles(list.clone()).await, (3, vec!["Blue Moon".into(), "Blue Sky".into()]));
    assert_eq!(titles(List { offset: 2, ..list.clone() }).await, (3, vec!["Red Sun".into()]));
    assert_eq!(titles(List { offset: 9, ..list.clone() }).await, (3, vec![]));
    assert_eq!(
        titles(List { search: "sky BLUE".into(), ..list.clone() }).await,
        (1, vec!["Blue Sky".into()])
    );
    let page = listener.list(&List { search: "sun".into(), ..list.clone() }).await.unwrap();
    let track = &page.tracks[0];
    assert_eq!(
        (track.number, track.duration_ms, track.source.to_string().as_str()),
        (3, 500, "flac 44.1/16 2ch")
    );
    assert_eq!(titles(List { search: track.id.to_string(), ..list }).await.0, 1);
}

#[tokio::test]
async fn a_list_stays_within_its_bound() {
    let music = Music::new();
    let first = music.add("0", Kind::WavS16, 8_000, 1, 0.01);
    // Each of these characters takes 6 bytes in JSON, 4 on the disk.
    let name = "\u{1f3b5}".repeat(50);
    for number in 1..List::MAX {
        fs::copy(&first, music.path().join(format!("{number}{name}.wav"))).unwrap();
    }
    let listener = Rig::new(&music).await.listener().await;
    let page = listener.list(&List { limit: u32::MAX, ..List::default() }).await.unwrap();
    assert_eq!(page.total, List::MAX);
    assert!(serde_json::to_vec(&page).unwrap().len() < List::MAX_ANSWER);
    assert_eq!(page.tracks.len(), List::MAX as usize);
}

#[tokio::test]
async fn a_vanished_file_is_unknown_by_its_title() {
    let music = Music::new();
    music.add("here", Kind::WavS16, 44_100, 2, 4.0);
    let path = music.add("gone", Kind::WavS16, 44_100, 2, 4.0);
    let rig = Rig::new(&music).await;
    let listener = rig.listener().await;
    let list = List { search: "gone".into(), limit: 1, ..List::default() };
    let gone = listener.list(&list).await.unwrap().tracks.remove(0);
    let rendition = listener.get_info(&offering(&gone, &["pcm"])).await.unwrap().rendition;
    let first = listener.chunk(&rendition, 0).await.unwrap();
    fs::remove_file(path).unwrap();

    let error = listener.get_info(&offering(&gone, &["pcm"])).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::UnknownTrack);
    assert!(error.message.contains("\"gone\""), "{error}");
    assert!(!error.message.contains(music.path().to_str().unwrap()), "{error}");
    // A cached chunk is still served.
    assert_eq!(listener.chunk(&rendition, 0).await.unwrap(), first);
    // Other tracks are not affected.
    let list = List { search: "here".into(), limit: 1, ..List::default() };
    let here = listener.list(&list).await.unwrap().tracks.remove(0);
    assert!(listener.get_info(&offering(&here, &["pcm"])).await.is_ok());
}

#[tokio::test]
async fn a_damaged_file_is_unreadable_and_disturbs_no_other() {
    let music = Music::new();
    let path = music.add("bad", Kind::FlacS16, 44_100, 2, 1.0);
    music.add("good", Kind::FlacS16, 44_100, 2, 1.0);
    let rig = Rig::new(&music).await;
    let listener = rig.listener().await;
    let size = fs::metadata(&path).unwrap().len();
    fs::write(&path, vec![b'x'; size as usize]).unwrap();
    let page = listener.list(&List { limit: 2, ..List::default() }).await.unwrap();
    let error = listener.get_info(&offering(&page.tracks[0], &["pcm"])).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unreadable);
    assert!(error.message.starts_with("cannot read \"bad\": "), "{error}");
    assert!(!error.message.contains(music.path().to_str().unwrap()), "{error}");
    let good = listener.get_info(&offering(&page.tracks[1], &["pcm"])).await.unwrap();
    assert!(listener.chunk(&good.rendition, 0).await.is_ok());
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_became_a_link_to_elsewhere_is_not_served() {
    let (music, secret) = (Music::new(), Music::new());
    let path = music.add("track", Kind::WavS16, 44_100, 2, 1.0);
    let other = secret.add("track", Kind::WavS16, 44_100, 2, 1.0);
    let listener = Rig::new(&music).await.listener().await;
    let track = listener.track().await;
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(other, &path).unwrap();
    assert_eq!(code(listener.get_info(&offering(&track, &["pcm"])).await), ErrorCode::UnknownTrack);
}
