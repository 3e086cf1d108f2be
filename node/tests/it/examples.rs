//! The programs in `node/examples/`: one serves a folder, the other plays its first track.

#![cfg(all(unix, feature = "fastn"))]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    fixtures::{Kind, encode, music, stored},
    program::{Home, Running, Wav},
};

/// Path of an example, which cargo builds with the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile.join("examples").join(name);
    assert!(program.exists(), "{} is missing; run cargo build -p media-node --examples", program.display());
    program
}

fn start(home: &Home, name: &str, arguments: &[&str]) -> Running {
    let mut command = Command::new(example(name));
    command.args(arguments).current_dir(home.path("")).env_clear().envs(home.environment());
    Running::start(&mut command)
}

#[test]
fn a_server_is_embedded_and_played_from_its_ticket() {
    let home = Home::new();
    let samples = music(44_100, 2, 4.5);
    let folder = home.path("music");
    std::fs::create_dir(&folder).unwrap();
    let made = encode(&home.path("tmp"), Kind::FlacS16, 44_100, 2, &samples);
    std::fs::rename(made, folder.join("song.flac")).unwrap();
    let mut server = start(&home, "embed_server", &["--local", "music"]);
    let line = server.line(|line| line.starts_with("ticket: "));
    let ticket = line.trim_start_matches("ticket: ").trim();
    assert!(server.out.contains("serving 1 tracks"), "{}", server.out);

    let done = start(&home, "play_from_ticket", &["--local", ticket, "file:out.wav"]).finish_with(0);
    assert!(done.out.starts_with("playing song\n"), "{}", done.out);
    assert!(Wav::read(&home.path("out.wav")).samples == stored(Kind::FlacS16, &samples));

    server.signal("INT");
    server.finish_with(0);
}

#[test]
fn a_wrong_ticket_is_an_error() {
    let home = Home::new();
    let done = start(&home, "play_from_ticket", &["--local", "medianode1abc", "null:fast"]).finish_with(1);
    assert!(done.err.contains("reading the ticket"), "{}", done.err);
}
