//! A node whose file descriptors run out: it says so, serves on, and spins nowhere.

#![cfg(all(target_os = "linux", feature = "fastn"))]

use std::{collections::BTreeSet, fs};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::{
    control::sockets,
    fixtures::{Kind, encode, music, stored},
    program::{Home, Node, Running, Wav},
};

/// Serves one-second tracks. Returns their samples in order.
fn serving(home: &Home, tracks: usize) -> (Node, Vec<f32>) {
    let folder = home.path("music");
    let mut samples = Vec::new();
    for number in 0..tracks {
        let album = folder.join(format!("{number:02}"));
        fs::create_dir_all(&album).unwrap();
        let track = music(44_100, 2, 1.0 + number as f64 / 100.0);
        let file = encode(&home.path("tmp"), Kind::FlacS16, 44_100, 2, &track);
        fs::rename(file, album.join("FlacS16.flac")).unwrap();
        samples.extend(stored(Kind::FlacS16, &track));
    }
    (home.serve(&[&folder]), samples)
}

/// Lets the node open `free` more files than it has open now.
fn limit(node: &Node, free: u64) {
    let id = node.process.id();
    let open = fs::read_dir(format!("/proc/{id}/fd")).unwrap();
    let number = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().to_str().unwrap().parse();
    let open: BTreeSet<u64> = open.map(|entry| number(entry).unwrap()).collect();
    // The system gives each file the lowest free number, and none from the limit on.
    let least = (0..).filter(|number| !open.contains(number)).nth(usize::try_from(free).unwrap());
    let process = Pid::from_raw(id.cast_signed());
    let most = Rlimit { current: least, maximum: Some(1 << 10) };
    prlimit(process, Resource::Nofile, most).unwrap();
}

/// Starts a player that writes what it hears to a file.
fn play(home: &Home, node: &Node) -> Running {
    Running::start(&mut home.command(&["play", &node.ticket, "--codec", "pcm", "--output", "file:heard.wav"]))
}

fn assert_heard(home: &Home, samples: &[f32]) {
    let heard = Wav::read(&home.path("heard.wav")).samples;
    let differs = heard.iter().zip(samples).position(|(heard, sample)| heard != sample);
    assert_eq!((differs, heard.len()), (None, samples.len()));
}

/// CPU time of the node in ticks of 10 ms.
fn cpu_ticks(node: &Node) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", node.process.id())).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn a_node_without_a_descriptor_is_busy_and_goes_on() {
    let home = Home::new();
    let (mut node, samples) = serving(&home, 1);
    limit(&node, 0);
    let mut player = play(&home, &node);
    player.line(|line| line.contains("the node has too many open files"));
    node.process.line(|line| line.contains("too many open files: raise the limit with `ulimit -n"));
    let waiting_control = std::os::unix::net::UnixStream::connect(&sockets(&home)[0]).unwrap();
    node.process.line(|line| line.contains("the control socket takes no connection: too many open files"));
    let before = cpu_ticks(&node);
    node.process.line(|line| line.contains("the control socket takes no connection: too many open files"));
    let ticks = cpu_ticks(&node) - before;
    assert!(ticks < 50, "the node used {ticks} ticks in the second between two tries to accept");
    limit(&node, 500);
    drop(waiting_control);
    player.finish_with(0);
    assert_heard(&home, &samples);
    assert!(home.ok(&["ls", &node.ticket]).out.contains("FlacS16"));
    home.ok(&["status"]);
}

#[test]
fn idle_readers_make_room_for_further_tracks() {
    let home = Home::new();
    let (node, samples) = serving(&home, 24);
    limit(&node, 6);
    play(&home, &node).finish_with(0);
    assert_heard(&home, &samples);
    let said = node.process.err.clone();
    assert!(!said.contains("too many open files"), "{said}");
}
