//! The disk cache of the real program: killed during a write, and on a full disk.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Instant,
};

use serde_json::Value;

use crate::{
    fixtures::{Kind, encode, music},
    program::{HANGS, Home, Node, Running},
};

const CHUNKS: u64 = 8;

fn track(home: &Home) -> String {
    let file = encode(&home.path("tmp"), Kind::FlacS16, 44_100, 2, &music(44_100, 2, 23.5));
    file.to_str().unwrap().to_owned()
}

fn folder(home: &Home) -> PathBuf {
    home.path(".cache/media-node/chunks")
}

fn serve(home: &Home, track: &str) -> Command {
    let set = ["--set", "server.disk_cache=100MB", "--set", "server.stats_interval=100ms"];
    home.command(&[&["serve", track, "--stats", "serve.json"], &set[..]].concat())
}

/// Counts the chunks in the folder.
fn count(folder: &Path) -> u64 {
    let Ok(files) = fs::read_dir(folder) else { return 0 };
    files.filter(|it| it.as_ref().unwrap().path().extension().is_some_and(|it| it == "chunk")).count() as u64
}

fn wait_until(so: impl Fn() -> bool) {
    let until = Instant::now() + HANGS;
    while !so() {
        assert!(Instant::now() < until, "it hangs");
        thread::yield_now();
    }
}

/// Reads the statistics that the node wrote last.
fn figures(home: &Home) -> Option<Value> {
    serde_json::from_slice(&fs::read(home.path("serve.json")).ok()?).ok()
}

/// Plays the track to a file and stops the node by SIGINT once its disk cache has handled `chunks` chunks.
/// Returns the file, the node's statistics and its standard error.
fn play(home: &Home, node: Node, chunks: u64) -> (Vec<u8>, Value, String) {
    let _ = fs::remove_file(home.path("out.wav"));
    let _ = fs::remove_file(home.path("serve.json"));
    home.ok(&["play", &node.ticket, "--codec", "opus", "--output", "file:out.wav"]);
    let done = |disk: &Value| ["hits", "writes", "unwritten"].iter().filter_map(|it| disk[it].as_u64()).sum();
    wait_until(|| figures(home).map_or(0, |it| done(&it["disk"])) >= chunks);
    node.process.signal("INT");
    let said = node.process.finish_with(0).err;
    (fs::read(home.path("out.wav")).unwrap(), figures(home).unwrap(), said)
}

#[test]
fn a_node_that_is_killed_leaves_nothing_wrong() {
    let home = Home::new();
    let (track, folder) = (track(&home), folder(&home));
    let plain = Node::start(&mut home.command(&["serve", &track, "--stats", "serve.json"]));
    let (fresh, figures, _) = play(&home, plain, 0);
    assert_eq!((&figures["encoder"]["encoded"], &figures["disk"]["misses"]), (&CHUNKS.into(), &0.into()));
    assert!(!folder.exists());
    for chunks in [1, 2, 4] {
        let node = Node::start(&mut serve(&home, &track));
        let player = ["play", &node.ticket, "--codec", "opus", "--output", "null:fast"];
        let player = Running::start(&mut home.command(&player));
        wait_until(|| count(&folder) >= chunks);
        // Kills both processes.
        drop((node, player));
    }
    let kept = count(&folder);
    let (again, figures, said) = play(&home, Node::start(&mut serve(&home, &track)), CHUNKS);
    assert!(again == fresh);
    assert_eq!(said, "stopping\n");
    let disk = &figures["disk"];
    assert_eq!(disk["misses"], CHUNKS - kept, "{figures}");
    assert_eq!((&disk["hits"], &disk["damaged"]), (&kept.into(), &0.into()), "{figures}");
    assert_eq!(figures["encoder"]["encoded"], CHUNKS - kept, "{figures}");
    let (again, figures, _) = play(&home, Node::start(&mut serve(&home, &track)), CHUNKS);
    assert!(again == fresh);
    assert_eq!((&figures["disk"]["hits"], &figures["encoder"]["encoded"]), (&CHUNKS.into(), &0.into()));
}

/// A limit on the size of files stands for a full disk: each write fails in the middle.
#[test]
fn a_full_disk_is_told_once_and_stops_nobody() {
    let home = Home::new();
    let (track, folder) = (track(&home), folder(&home));
    let plain = serve(&home, &track);
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\""]).arg(plain.get_program());
    limited.args(plain.get_args()).current_dir(home.path("")).env_clear().envs(home.environment());
    let (_, figures, said) = play(&home, Node::start(&mut limited), CHUNKS);
    assert_eq!(said.lines().filter(|it| it.contains("cannot keep chunks in")).count(), 1, "{said}");
    let disk = &figures["disk"];
    assert_eq!((&disk["unwritten"], &disk["writes"]), (&CHUNKS.into(), &0.into()), "{figures}");
    assert_eq!(figures["encoder"]["encoded"], CHUNKS);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is left behind");
}
