//! A library folder whose disk goes away and comes back while a player wants its tracks.

use std::fs;

use crate::{
    fixtures::{Kind, encode, music, stored},
    program::{Home, Running, Wav},
};

/// Serves one track and takes its folder away. Returns the home, the node, the samples and the two places.
fn without_its_disk() -> (Home, crate::program::Node, Vec<f32>, [std::path::PathBuf; 2]) {
    let home = Home::new();
    let places = ["disk", "aside"].map(|name| home.path(name));
    fs::create_dir(&places[0]).unwrap();
    let samples = music(44_100, 2, 4.0);
    let file = encode(&home.path("tmp"), Kind::FlacS16, 44_100, 2, &samples);
    fs::copy(file, places[0].join("FlacS16.flac")).unwrap();
    let node = home.serve(&[&places[0]]);
    fs::rename(&places[0], &places[1]).unwrap();
    (home, node, stored(Kind::FlacS16, &samples), places)
}

#[test]
fn a_player_waits_for_a_disk_that_is_away() {
    let (home, node, samples, [disk, aside]) = without_its_disk();
    let mut playing = Running::start(&mut home.command(&[
        "play",
        &node.ticket,
        "--codec",
        "pcm",
        "--output",
        "file:out.wav",
    ]));
    playing.line(|line| line.contains("is away from the node"));
    fs::rename(aside, disk).unwrap();
    playing.finish_with(0);
    let heard = Wav::read(&home.path("out.wav")).samples;
    let wrong = heard.iter().zip(&samples).filter(|(a, b)| a != b).count();
    assert_eq!((heard.len(), wrong), (samples.len(), 0));
}

#[test]
fn a_player_waits_as_long_as_give_up_says() {
    let (home, node, ..) = without_its_disk();
    home.configure("[playback]\ngive_up = \"3s\"\n");
    let done = home.run(&["play", &node.ticket, "--output", "null:fast"]);
    assert_eq!(done.code, 3, "{done:?}");
    assert!(done.err.contains("is away from the node"), "{done:?}");
    // The track stays listed.
    assert!(home.ok(&["ls", &node.ticket]).out.contains("FlacS16"));
}
