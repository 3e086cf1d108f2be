//! Nodes that are reached by a stored name in place of a ticket.

#![cfg(unix)]

use std::{fs, io::Write, process::Stdio};

use crate::fixtures::{Kind, encode, music};
use crate::program::{Home, Node};

const USAGE: i32 = 2;
const UNREACHABLE: i32 = 3;

fn node(home: &Home) -> Node {
    let folder = home.path("music");
    fs::create_dir_all(&folder).unwrap();
    let made = encode(&home.path("tmp"), Kind::FlacS16, 44_100, 1, &music(44_100, 1, 1.0));
    fs::rename(made, folder.join("good.flac")).unwrap();
    home.serve(&[&folder])
}

#[test]
fn a_name_its_beginning_a_file_and_standard_input_stand_for_a_ticket() {
    let owner = Home::new();
    let node = node(&owner);
    let listener = Home::new();
    let file = listener.path("ticket");
    fs::write(&file, &node.ticket).unwrap();
    let file = file.to_str().unwrap();

    let added = listener.ok(&["add", file, "as", "home"]);
    assert!(added.out.contains("media-node play home") && !added.out.contains(&node.ticket), "{}", added.out);
    for name in ["home", "ho", file, &node.ticket] {
        assert!(listener.ok(&["ls", name]).out.contains("good"), "{name}");
    }
    let played = listener.ok(&["play", "home", "1", "--output", "null:fast"]);
    assert!(!played.err.contains(&node.ticket));

    let mut piped = listener.command(&["ls", "-"]);
    let mut piped = piped.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    piped.stdin.take().unwrap().write_all(format!("{}\n", node.ticket).as_bytes()).unwrap();
    let piped = piped.wait_with_output().unwrap();
    assert!(piped.status.success() && String::from_utf8_lossy(&piped.stdout).contains("good"));

    let nodes = listener.ok(&["nodes"]).out;
    assert!(nodes.contains("home") && nodes.contains("just now") && nodes.contains("loopback"), "{nodes}");
    let json = listener.ok(&["nodes", "--json"]).out;
    assert!(json.contains("\"home\"") && !json.contains(&node.ticket), "{json}");
}

#[test]
fn wrong_names_get_one_clear_line() {
    let owner = Home::new();
    let node = node(&owner);
    let listener = Home::new();
    listener.run(&["ls", "home"]).refused(USAGE, &["no node named \"home\"", "media-node add"]);
    listener.ok(&["add", &node.ticket, "as", "home"]);
    listener.ok(&["add", &node.ticket, "as", "holiday"]);
    listener.run(&["ls", "ho"]).refused(USAGE, &["\"ho\"", "holiday, home"]);
    listener.run(&["ls", "attic"]).refused(USAGE, &["\"attic\"", "known: holiday, home", "standard input"]);
    listener.run(&["rename", "home", "holiday"]).refused(USAGE, &["holiday", "in use"]);
    listener.run(&["add", &node.ticket, "as", "a b"]).refused(USAGE, &["\"a b\"", "letters"]);
    listener.run(&["add", &node.ticket, "home"]).refused(USAGE, &["as NAME"]);

    listener.ok(&["rename", "hom", "attic"]);
    assert!(listener.ok(&["ls", "attic"]).out.contains("good"));
    listener.run(&["forget", "att"]).refused(USAGE, &["\"att\""]);
    listener.ok(&["forget", "attic"]);
    listener.run(&["ls", "attic"]).refused(USAGE, &["no node named \"attic\"", "holiday"]);
    // A ticket with a mistake in it is not repeated.
    let mut broken = node.ticket.clone();
    broken.replace_range(20..21, "1");
    let refused = listener.run(&["ls", &broken]);
    refused.refused(USAGE, &["ticket"]);
    assert!(!refused.err.contains(&broken[40..]));

    drop(node);
    listener.run(&["ls", "holiday"]).refused(UNREACHABLE, &["connecting"]);
}
