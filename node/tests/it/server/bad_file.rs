//! A file that costs much to read disturbs nobody but those who play it.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use media_protocol::{ErrorCode, List};
use tokio::task::JoinSet;

use crate::{
    fixtures::{Kind, encode, music},
    rig::{Listener, Music, Rig, code, offering},
};

/// Bytes of zeros, which take no room on the disk. Reading all of them would take minutes.
const ZEROS: u64 = 64 << 30;
/// Seconds that the header claims.
const SECONDS: u64 = 600;

/// Writes a FLAC with a good header of CD audio with `frames` frames, 0 for an unknown number, and zeros behind it.
fn flac_of_zeros(path: &Path, frames: u64) {
    // Blocks of 4096 frames; 20 bits of rate, 3 of channels - 1, 5 of bits - 1, 36 of frames (RFC 9639, section 8.2).
    let format = 44_100_u64 << 44 | 1 << 41 | 15 << 36 | frames;
    let info = [&[0x10, 0, 0x10, 0, 0, 0, 0, 0, 0, 0], &format.to_be_bytes()[..], &[0; 16]].concat();
    let mut file = File::create(path).unwrap();
    file.write_all(&[b"fLaC\x80\0\0\x22", &info[..]].concat()).unwrap();
    file.set_len(ZEROS).unwrap();
}

/// Writes the beginning of a good FLAC, with a header that claims [`SECONDS`], and zeros behind it.
fn flac_before_zeros(path: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let good = encode(folder.path(), Kind::FlacS16, 44_100, 2, &music(44_100, 2, 2.0));
    let mut bytes = fs::read(good).unwrap();
    // The number of frames: 36 bits from byte 21 on.
    bytes[21] &= 0xf0;
    bytes[22..26].copy_from_slice(&(SECONDS as u32 * 44_100).to_be_bytes());
    fs::write(path, bytes).unwrap();
    File::options().append(true).open(path).unwrap().set_len(ZEROS).unwrap();
}

/// Plays the first track at several places, each of which fails or is cut short.
async fn play_zeros(listener: Listener) {
    let track = listener.track().await;
    assert_eq!(track.title, "a");
    let info = listener.get_info(&offering(&track, &["pcm"])).await;
    let Ok(info) = info else { return assert_eq!(code(info), ErrorCode::Unreadable) };
    assert!(listener.chunk(&info.rendition, 0).await.is_ok(), "it begins well");
    for index in [1, 100, 199] {
        assert_eq!(code(listener.chunk(&info.rendition, index).await), ErrorCode::Unreadable);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flac_of_zeros_stops_nobody_else() {
    for frames in [Some(SECONDS * 44_100), Some(0), None] {
        let music = Music::of(Kind::WavS16, 8_000, 1, 4.0);
        let path = music.path().join("a.flac");
        match frames {
            Some(frames) => flac_of_zeros(&path, frames),
            None => flac_before_zeros(&path),
        }
        let rig = Rig::new(&music).await;
        let honest = rig.listener().await;
        let two = List { limit: 2, ..List::default() };
        let tracks = honest.list(&two).await.unwrap().tracks;
        let mut playing = JoinSet::new();
        for _ in 0..4 {
            playing.spawn(play_zeros(rig.listener().await));
        }
        // Four more leave while their requests are in progress.
        for _ in 0..4 {
            let leaving = rig.listener().await;
            let request = serde_json::to_string(&offering(&tracks[0], &["pcm"])).unwrap();
            drop(leaving.connection.open("audio.get_info", &request).await.unwrap());
            leaving.connection.close("gone");
        }
        let mut is_first = true;
        loop {
            assert_eq!(honest.list(&two).await.unwrap().tracks.len(), 2);
            let good = honest.get_info(&offering(&tracks[1], &["pcm"])).await.unwrap().rendition;
            assert!(honest.chunk(&good, u32::from(!is_first)).await.is_ok());
            is_first = false;
            if playing.is_empty() {
                break;
            }
            playing.join_next().await.unwrap().unwrap();
        }
    }
}
