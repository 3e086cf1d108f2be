//! The program on a terminal: its status line, its keys, and the effect of a pause on the serving node.

#![cfg(unix)]
mod host;
mod random_keys;
mod screen;

use std::{fs, path::PathBuf};

use crate::fixtures::{Kind, encode, tone};
use crate::program::Home;
use host::Host;
use screen::{Screen, seconds};

const LEFT: &str = "\u{1b}[D";
const RIGHT: &str = "\u{1b}[C";
const DOWN: &str = "\u{1b}[B";
const PAGE_DOWN: &str = "\u{1b}[6~";
const ESC: &str = "\u{1b}";
const CONTROL_C: &str = "\u{3}";

/// Makes tracks of one minute with these names.
fn tracks(home: &Home, names: &[&str]) -> Vec<PathBuf> {
    let made = encode(&home.path("tmp"), Kind::WavS16, 8_000, 1, &tone(8_000, 1, 60.0, 440.0));
    let copy = |name: &&str| {
        let path = home.path(&format!("{name}.wav"));
        fs::copy(&made, &path).unwrap();
        path
    };
    names.iter().map(copy).collect()
}

/// Returns the node's count of requests after all earlier ones have arrived: another listener connects, lists
/// and leaves.
fn settled(home: &Home, host: &Host) -> u64 {
    home.ok(&["ls", &host.ticket]);
    host.requests()
}

/// Plays a track of one minute from its middle, in real time, with this setting of `playback.pause`.
fn play(home: &Home, host: &Host, pause: &str) -> Screen {
    let pause = format!("playback.pause={pause}");
    let arguments = [
        "play",
        &host.ticket,
        "--output",
        "null",
        "--start",
        "0:30",
        "--set",
        &pause,
        "--stats",
        "stats.json",
    ];
    Screen::start(home, &arguments)
}

/// Pauses, waits until the node has every request, and quits. A request in flight could be lost with the
/// connection.
fn quit(home: &Home, host: &Host, mut screen: Screen) {
    screen.press(" ");
    screen.position("⏸");
    settled(home, host);
    screen.press("q");
    screen.ends();
}

/// Asserts that the client counted as many requests as the node.
fn assert_counts(home: &Home, host: &Host) {
    let stats = home.stats();
    assert_eq!(stats["requests_while_paused"], 0);
    assert_eq!(stats["requests"], host.requests());
    assert!(stats["paused_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(stats["underruns"], 0, "a pause is no underrun");
}

#[test]
fn a_pause_holds_and_asks_for_nothing() {
    let home = Home::new();
    let host = Host::serve(&tracks(&home, &["one"]));
    let mut screen = play(&home, &host, "hold");
    screen.reaches(31);
    screen.press(" ");
    let position = screen.position("⏸");
    let requests = settled(&home, &host);
    // A seek during a pause moves the position and sends no request.
    screen.press(RIGHT);
    let sought = std::iter::repeat_with(|| screen.position("⏸")).find(|it| *it >= position + 10).unwrap();
    // The pause may start just before a full second.
    assert!(sought <= position + 11, "from {position} to {sought}");
    assert_eq!(settled(&home, &host), requests);
    screen.press(" ");
    screen.reaches(sought + 1);
    assert!(host.requests() > requests);
    quit(&home, &host, screen);
    assert_counts(&home, &host);
}

#[test]
fn a_pause_drains_and_asks_for_nothing() {
    let home = Home::new();
    let host = Host::serve(&tracks(&home, &["one"]));
    let mut screen = play(&home, &host, "drain");
    screen.reaches(31);
    screen.press(" ");
    let paused = screen.position("⏸");
    let requests = settled(&home, &host);
    let drained = seconds(&screen.shows("⏸", &["[········]  0.0 s "]));
    assert!(drained > paused, "what was held is played out");
    assert_eq!(settled(&home, &host), requests);
    screen.press(" ");
    screen.reaches(drained + 1);
    assert!(host.requests() > requests);
    quit(&home, &host, screen);
    assert_counts(&home, &host);
}

#[test]
fn every_key_does_what_it_should() {
    let home = Home::new();
    let host = Host::serve(&tracks(&home, &["one", "three", "two"]));
    let mut screen = Screen::start(&home, &["play", &host.ticket, "1", "3", "2", "--output", "null"]);
    screen.shows("▶ 1/3 one  0:0", &["/1:00  [████████] ", " s  pcm 128k  loopback  0 dropouts"]);
    screen.press(RIGHT);
    screen.shows("▶ 1/3 one  0:1", &["/1:00 "]);
    screen.press(RIGHT);
    screen.shows("▶ 1/3 one  0:2", &["/1:00 "]);
    screen.press(LEFT);
    screen.shows("▶ 1/3 one  0:1", &["/1:00 "]);
    screen.press(DOWN);
    screen.shows("▶", &["vol 95%"]);
    screen.press("n");
    screen.shows("▶ 2/3 two  0:0", &[]);
    screen.press("n");
    screen.shows("▶ 3/3 three  0:0", &[]);
    screen.press("p");
    screen.shows("▶ 2/3 two  0:0", &[]);
    // After the first seconds of a track, `p` goes to its start.
    screen.press(RIGHT);
    screen.shows("▶ 2/3 two  0:1", &[]);
    screen.press("p");
    screen.shows("▶ 2/3 two  0:0", &[]);
    screen.press("q");
    screen.ends();
}

#[test]
fn keys_for_places_order_and_sound() {
    let home = Home::new();
    let host = Host::serve(&tracks(&home, &["one", "two"]));
    let arguments = ["play", &host.ticket, "--output", "null", "--volume", "60", "--repeat", "one"];
    let mut screen = Screen::start(&home, &arguments);
    screen.shows("▶ 1/2 one  0:0", &["repeat one  vol 60%"]);
    screen.press("5");
    screen.shows("▶ 1/2 one  0:3", &[]);
    screen.press("g0:4");
    screen.shows("go to: 0:4_", &[]);
    screen.press("0\r");
    screen.shows("▶ 1/2 one  0:4", &[]);
    screen.press(PAGE_DOWN);
    screen.shows("▶ 1/2 one  0:0", &[]);
    screen.press("m");
    screen.shows("▶ 1/2 one  0:0", &["repeat one  muted"]);
    screen.press("r");
    screen.shows("repeat off", &[]);
    screen.press("s");
    screen.shows("▶ 1/2 one  0:0", &["dropouts  shuffle  muted"]);
    screen.press("?");
    screen.shows("PgUp, PgDn", &["1 min"]);
    screen.press("q");
    screen.ends();
}

#[test]
fn eighty_columns_have_room_for_the_whole_title() {
    let home = Home::new();
    let title = "a title that is as long as many others";
    let host = Host::serve(&tracks(&home, &[title]));
    let arguments = ["play", &host.ticket, "--codec", "opus", "--output", "null"];
    let mut screen = Screen::with_columns(&home, &arguments, 80);
    screen.shows("playing 1: ", &[title, "the one codec that this client offers"]);
    screen.shows(&format!("▶ {title}  0:0"), &["/1:00  ", "  opus 96k"]);
    screen.press("q");
    screen.ends();
}

#[test]
fn it_ends_well_however_it_ends() {
    let home = Home::new();
    let host = Host::serve(&tracks(&home, &["one"]));
    for quit in ["q", ESC, CONTROL_C] {
        let mut screen = Screen::start(&home, &["play", &host.ticket, "--output", "null"]);
        screen.shows("▶ one  0:0", &[]);
        screen.press(quit);
        screen.ends();
    }
    // At the end of the track, and during a pause.
    let mut screen = Screen::start(&home, &["play", &host.ticket, "--output", "null:fast"]);
    screen.shows("playing 1: one", &[]);
    screen.ends();
    let mut screen = play(&home, &host, "hold");
    screen.shows("▶ one  0:3", &[]);
    screen.press(" ");
    screen.shows("⏸ one  0:3", &[]);
    screen.press("q");
    screen.ends();
}

#[test]
fn the_last_track_has_no_next() {
    let home = Home::new();
    let host = Host::serve(&tracks(&home, &["one"]));
    let mut screen = play(&home, &host, "hold");
    screen.reaches(31);
    screen.press("n");
    screen.press(DOWN);
    screen.shows("▶ one  0:3", &["vol 95%"]);
    screen.press("q");
    screen.ends();
}

#[test]
fn without_a_terminal_lines_are_plain() {
    let home = Home::new();
    let host = Host::serve(&tracks(&home, &["one"]));
    let done = home.ok(&["play", &host.ticket, "--output", "null:fast"]);
    assert!(done.err.contains("playing 1: one"), "{}", done.err);
    assert!(!done.err.contains(['\u{1b}', '\r']), "{:?}", done.err);
}
