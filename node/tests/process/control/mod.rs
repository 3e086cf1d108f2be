//! A running node is asked over its control socket, and told by signals.

#![cfg(all(unix, feature = "fastn"))]

mod doctor;
mod identities;
mod local_network;
mod luck;
mod service;
mod signals;
mod socket;
mod tickets;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::fixtures::{Kind, encode, music};
use crate::program::{Home, Node};

/// Makes a track in a folder of the home.
pub(crate) fn track(home: &Home, folder: &str, name: &str, seconds: f64) -> PathBuf {
    let folder = home.path(folder);
    fs::create_dir_all(&folder).unwrap();
    let made = encode(&home.path("tmp"), Kind::FlacS16, 44_100, 1, &music(44_100, 1, seconds));
    let file = folder.join(name).with_extension("flac");
    fs::rename(made, &file).unwrap();
    file
}

/// A home with a track of this length, and a node that serves it.
pub(crate) fn serving(seconds: f64) -> (Home, Node) {
    let home = Home::new();
    track(&home, "music", "a track", seconds);
    let node = home.serve(&[&home.path("music")]);
    (home, node)
}

/// The answer of `status --json`.
#[track_caller]
pub(crate) fn status(home: &Home) -> Value {
    serde_json::from_str(&home.ok(&["status", "--json"]).out).unwrap()
}

/// The control sockets of a home.
pub(crate) fn sockets(home: &Home) -> Vec<PathBuf> {
    let is_socket = |path: &Path| path.extension().is_some_and(|it| it == "sock");
    let entries = fs::read_dir(home.path("run/media-node")).unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| is_socket(path)).collect()
}
