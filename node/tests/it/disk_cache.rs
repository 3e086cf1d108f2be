//! The disk cache: an encoded chunk is served after a restart, byte for byte, and a damaged or foreign one
//! never is.

#![cfg(all(unix, feature = "opus"))]

use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crate::fixtures::Kind;
use crate::rig::{Music, Rig};
use media_node::{
    plugins,
    server::{DiskCacheConfig, DiskStats, Server, ServerConfig, ServerStats},
};
use tempfile::TempDir;

/// Chunks of the track.
const CHUNKS: u64 = 4;
const SECONDS: f64 = 10.3;
const ROOM: u64 = 100_000_000;

/// A configuration without a memory cache, so that every chunk is looked up on disk.
fn config(folder: &Path, bytes: u64) -> ServerConfig {
    let disk_cache = Some(DiskCacheConfig { folder: folder.into(), bytes });
    ServerConfig { cache: 0, encode_ahead: 0, disk_cache, ..ServerConfig::default() }
}

async fn until(server: &Server, so: impl Fn(DiskStats) -> bool) {
    while !so(server.stats().disk) {
        tokio::task::yield_now().await;
    }
}

/// Starts a node and fetches all chunks of the first track. Returns them and the node's statistics.
async fn album(music: &Music, config: ServerConfig, codec: &str) -> (Vec<Vec<u8>>, ServerStats) {
    let is_kept = config.disk_cache.is_some() && codec == "opus";
    let rig = Rig::with(music, config, plugins::registry()).await;
    let listener = rig.listener().await;
    let rendition = listener.rendition(codec).await;
    let mut chunks = Vec::new();
    for index in 0..rendition.chunks {
        chunks.push(listener.chunk(&rendition, index).await.unwrap());
    }
    let encoded = rig.server.stats().encoder.encoded;
    until(&rig.server, |it| !is_kept || it.writes + it.unwritten == encoded).await;
    (chunks, rig.server.stats())
}

/// Lists the chunk files, sorted by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    files
}

fn tempdir() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn an_album_is_encoded_once_ever() {
    let (music, home) = (Music::of(Kind::FlacS16, 44_100, 2, SECONDS), tempdir());
    let folder = home.path().join("not/there/yet");
    let (fresh, _) = album(&music, ServerConfig { cache: 0, ..ServerConfig::default() }, "opus").await;
    let (first, stats) = album(&music, config(&folder, ROOM), "opus").await;
    assert!(first == fresh);
    assert_eq!((stats.encoder.encoded, stats.disk.misses, stats.disk.writes), (CHUNKS, CHUNKS, CHUNKS));
    for _ in 0..2 {
        let (again, stats) = album(&music, config(&folder, ROOM), "opus").await;
        assert!(again == fresh);
        let disk = DiskStats { hits: CHUNKS, bytes: stats.disk.bytes, ..DiskStats::default() };
        assert_eq!((stats.encoder.encoded, stats.disk), (0, disk));
    }
    // PCM is not kept on disk.
    let (_, stats) = album(&music, config(&folder, ROOM), "pcm").await;
    assert_eq!((stats.encoder.encoded, stats.disk.hits, stats.disk.misses), (CHUNKS, 0, 0));
    assert_eq!(files(&folder).len() as u64, CHUNKS);
}

#[tokio::test]
async fn what_is_damaged_is_never_sent() {
    let (music, folder) = (Music::of(Kind::FlacS16, 44_100, 2, SECONDS), tempdir());
    let (fresh, _) = album(&music, config(folder.path(), ROOM), "opus").await;
    let flip = |file: &Path, at: usize| {
        let mut bytes = fs::read(file).unwrap();
        bytes[at] ^= 0x40;
        fs::write(file, bytes).unwrap();
    };
    let truncate = |file: &Path, length: u64| {
        fs::OpenOptions::new().write(true).open(file).unwrap().set_len(length).unwrap();
    };
    for round in 0..3 {
        let files = files(folder.path());
        let size = |file: &PathBuf| fs::metadata(file).unwrap().len() as usize;
        match round {
            // Damages the header, a packet, the hash of the chunk, and the hash of the file.
            0 => {
                let places = [5, size(&files[1]) / 2, size(&files[2]) - 40, size(&files[3]) - 1];
                files.iter().zip(places).for_each(|(file, at)| flip(file, at));
            }
            1 => {
                let lengths = [0, 31, size(&files[2]) as u64 / 2, size(&files[3]) as u64 - 1];
                files.iter().zip(lengths).for_each(|(file, length)| truncate(file, length));
            }
            // Files that are whole, but belong to another chunk; a file with a byte too many; a file of
            // zeros.
            _ => {
                let all: Vec<_> = files.iter().map(|it| fs::read(it).unwrap()).collect();
                fs::write(&files[0], &all[1]).unwrap();
                fs::write(&files[1], &all[0]).unwrap();
                fs::write(&files[2], [&all[2][..], &[0]].concat()).unwrap();
                fs::write(&files[3], vec![0; 1 << 20]).unwrap();
            }
        }
        let (again, stats) = album(&music, config(folder.path(), ROOM), "opus").await;
        assert!(again == fresh, "{round}");
        let DiskStats { hits, damaged, writes, .. } = stats.disk;
        assert_eq!((stats.encoder.encoded, hits, damaged, writes), (CHUNKS, 0, CHUNKS, CHUNKS), "{round}");
    }
    let (again, stats) = album(&music, config(folder.path(), ROOM), "opus").await;
    assert!(again == fresh && stats.disk.hits == CHUNKS && stats.encoder.encoded == 0);
}

/// A track's id names samples of its file at some places, so it stays if only other places change.
#[tokio::test]
async fn a_file_that_was_changed_is_encoded_anew() {
    let (music, folder) = (Music::new(), tempdir());
    let path = music.add("track", Kind::WavS16, 44_100, 2, SECONDS);
    let (before, _) = album(&music, config(folder.path(), ROOM), "opus").await;
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&[0; 100_000], 100_000).unwrap();
    drop(file);
    let (after, stats) = album(&music, config(folder.path(), ROOM), "opus").await;
    assert_eq!((stats.encoder.encoded, stats.disk.hits), (CHUNKS, 0));
    assert!(after[0] != before[0]);
    let (fresh, _) = album(&music, ServerConfig { cache: 0, ..ServerConfig::default() }, "opus").await;
    assert!(after == fresh);
}

#[tokio::test]
async fn the_folder_can_be_removed_while_the_node_runs_and_be_shared() {
    let (music, home) = (Music::of(Kind::FlacS16, 44_100, 2, SECONDS), tempdir());
    let folder = home.path().join("chunks");
    let rig = Rig::with(&music, config(&folder, ROOM), plugins::registry()).await;
    let listener = rig.listener().await;
    let rendition = listener.rendition("opus").await;
    let first = listener.chunk(&rendition, 0).await.unwrap();
    until(&rig.server, |it| it.writes == 1).await;
    fs::remove_dir_all(&folder).unwrap();
    assert!(listener.chunk(&rendition, 0).await.unwrap() == first);
    until(&rig.server, |it| it.writes == 2).await;
    assert_eq!(files(&folder).len(), 1);
    // Two nodes that share the folder find each other's chunks.
    let (chunks, stats) = album(&music, config(&folder, ROOM), "opus").await;
    assert!(chunks[0] == first);
    assert_eq!((stats.disk.hits, stats.encoder.encoded), (1, CHUNKS - 1));
    for index in 0..rendition.chunks {
        assert!(listener.chunk(&rendition, index).await.unwrap() == chunks[index as usize]);
    }
    assert_eq!(rig.server.stats().encoder.encoded, 2);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_to_stops_nobody() {
    let (music, home) = (Music::of(Kind::FlacS16, 44_100, 2, SECONDS), tempdir());
    fs::write(home.path().join("file"), "in the way").unwrap();
    let folder = home.path().join("file/chunks");
    let (fresh, _) = album(&music, ServerConfig { cache: 0, ..ServerConfig::default() }, "opus").await;
    let (chunks, stats) = album(&music, config(&folder, ROOM), "opus").await;
    assert!(chunks == fresh);
    assert_eq!((stats.encoder.encoded, stats.disk.unwritten, stats.disk.writes), (CHUNKS, CHUNKS, 0));
}
