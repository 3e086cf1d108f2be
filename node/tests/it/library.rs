//! A library that changes under a running node, and is remembered at the next start; with the real program.

#![cfg(unix)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::fixtures::{Kind, encode, music};
use crate::program::{Home, Node};

const NOT_FOUND: i32 = 4;

/// Adds a track to the library by a rename, so that no scan sees half of it.
fn add(home: &Home, name: &str, seconds: f64) -> PathBuf {
    let folder = home.path("music");
    fs::create_dir_all(&folder).unwrap();
    let made = encode(&home.path("tmp"), Kind::FlacS16, 44_100, 1, &music(44_100, 1, seconds));
    let file = folder.join(name).with_extension("flac");
    fs::rename(made, &file).unwrap();
    file
}

fn serve(home: &Home) -> Node {
    let mut command = home.command(&[Path::new("serve"), &home.path("music")]);
    Node::start(command.env("MEDIA_NODE_LOG", "media_node=info"))
}

/// Number and title of each track that a listener sees.
fn tracks(home: &Home, node: &Node) -> Vec<(u64, String)> {
    let json = home.ok(&["ls", "--json", &node.ticket]).out;
    let tracks: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    let shown =
        |it: &serde_json::Value| (it["number"].as_u64().unwrap(), it["title"].as_str().unwrap().into());
    tracks.iter().map(shown).collect()
}

fn named(names: &[&str]) -> Vec<(u64, String)> {
    (1..).zip(names).map(|(number, name)| (number, (*name).to_owned())).collect()
}

#[test]
fn a_running_node_follows_its_library() {
    let home = Home::new();
    home.configure("[library]\nrescan = \"20ms\"\n");
    let b = add(&home, "b", 1.0);
    let mut node = serve(&home);
    assert_eq!(tracks(&home, &node), named(&["b"]));
    add(&home, "a", 2.0);
    node.process.line(|it| it.contains("the library has changed: serving 2 tracks"));
    assert_eq!(tracks(&home, &node), named(&["a", "b"]));
    home.ok(&["play", &node.ticket, "1", "--output", "null:fast"]);
    fs::remove_file(b).unwrap();
    node.process.line(|it| it.contains("the library has changed: serving 1 track\n"));
    assert_eq!(tracks(&home, &node), named(&["a"]));
}

#[test]
fn files_of_unsupported_kinds_are_counted_at_each_start() {
    let home = Home::new();
    add(&home, "good", 1.0);
    for number in 0..12 {
        let wma = [&b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"[..], &[0; 2000]].concat();
        fs::write(home.path("music").join(format!("{number}.wma")), wma).unwrap();
    }
    fs::write(home.path("music/lossless.wv"), b"wvpk").unwrap();
    for _ in 0..2 {
        let mut node = serve(&home);
        let warnings = [
            "warning: 12 WMA files skipped: not supported",
            "warning: 1 WavPack file skipped: not supported",
        ];
        for warning in warnings {
            if !node.process.err.contains(warning) {
                node.process.line(|line| line.starts_with(warning));
            }
        }
        assert_eq!(tracks(&home, &node), named(&["good"]));
    }
}

#[test]
fn the_next_start_takes_the_index_or_does_without() {
    let home = Home::new();
    let index = home.path("kept");
    home.configure(&format!("[library]\nindex = {index:?}\nrescan = \"0s\"\n"));
    let (a, _) = (add(&home, "a", 1.0), add(&home, "b", 2.0));
    drop(serve(&home));
    let file = fs::read_dir(&index).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&file).unwrap();
    for damaged in [whole.clone(), b"{}".to_vec(), Vec::new(), whole[..whole.len() / 2].to_vec()] {
        fs::write(&file, damaged).unwrap();
        assert_eq!(tracks(&home, &serve(&home)), named(&["a", "b"]));
        assert_eq!(fs::read(&file).unwrap(), whole, "it is as it was, or written anew");
    }
    // A track of the index without a file on disk is dropped.
    fs::remove_file(a).unwrap();
    assert_eq!(tracks(&home, &serve(&home)), named(&["b"]));
    fs::remove_file(home.path("music/b.flac")).unwrap();
    let done = home.run(&["serve", home.path("music").to_str().unwrap()]);
    done.refused(NOT_FOUND, &["no audio files found under"]);
}

#[test]
fn tracks_of_a_catalog_of_several_pages_are_found_by_number_id_and_words() {
    let home = Home::new();
    let first = add(&home, "first", 0.5);
    for number in 0..600 {
        fs::copy(&first, home.path(&format!("music/song {number}.flac"))).unwrap();
    }
    let node = serve(&home);
    let all = tracks(&home, &node);
    assert_eq!((all.len(), &all[600]), (601, &(601, "song 599".to_owned())));
    let json = home.ok(&["ls", "--json", &node.ticket, "song 598"]).out;
    let found: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    let id = found[0]["id"].as_str().unwrap();
    for wanted in ["601", id, "599 SONG", "first"] {
        home.ok(&["play", &node.ticket, wanted, "1", "--output", "null:fast"]);
    }
    for wanted in ["602", "song 600"] {
        let done = home.run(&["play", &node.ticket, "1", wanted, "--output", "null:fast"]);
        done.refused(NOT_FOUND, &[wanted, "1 to 601"]);
    }
}
