//! Damaged and cut files: the node tells how much of a track is silence, and the player passes it on.

#![cfg(unix)]

use std::{fs, path::PathBuf};

use bytes::Bytes;
use media_node::server::{DiskCacheConfig, ServerConfig};
use media_protocol::{
    ChunkIndex, ChunkMessage, ChunkRequest, Rendition,
    chunk::{self, ChunkEvent, ChunkReader},
};

use crate::fixtures::{Kind, encode, music};
use crate::program::{Done, Home};
use crate::rig::{Listener, Music, Rig, read};

const SECONDS: f64 = 10.3;

/// Replaces 3000 bytes in the middle of a file.
fn damage(path: &PathBuf) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 3000].fill(0x55);
    fs::write(path, bytes).unwrap();
}

fn damaged(home: &Home, kind: Kind) -> PathBuf {
    let file = encode(&home.path("tmp"), kind, 44_100, 2, &music(44_100, 2, SECONDS));
    damage(&file);
    file
}

/// Plays everything that a node with these files serves.
fn play(home: &Home, files: &[&PathBuf], codec: &str) -> Done {
    let files: Vec<_> = files.iter().map(|file| file.as_path()).collect();
    let node = home.serve(&files);
    home.run(&["play", &node.ticket, "--codec", codec, "--output", "null:fast", "--stats", "stats.json"])
}

/// The milliseconds of silence that the statistics count: on the node, and on this machine.
fn silenced(home: &Home) -> (f64, f64) {
    let stats = home.stats();
    let ms = |field: &str| stats["silenced_ms"][field].as_f64().unwrap();
    (ms("node"), ms("this_machine"))
}

fn lines_about_silence(done: &Done) -> usize {
    done.err.lines().filter(|line| line.contains("are silent: the node's file is damaged")).count()
}

#[test]
fn a_damaged_file_is_told_once_counted_and_in_the_exit_code() {
    let home = Home::new();
    for kind in [Kind::FlacS16, Kind::Mp3, Kind::Mp3Bare, Kind::Vorbis] {
        let file = damaged(&home, kind);
        for codec in ["pcm", "opus"] {
            let done = play(&home, &[&file], codec);
            assert_eq!((done.code, lines_about_silence(&done)), (1, 1), "{kind:?} {codec}: {}", done.err);
            let last = done.err.lines().last().unwrap();
            assert!(last.contains(" s of ") && last.contains("were silent"), "{last}");
            let (node, here) = silenced(&home);
            // 3000 bytes are 20 ms to 400 ms of these files, and damage costs whole packets.
            assert!((20.0..1000.0).contains(&node) && here == 0.0, "{kind:?} {codec}: {node} {here}");
        }
    }
}

#[test]
fn the_other_tracks_play_and_the_end_counts_those_with_silence() {
    let home = Home::new();
    let file = damaged(&home, Kind::FlacS16);
    let whole = encode(&home.path("tmp"), Kind::WavS16, 44_100, 2, &music(44_100, 2, 4.0));
    let done = play(&home, &[&file, &whole, &file], "pcm");
    assert_eq!((done.code, lines_about_silence(&done)), (1, 1), "{}", done.err);
    assert!(done.err.lines().last().unwrap().ends_with("1 of 2 tracks had silent parts"), "{}", done.err);
}

#[test]
fn a_track_that_was_cut_plays_as_far_as_it_goes() {
    let home = Home::new();
    let file = encode(&home.path("tmp"), Kind::FlacS16, 44_100, 2, &music(44_100, 2, SECONDS));
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let done = play(&home, &[&file], "pcm");
    assert_eq!((done.code, lines_about_silence(&done)), (1, 1), "{}", done.err);
    assert!(done.err.contains("cut short: nothing is left after 0:06"), "{}", done.err);
    let (node, _) = silenced(&home);
    assert!((1.0..3000.0).contains(&node), "{node}");
}

#[test]
fn an_undamaged_file_has_no_loss() {
    let home = Home::new();
    for kind in [
        Kind::FlacS16,
        Kind::Mp3,
        Kind::Mp3Vbr,
        Kind::Mp3Bare,
        Kind::Vorbis,
        Kind::Opus,
        Kind::Aac,
        Kind::WavS16,
        Kind::AlacS16,
    ] {
        let file = encode(&home.path("tmp"), kind, 44_100, 2, &music(44_100, 2, 5.123));
        let done = play(&home, &[&file], "pcm");
        assert_eq!((done.code, silenced(&home)), (0, (0.0, 0.0)), "{kind:?}: {}", done.err);
    }
}

/// The stream of a chunk for a client that asks for the loss.
async fn with_report(listener: &Listener, rendition: &Rendition, index: u32) -> Vec<u8> {
    let request = ChunkRequest { rendition: rendition.id.clone(), index: ChunkIndex(index) };
    let message = ChunkMessage { request, report_loss: true };
    let json = serde_json::to_string(&message).unwrap();
    read(listener.connection.open("audio.request_chunk", &json).await.unwrap().recv.as_mut()).await
}

/// The silenced frames that a stream reports.
fn reported(rendition: &Rendition, index: u32, bytes: &[u8]) -> u32 {
    let index = ChunkIndex(index);
    let reader = ChunkReader::new(index, rendition.frames_in(index), rendition.max_chunk_bytes());
    let mut reader = reader.expecting_loss();
    reader.push(Bytes::copy_from_slice(bytes));
    let mut silenced = 0;
    while let Some(event) = reader.next().unwrap() {
        if let ChunkEvent::Loss(frames) = event {
            silenced = frames;
        }
    }
    assert!(reader.is_done());
    silenced
}

#[tokio::test]
async fn only_a_client_that_asks_gets_other_bytes_and_only_of_a_damaged_chunk() {
    let whole = Music::of(Kind::FlacS16, 44_100, 2, SECONDS);
    let music = Music::new();
    let file = music.add("damaged", Kind::FlacS16, 44_100, 2, SECONDS);
    damage(&file);
    for (music, chunks_with_loss) in [(whole, 0), (music, 1)] {
        for codec in ["pcm", "opus"] {
            let rig = Rig::new(&music).await;
            let listener = rig.listener().await;
            let rendition = listener.rendition(codec).await;
            let mut lossy = 0;
            for index in 0..rendition.chunks {
                // Both while it is encoded and from the cache.
                let first = with_report(&listener, &rendition, index).await;
                let plain = listener.chunk(&rendition, index).await.unwrap();
                let again = with_report(&listener, &rendition, index).await;
                assert!(first == again, "{codec} {index}");
                let silenced = reported(&rendition, index, &first);
                assert!(first == chunk::with_loss(&plain.into(), silenced), "{codec} {index}");
                lossy += u32::from(silenced > 0);
            }
            assert_eq!(lossy, chunks_with_loss, "{codec}");
        }
    }
}

#[tokio::test]
async fn the_disk_cache_keeps_the_loss() {
    let music = Music::new();
    damage(&music.add("damaged", Kind::FlacS16, 44_100, 2, SECONDS));
    let home = tempfile::tempdir().unwrap();
    let mut starts = Vec::new();
    for start in 0..2 {
        let disk_cache = Some(DiskCacheConfig { folder: home.path().into(), bytes: 100_000_000 });
        let config = ServerConfig { cache: 0, encode_ahead: 0, disk_cache, ..ServerConfig::default() };
        let rig = Rig::with(&music, config, media_node::plugins::registry()).await;
        let listener = rig.listener().await;
        let rendition = listener.rendition("opus").await;
        let mut chunks = Vec::new();
        for index in 0..rendition.chunks {
            chunks.push(with_report(&listener, &rendition, index).await);
        }
        while start == 0 && rig.server.stats().disk.writes < rendition.chunks.into() {
            tokio::task::yield_now().await;
        }
        let stats = rig.server.stats();
        assert_eq!(stats.disk.hits, if start == 0 { 0 } else { rendition.chunks.into() });
        let silenced =
            (0..).zip(&chunks).map(|(index, bytes)| reported(&rendition, index, bytes)).sum::<u32>();
        assert!(silenced > 0);
        starts.push(chunks);
    }
    assert!(starts[0] == starts[1]);
}
