//! Chunks of files that change while they are served.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use media_protocol::ErrorCode;

use super::scripted::{Script, Then, one_thread};
use crate::{
    fixtures::Kind,
    rig::{Music, Rig, code, packets, read},
};

/// Changes bytes of a file outside the places that its id depends on, and sets a later modification time.
fn edit(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    bytes[10_000..20_000].fill(1);
    fs::write(file, bytes).unwrap();
    let later = SystemTime::now() + Duration::from_secs(10);
    fs::File::options().append(true).open(file).unwrap().set_modified(later).unwrap();
}

#[tokio::test]
async fn what_was_cached_of_a_file_ends_with_it() {
    let music = Music::new();
    let file = music.add("a", Kind::WavS16, 8_000, 1, 9.0);
    music.add("b", Kind::WavS16, 8_000, 1, 1.0);
    let rig = Rig::new(&music).await;
    let listener = rig.listener().await;
    let rendition = listener.rendition("pcm").await;
    let before = listener.chunk(&rendition, 0).await.unwrap();
    assert!(listener.chunk(&rendition, 0).await.unwrap() == before);
    assert_eq!(rig.server.stats().cache.hits, 1);

    edit(&file);
    rig.server.catalog().rescan().unwrap();
    assert_eq!(listener.track().await.id, rendition.id.track, "by its samples it is the same");
    let after = listener.chunk(&rendition, 0).await.unwrap();
    assert!(after != before);
    assert!(listener.chunk(&rendition, 0).await.unwrap() == after);
    assert_eq!(rig.server.stats().cache.hits, 2);

    fs::remove_file(&file).unwrap();
    rig.server.catalog().rescan().unwrap();
    assert_eq!(code(listener.chunk(&rendition, 0).await), ErrorCode::UnknownTrack);
}

#[tokio::test]
async fn a_chunk_of_a_file_that_changes_meanwhile_is_asked_for_again() {
    let music = Music::new();
    let file = music.add("a", Kind::WavS16, 8_000, 1, 9.0);
    let script = Script::closed(5, Then::Encode);
    let rig = Rig::with(&music, one_thread(), script.registry()).await;
    let listener = rig.listener().await;
    let rendition = listener.rendition("scripted").await;
    let mut stream = listener.open_chunk(&rendition, 0).await;
    script.reached(1).await;
    edit(&file);
    script.open();
    let refused = packets(&rendition, 0, &read(stream.as_mut()).await).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Busy);
    // The new content is served, and cached once the library has scanned it.
    listener.chunk(&rendition, 0).await.unwrap();
    assert_eq!(rig.server.stats().cache.chunks, 0);
    rig.server.catalog().rescan().unwrap();
    listener.chunk(&rendition, 0).await.unwrap();
    assert_eq!(rig.server.stats().cache.chunks, 1);
}
