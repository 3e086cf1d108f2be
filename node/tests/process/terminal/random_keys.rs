//! Random keys over lists with tracks that cannot be played. No test presses `q`: each list must end by itself.

use std::{fs, path::PathBuf, thread};

use super::{LEFT, RIGHT, host::Host, screen::Screen};
use crate::fixtures::{Kind, encode, tone};
use crate::program::Home;

/// Length of a track in seconds. A jump of `LEFT` or `RIGHT` leaves it.
const SECONDS: f64 = 1.5;
/// Keys of a session.
const KEYS: usize = 25;
/// Sessions, one for each seed. They run side by side.
const SEEDS: u64 = 6;

/// Serves tracks, of which those with a name that begins with `gone` have vanished from the disk since.
fn serve(home: &Home, names: &[&str]) -> Host {
    let made = encode(&home.path("tmp"), Kind::WavS16, 8_000, 1, &tone(8_000, 1, SECONDS, 440.0));
    let copy = |name: &&str| {
        let path = home.path(&format!("{name}.wav"));
        fs::copy(&made, &path).unwrap();
        path
    };
    let files: Vec<PathBuf> = names.iter().map(copy).collect();
    let host = Host::serve(&files);
    for file in files.iter().filter(|file| file.file_name().unwrap().to_string_lossy().starts_with("gone")) {
        fs::remove_file(file).unwrap();
    }
    host
}

/// A small generator of random numbers (splitmix64), so that a seed repeats a session.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ (bits >> 31)) % bound as u64) as usize
    }
}

/// Presses a key after each line or at once, as the seed says, then resumes and waits for the end.
fn session(home: &Home, ticket: &str, seed: u64) {
    let mut random = Random(seed);
    let mut screen = Screen::start(home, &["play", ticket, "--output", "null"]);
    screen.next_line();
    let mut is_paused = false;
    for _ in 0..KEYS {
        let key = ["n", "n", "p", "p", "p", LEFT, RIGHT, " "][random.below(8)];
        screen.press(key);
        is_paused ^= key == " ";
        // A paused player draws nothing for a key without effect.
        if random.below(3) > 0 && !is_paused && screen.next_line().starts_with("exit=") {
            return;
        }
    }
    if is_paused {
        screen.press(" ");
    }
    // 1 if a vanished track was tried, 0 if the keys jumped over both.
    let end = screen.shows("exit=", &[]);
    assert!(matches!(end.as_str(), "exit=0" | "exit=1"), "{end}");
}

#[test]
fn a_list_with_vanished_tracks_ends_after_any_keys() {
    let home = Home::new();
    let host = serve(&home, &["1 one", "gone two", "3 three", "gone four", "5 five"]);
    thread::scope(|scope| {
        for seed in 0..SEEDS {
            let (home, ticket) = (&home, host.ticket.as_str());
            // The name of a thread stands in the message of its panic.
            let named = thread::Builder::new().name(format!("seed {seed}"));
            named.spawn_scoped(scope, move || session(home, ticket, seed)).unwrap();
        }
    });
}

#[test]
fn next_onto_a_vanished_track_shows_the_track_after_it_and_ends() {
    let home = Home::new();
    let host = serve(&home, &["1 one", "2 two", "gone"]);
    let mut screen = Screen::start(&home, &["play", &host.ticket, "1", "gone", "2", "--output", "null"]);
    screen.shows("▶ 1/3 1 one  0:0", &[]);
    screen.press("n");
    screen.shows("warning: skipped gone: ", &["no longer on the node's disk"]);
    screen.shows("playing 2: 2 two", &[]);
    screen.shows("▶ 3/3 2 two  0:01", &[]);
    screen.ends_with(1);
}
