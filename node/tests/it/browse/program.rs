//! `ls` and `play` of a generated library, with the real program.

#![cfg(unix)]

use std::{fs, path::Path};

use super::music;
use crate::program::{Done, Home, Node};

const USAGE: i32 = 2;
const NOT_FOUND: i32 = 4;

/// Titles in the order in which they were played.
fn played(done: &Done) -> Vec<String> {
    let line = |line: &str| Some(line.strip_prefix("playing ")?.split_once(": ")?.1.to_owned());
    let titles = done.err.lines().filter_map(line);
    titles.map(|title| title.split(" (").next().unwrap().to_owned()).collect()
}

#[test]
fn words_name_what_is_listed_and_played() {
    let music = music::make();
    let home = Home::new();
    let node = home.serve(&[music.path()]);
    let ls = |words: &[&str]| home.ok(&[&["ls", &node.ticket], words].concat()).out;
    let play = |words: &[&str]| home.run(&[&["play", &node.ticket, "--output", "null:fast"], words].concat());
    let albums = ls(&[]);
    assert_eq!(albums.lines().count(), 27, "{albums}");
    let line = albums.lines().find(|line| line.contains("Heavy Weather")).unwrap();
    let cells: Vec<_> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(cells[1..], ["Weather Report", "Heavy Weather", "1977", "4", "0:01"], "{line}");
    let number = cells[0].to_owned();

    assert_eq!(played(&play(&[&number])).len(), 4);
    let expected = ["Weather Report \u{2013} Birdland", "Weather Report \u{2013} A Remark You Made"];
    assert_eq!(played(&play(&["heavy weather"]))[..2], expected);
    assert_eq!(played(&play(&["weather report"]))[0], "Weather Report \u{2013} Black Market");
    assert_eq!(played(&play(&["weather report"])).len(), 5);
    play(&["greatest hits"]).refused(USAGE, &["several albums", "ABBA", "Queen"]);
    assert_eq!(played(&play(&["queen greatest hits"])).len(), 2);
    play(&["99"]).refused(NOT_FOUND, &["no line 99", "27 lines"]);
    play(&["nothing like it"]).refused(NOT_FOUND, &["nothing like it"]);

    let album = ls(&["heavy", "weather"]);
    let titles: Vec<_> = album.lines().skip(1).map(|line| line.contains("Birdland")).collect();
    assert_eq!(titles, [true, false, false, false], "{album}");
    assert!(album.starts_with("Weather Report \u{2013} Heavy Weather (1977)\n"), "{album}");
    // The numbers are now those of the album's tracks.
    assert_eq!(played(&play(&["2"])), ["Weather Report \u{2013} A Remark You Made"]);
    assert_eq!(ls(&["--tracks", "jazz"]).lines().count(), 4);
    assert!(ls(&["--json", "birdland"]).contains("\"genres\""));
}

#[test]
fn a_number_is_the_line_that_was_printed_last() {
    let music = music::make();
    let home = Home::new();
    home.configure("[library]\nrescan = \"20ms\"\n");
    let mut command = home.command(&[Path::new("serve"), music.path()]);
    let mut node = Node::start(command.env("MEDIA_NODE_LOG", "media_node=info"));
    let ticket = node.ticket.clone();
    let play = |number: &str| home.run(&["play", &ticket, number, "--output", "null:fast"]);
    // No list was printed: the number counts in the whole library.
    assert_eq!(played(&play("1")), ["The Beatles \u{2013} Something"]);
    let songs = home.ok(&["ls", &ticket, "--tracks", "song"]).out;
    assert_eq!(songs.lines().count(), 4, "{songs}");
    assert_eq!(played(&play("3")), ["Song 3"]);
    fs::copy(music.path().join("beatles/1.flac"), music.path().join("a.flac")).unwrap();
    node.process.line(|line| line.contains("the library has changed"));
    assert_eq!(played(&play("3")), ["Song 3"]);
    fs::remove_file(music.path().join("songs/Song 3.flac")).unwrap();
    node.process.line(|line| line.contains("the library has changed"));
    play("3").refused(NOT_FOUND, &["line 3 (Song 3)", "no longer"]);
}
