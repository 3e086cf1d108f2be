//! A request that cannot be met ends with one line and an exit code, and the node keeps serving others.

#![cfg(unix)]

use std::{
    fs,
    net::UdpSocket,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::fixtures::{Kind, encode, music};
use crate::program::{Home, Node};
use media_protocol::Ticket;

// Exit codes that scripts rely on.
const FAILED: i32 = 1;
const USAGE: i32 = 2;
const UNREACHABLE: i32 = 3;
const NOT_FOUND: i32 = 4;
const OUTPUT: i32 = 5;

/// Makes a folder with one FLAC file per name, each of another length.
fn library(home: &Home, names: &[&str]) -> PathBuf {
    let folder = home.path("music");
    fs::create_dir_all(&folder).unwrap();
    for (n, name) in names.iter().enumerate() {
        let made = encode(&home.path("tmp"), Kind::FlacS16, 44_100, 1, &music(44_100, 1, 4.0 + n as f64));
        fs::rename(made, folder.join(format!("{name}.flac"))).unwrap();
    }
    folder
}

fn node(home: &Home, names: &[&str]) -> Node {
    home.serve(&[&library(home, names)])
}

/// Asserts that another listener is still served.
fn assert_serves(node: &Node, track: &str) {
    Home::new().ok(&["play", &node.ticket, track, "--output", "null:fast"]);
}

#[test]
fn a_wrong_option_of_any_plugin_is_found_by_config_check() {
    let home = Home::new();
    // The configuration of a test begins with four lines of `[transport.fastn]`.
    for (more, line, key, words) in [
        ("mdsn = true", 6, "transport.fastn.mdsn", "`mdns`"),
        ("max_peers = 0", 6, "transport.fastn.max_peers", "1 to 10000"),
        ("[transport.memory]\nfast = true", 7, "transport.memory.fast", "no options"),
        ("[output.cpal]\nbuffer_ms = 9", 7, "output.cpal.buffer_ms", "10 to 2000"),
        ("[output.null]\nspeed = 2", 7, "output.null.speed", "speed"),
        ("[output.file]\n\nformat = \"s8\"", 8, "output.file.format", "s16"),
        ("[codec.opus]\ncomplexity = 11", 7, "codec.opus.complexity", "0 to 10"),
        ("[codec.pcm]\nbits = 8", 7, "codec.pcm.bits", "no option"),
    ] {
        home.configure(more);
        let place = format!("config.toml:{line}: {key}");
        home.run(&["config", "check"]).refused(USAGE, &[&place, words]);
    }
    home.configure("[output.file]\noverwrite = true");
    assert_eq!(home.ok(&["config", "check"]).err, "");
    // A command finds those of the plugins that it uses.
    home.configure("[output.null]\nspeed = 2");
    let refused = home.run(&["demo", "--transport", "memory", "--output", "null:fast"]);
    refused.refused(USAGE, &["config.toml:7: output.null.speed"]);
}

#[test]
fn config_check_warns_of_settings_that_cannot_be_meant() {
    let home = Home::new();
    home.configure("[library]\npaths = [\"/no/music\", \"/\"]\n[plugins]\npaths = [\"/no/plugins\"]\n[access]\nmode = \"list\"");
    let done = home.ok(&["config", "check"]);
    for words in [
        "config.toml:7: library.paths: there is no /no/music",
        "config.toml:9: plugins.paths: there is no /no/plugins",
        "config.toml:11: access.mode is \"list\" and access.allow is empty",
    ] {
        assert!(
            done.err.lines().any(|line| line.starts_with("warning: ") && line.contains(words)),
            "{}",
            done.err
        );
    }
    assert!(done.out.starts_with("OK: "), "{}", done.out);
}

#[test]
fn wrong_words_of_a_command_line() {
    let home = Home::new();
    let node = node(&home, &["good"]);
    let ticket = node.ticket.as_str();
    let cases: [(&[&str], i32, &[&str]); 17] = [
        (&["--codec", "mp4"], USAGE, &["no codec \"mp4\"", "opus, pcm"]),
        (&["--codec", "opus:much"], USAGE, &["--codec", "much"]),
        (&["--codec", "opus:9999"], USAGE, &["--codec", "9999kbit", "opus takes 510 kbit/s at most"]),
        (&["--codec", "opus:5"], USAGE, &["--codec", "5kbit", "at least 6 kbit/s"]),
        (&["--codec", "pcm:64"], USAGE, &["--codec", "64kbit", "lossless", "leave it out"]),
        (&["--transport", "pigeon"], USAGE, &["no transport \"pigeon\"", "fastn, memory"]),
        (&["--set", "bufer.target=3s"], USAGE, &["bufer.target", "buffer.target"]),
        (&["--set", "playback.give_up=soon"], USAGE, &["playback.give_up", "a duration such as"]),
        (&["--set", "transport.fastn.rely=off"], USAGE, &["rely", "`relay`"]),
        (&["--config", "nowhere.toml"], USAGE, &["nowhere.toml"]),
        (&["--output", "stereo"], OUTPUT, &["no output \"stereo\"", "cpal, file, null, stdout"]),
        (&["--output", "null:slow"], OUTPUT, &["null", "slow", "null:fast"]),
        (&["--output", "cpal:kitchen"], OUTPUT, &["no sound device", "--output null"]),
        (&["--output", "file:/nowhere/x.wav"], OUTPUT, &["/nowhere/x.wav"]),
        (&["nothing like it"], NOT_FOUND, &["no track \"nothing like it\"", "media-node ls"]),
        (&["2"], NOT_FOUND, &["no track \"2\"", "1 to 1"]),
        (&["0123456789abcdef"], NOT_FOUND, &["no track \"0123456789abcdef\""]),
    ];
    for (words, code, expected) in cases {
        home.run(&[&["play", ticket], words].concat()).refused(code, expected);
    }
    fs::write(home.path("there.wav"), "mine").unwrap();
    home.run(&["play", ticket, "--output", "file:there.wav"])
        .refused(OUTPUT, &["there.wav exists", "overwrite"]);
    assert_eq!(fs::read(home.path("there.wav")).unwrap(), b"mine");
    assert_serves(&node, "good");
}

#[test]
fn what_is_no_ticket() {
    let home = Home::new();
    let node = node(&home, &["good"]);
    let cut = &node.ticket[..node.ticket.len() - 1];
    let mut typo = node.ticket.clone();
    let other = if &typo[40..41] == "z" { "y" } else { "z" };
    typo.replace_range(40..41, other);
    let cases: [(&str, &[&str]); 4] = [
        ("", &["not a ticket"]),
        ("good", &["not a ticket", "medianode1"]),
        (cut, &["cut short or mistyped", "again"]),
        (&typo, &["cut short or mistyped"]),
    ];
    for (ticket, expected) in cases {
        for command in ["play", "ls"] {
            home.run(&[command, ticket]).refused(USAGE, expected);
        }
    }
    fs::write(home.path("ticket"), cut).unwrap();
    home.run(&["ls", "ticket"]).refused(USAGE, &["reading the ticket in ticket", "cut short"]);
    fs::write(home.path("ticket"), &node.ticket).unwrap();
    assert!(home.ok(&["ls", "ticket"]).out.contains("good"));
}

#[test]
fn the_ticket_of_another_node() {
    let (home, guest) = (Home::new(), Home::new());
    let node = node(&home, &["good"]);
    let ticket: Ticket = node.ticket.parse().unwrap();
    let wrong = Ticket { capability: [7; 32], ..ticket.clone() }.to_string();
    let done = guest.run(&["play", &wrong, "--output", "null:fast"]);
    done.refused(UNREACHABLE, &["turned this client away", "ask for a new one"]);
    assert!(!done.err.contains(&wrong), "a ticket is a secret");

    // The address of one node with the key of another: the node at that address cannot prove to have that
    // key.
    let other = Home::new();
    let id = other.ok(&["id"]).out;
    let peer = id.split_whitespace().nth(1).unwrap().to_owned();
    let mut wrong = ticket;
    wrong.routes[0].peer.clone_from(&peer);
    let wrong = wrong.to_string();
    let limit = "transport.fastn.connect_timeout_ms=3000";
    let done = guest.run(&["play", &wrong, "--output", "null:fast", "--set", limit]);
    done.refused(UNREACHABLE, &["connecting to the node of the ticket", &peer]);
    assert_serves(&node, "good");
}

#[test]
fn a_node_that_is_not_there() {
    let (home, guest) = (Home::new(), Home::new());
    let gone = node(&home, &["good"]).ticket;
    // The node is killed when it is dropped, so the address is unused.
    let limit = "transport.fastn.connect_timeout_ms=500";
    for command in ["play", "ls"] {
        let done = guest.run(&[command, &gone, "--set", limit]);
        done.refused(UNREACHABLE, &["connecting to the node of the ticket", "cannot reach", "127.0.0.1"]);
    }
}

#[test]
fn a_port_in_use() {
    let home = Home::new();
    let node = node(&home, &["good"]);
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let held = UdpSocket::bind(taken).unwrap();
    let bind = format!("transport.fastn.bind=[\"{taken}\"]");
    // A node of its own, since two nodes cannot have one key.
    let done = home.run(&["serve", "music", "--set", "node.key=other", "--set", &bind]);
    done.refused(FAILED, &[&taken.to_string(), "in use"]);
    drop(held);
    assert_serves(&node, "good");
}

#[test]
fn nothing_to_serve() {
    let home = Home::new();
    let folder = |name: &str| {
        fs::create_dir_all(home.path(name)).unwrap();
        home.path(name)
    };
    fs::write(folder("notes").join("todo.txt"), "buy milk").unwrap();
    folder("empty");
    fs::write(folder("fake").join("text.mp3"), "this is no sound at all\n".repeat(500)).unwrap();
    home.run(&["serve"]).refused(USAGE, &["media-node serve ~/Music"]);
    home.run(&["serve", "missing"]).refused(NOT_FOUND, &["missing", "No such file"]);
    home.run(&["serve", "empty"]).refused(NOT_FOUND, &["no audio files found under empty", "flac"]);
    home.run(&["serve", "notes"]).refused(NOT_FOUND, &["no audio files found under notes"]);
    home.run(&["serve", "fake"]).refused(NOT_FOUND, &["no audio files", "text.mp3"]);
}

/// Adds unplayable files beside a good one.
fn spoil(folder: &Path) {
    fs::write(folder.join("text.mp3"), "this is no sound at all\n".repeat(500)).unwrap();
    fs::write(folder.join("nothing.flac"), "").unwrap();
    let good = fs::read(folder.join("good.flac")).unwrap();
    fs::write(folder.join("headless.flac"), &good[5000..]).unwrap();
}

#[test]
fn files_that_are_no_audio_are_named_and_passed_over() {
    let home = Home::new();
    let folder = library(&home, &["good"]);
    spoil(&folder);
    let node = home.serve(&[&folder]);
    assert_eq!(home.ok(&["ls", &node.ticket]).out.lines().count(), 1);
    assert_serves(&node, "good");
    node.process.signal("INT");
    let err = node.process.finish_with(0).err;
    for name in ["text.mp3", "nothing.flac", "headless.flac"] {
        assert_eq!(err.lines().filter(|line| line.contains(name)).count(), 1, "{name} in {err}");
    }
}

#[test]
fn a_damaged_file_keeps_its_length_and_the_node_says_so() {
    let home = Home::new();
    let folder = library(&home, &["good", "holed"]);
    let mut holed = fs::read(folder.join("holed.flac")).unwrap();
    let middle = holed.len() / 2;
    holed[middle..middle + 3000].fill(0x55);
    fs::write(folder.join("holed.flac"), holed).unwrap();
    let mut node = home.serve(&[&folder]);
    let wav = home.path("holed.wav");
    let output = format!("file:{}", wav.display());
    let play = home.run(&["play", &node.ticket, "holed", "--codec", "pcm", "--output", &output]);
    assert!(play.code == FAILED && play.err.contains("s of holed were silent"), "{}", play.err);
    assert_eq!(crate::program::Wav::read(&wav).frames(), 5 * 44_100);
    node.process.line(|line| line.contains("became silence") && line.contains("holed"));
    assert_serves(&node, "good");
}

/// The node stops in the middle of the track, so that the player waits for it when the person quits.
#[test]
fn a_file_is_completed_with_what_was_played_if_a_person_quits() {
    let home = Home::new();
    let seconds = 240;
    let file = encode(&home.path("tmp"), Kind::WavS16, 44_100, 1, &music(44_100, 1, f64::from(seconds)));
    let node = home.serve(&[&file]);
    let wav = home.path("out.wav");
    let output = format!("file:{}", wav.display());
    let mut command = home.command(&["play", &node.ticket, "--codec", "pcm", "--output", &output]);
    let mut player = crate::program::Running::start(&mut command);
    player.line(|line| line.starts_with("playing 1"));
    node.process.signal("STOP");
    player.signal("INT");
    let done = player.finish();
    node.process.signal("CONT");
    assert_eq!(done.code, 0, "{}", done.err);
    let frames = crate::program::Wav::read(&wav).frames();
    assert!((1..44_100 * seconds as usize).contains(&frames), "{frames}");
    assert!(!home.path("out.wav.part").exists());
}

#[test]
fn a_file_cut_short_is_played_as_far_as_it_goes() {
    let home = Home::new();
    let folder = library(&home, &["good", "torn"]);
    let torn = fs::read(folder.join("torn.flac")).unwrap();
    fs::write(folder.join("torn.flac"), &torn[..torn.len() / 3]).unwrap();
    let node = home.serve(&[&folder]);
    let wav = home.path("torn.wav");
    let output = format!("file:{}", wav.display());
    let play = home.run(&["play", &node.ticket, "torn", "--codec", "pcm", "--output", &output]);
    assert_eq!(play.code, FAILED);
    let said = play.err.lines().filter(|line| line.contains("cannot play torn")).collect::<Vec<_>>();
    assert!(said.len() == 1 && said[0].contains("cut short") && said[0].contains("0:03"), "{}", play.err);
    assert_eq!(crate::program::Wav::read(&wav).frames(), 3 * 44_100, "the chunk in which it ends");
    assert_serves(&node, "good");
}

#[test]
fn a_vanished_file() {
    let home = Home::new();
    let node = node(&home, &["before", "gone", "later"]);
    fs::remove_file(home.path("music/gone.flac")).unwrap();
    let play =
        |tracks: &[&str]| home.run(&[&["play", &node.ticket, "--output", "null:fast"], tracks].concat());
    play(&["gone"]).refused(FAILED, &["cannot play gone", "no longer on the node's disk"]);
    // Among other tracks it is skipped.
    let done = play(&[]);
    assert_eq!(done.code, FAILED);
    assert_eq!(done.err.matches("playing ").count(), 2, "{}", done.err);
    assert_eq!(done.err.matches("no longer on the node's disk").count(), 1, "{}", done.err);
    assert!(
        done.err.ends_with("media-node: 1 of 3 tracks could not be played, or not to their end\n"),
        "{}",
        done.err
    );
    assert_serves(&node, "later");
}

#[test]
fn a_key_that_others_can_read() {
    let home = Home::new();
    let said = home.ok(&["id"]).out;
    let key = PathBuf::from(said.lines().nth(1).unwrap().split_once("  ").unwrap().1);
    let mode = || fs::metadata(&key).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    assert_eq!(home.ok(&["id"]).out, said, "it is kept");

    library(&home, &["good"]);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    for command in [&["id"][..], &["serve", "music"]] {
        home.run(command).refused(FAILED, &["key", "read by others", "chmod 600"]);
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&key, "no key").unwrap();
    home.run(&["id"]).refused(FAILED, &["contains no key", "restore"]);
}
