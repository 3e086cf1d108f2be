//! The commands `ticket` and `allow`, and the state of version 0.1.

#![cfg(unix)]

use std::{fs, os::unix::fs::PermissionsExt};

use media_protocol::Ticket;
use serde_json::Value;

use crate::fixtures::{Kind, encode, music};
use crate::program::{Home, Node};

const FAILED: i32 = 1;
const USAGE: i32 = 2;
const UNREACHABLE: i32 = 3;

fn node(home: &Home) -> Node {
    let folder = home.path("music");
    for (name, seconds) in [("jazz/birdland", 1.0), ("rock/secret", 2.0)] {
        let made = encode(&home.path("tmp"), Kind::FlacS16, 44_100, 1, &music(44_100, 1, seconds));
        let file = folder.join(format!("{name}.flac"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::rename(made, file).unwrap();
    }
    home.serve(&[&folder])
}

/// Makes a ticket before the node runs.
fn made(home: &Home, words: &[&str]) -> String {
    let done = home.ok(&[&["ticket", "new"], words].concat());
    let ticket = done.out.lines().next().unwrap().to_owned();
    assert!(ticket.starts_with("medianode1") && !done.err.contains(&ticket), "{}", done.err);
    ticket
}

/// The ticket with the addresses of the running node.
fn addressed(node: &Node, ticket: &str) -> String {
    let running: Ticket = node.ticket.parse().unwrap();
    running.with_token(&ticket.parse::<Ticket>().unwrap().token()).unwrap().to_string()
}

fn key_file(home: &Home) -> std::path::PathBuf {
    let line = home.ok(&["id"]).out;
    line.lines().find_map(|line| line.strip_prefix("key")).unwrap().trim().into()
}

#[test]
fn a_ticket_has_its_folder_its_use_and_its_end() {
    let owner = Home::new();
    let phone = made(&owner, &["--for", "phone", "--folder", "jazz", "--lossy-only", "--quota", "5GB/month"]);
    let late = made(&owner, &["--for", "late", "--expires", "1s"]);
    let ended = made(&owner, &["--for", "ended"]);
    owner.ok(&["ticket", "revoke", "ended"]);
    owner.run(&["ticket", "revoke", "ended"]).refused(USAGE, &["\"ended\"", "known: first, phone, late"]);
    owner.run(&["ticket", "new", "--for", "phone"]).refused(USAGE, &["\"phone\"", "in use", "ticket revoke"]);
    let node = node(&owner);
    let listener = Home::new();
    fs::write(listener.path("ticket"), addressed(&node, &phone)).unwrap();
    listener.ok(&["add", "ticket", "as", "home"]);
    let listed = listener.ok(&["ls", "home"]).out;
    assert!(listed.contains("birdland") && !listed.contains("secret"), "{listed}");
    listener.ok(&["play", "home", "--output", "null:fast"]);
    listener.run(&["play", "home", "secret", "--output", "null:fast"]).refused(4, &["no track \"secret\""]);
    assert!(listener.ok(&["nodes"]).out.contains("listen, originals"));
    let (late, ended) = (addressed(&node, &late), addressed(&node, &ended));
    while listener.run(&["ls", &late]).code == 0 {}
    for (ticket, words) in
        [(&late, ["expired on", "new ticket"]), (&ended, ["revoked by the owner", "new ticket"])]
    {
        let done = listener.run(&["ls", ticket]);
        done.refused(UNREACHABLE, &words);
    }
    node.process.signal("INT");
    node.process.finish_with(0);

    let listed = owner.ok(&["ticket", "list"]);
    for word in ["first", "phone", "only jazz", "lossy only", "5GB/month", "never used", "expired on"] {
        assert!(listed.out.contains(word), "no {word:?} in {}", listed.out);
    }
    assert!(!listed.out.contains("ended"), "{}", listed.out);
    let json: Value = serde_json::from_str(&owner.ok(&["ticket", "list", "--json"]).out).unwrap();
    let phone_entry = &json[1];
    assert_eq!(phone_entry["label"], "phone");
    assert!(
        phone_entry["bytes"].as_u64().unwrap() > 5_000 && phone_entry["quota_bytes"] == phone_entry["bytes"]
    );
    assert_eq!(phone_entry["used_by"].as_array().unwrap().len(), 1);
    let file = key_file(&owner).with_file_name("key.access");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let token = phone.parse::<Ticket>().unwrap().token();
    assert!(!fs::read_to_string(file).unwrap().contains(&token));
}

#[test]
fn a_ticket_for_one_device_stays_with_it() {
    let owner = Home::new();
    let once = made(&owner, &["--for", "phone", "--once"]);
    let node = node(&owner);
    let ticket = addressed(&node, &once);
    let (first, second) = (Home::new(), Home::new());
    fs::write(first.path("ticket"), &ticket).unwrap();
    first.ok(&["add", "ticket", "as", "home"]);
    let exchanged = first.ok(&["ls", "home"]);
    assert!(
        exchanged.err.contains("belongs to this device") && exchanged.err.contains("home"),
        "{}",
        exchanged.err
    );
    let stored = fs::read_to_string(key_file(&first).with_file_name("nodes.json")).unwrap();
    assert!(!stored.contains(&ticket));
    assert_eq!(first.ok(&["ls", "home"]).err, "");
    first.ok(&["play", "home", "--output", "null:fast"]);
    second.run(&["ls", &ticket]).refused(UNREACHABLE, &["already used", "another one"]);
}

#[test]
fn an_allowed_identity_needs_no_ticket() {
    let (owner, guest) = (Home::new(), Home::new());
    let id = guest.ok(&["id"]).out.split_whitespace().nth(1).unwrap().to_owned();
    owner.ok(&["allow", &id, "--for", "guest", "--folder", "jazz"]);
    owner.run(&["allow", &id, "--for", "again"]).refused(USAGE, &["allowed already", "\"guest\""]);
    owner.run(&["allow", "me", "--for", "x"]).refused(USAGE, &["\"me\"", "media-node id"]);
    let node = node(&owner);
    // Any ticket shows the way; the identity admits.
    let mut ticket: Ticket = node.ticket.parse().unwrap();
    ticket.capability = [7; 32];
    let listed = guest.ok(&["ls", &ticket.to_string()]).out;
    assert!(listed.contains("birdland") && !listed.contains("secret"), "{listed}");
    Home::new().run(&["ls", &ticket.to_string()]).refused(UNREACHABLE, &["turned this client away"]);
}

#[test]
fn the_state_of_version_0_1_is_taken_over() {
    let owner = Home::new();
    let key = key_file(&owner);
    let capability = key.with_file_name("key.capability");
    let hex: String = (0..32).map(|byte| format!("{byte:02x}")).collect();
    fs::write(&capability, format!("{hex}\n")).unwrap();
    fs::set_permissions(&capability, fs::Permissions::from_mode(0o600)).unwrap();
    let node = node(&owner);
    let ticket: Ticket = node.ticket.parse().unwrap();
    assert_eq!(ticket.capability, std::array::from_fn(|byte| byte as u8));
    assert!(!capability.exists());
    assert!(Home::new().ok(&["ls", &node.ticket]).out.contains("secret"));
    let done = owner.ok(&["ticket", "list"]);
    assert!(done.out.contains("first") && done.out.contains("listen, originals"), "{}", done.out);
}

#[test]
fn a_damaged_state_is_one_clear_line_and_is_kept() {
    let owner = Home::new();
    owner.ok(&["ticket", "list"]);
    let file = key_file(&owner).with_file_name("key.access");
    fs::write(&file, "{\"version\": 1, \"records\"").unwrap();
    fs::create_dir(owner.path("music")).unwrap();
    for words in [&["serve", "music"][..], &["ticket", "list"], &["ticket", "new", "--for", "x"]] {
        owner.run(words).refused(FAILED, &["key.access", "does not hold the tickets", "restore it"]);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\"version\": 1, \"records\"");
}

#[test]
fn a_revoked_first_ticket_is_not_printed() {
    let owner = Home::new();
    owner.ok(&["ticket", "revoke", "first"]);
    let folder = owner.path("music");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("track.flac"), include_bytes!("../../assets/demo.flac")).unwrap();
    let mut process = crate::program::Running::start(&mut owner.command(&["serve", "music"]));
    process.line(|line| line.contains("first ticket was revoked") && line.contains("ticket new"));
    assert!(!process.out.contains("medianode1"));
}

#[test]
fn wrong_words_of_a_ticket() {
    let owner = Home::new();
    for (words, expected) in [
        (&["--for", "a b"][..], "cannot be a label"),
        (&["--for", "x", "--folder", "../x"], "cannot be a folder"),
        (&["--for", "x", "--quota", "0B/month"], "permits nothing"),
        (&["--for", "x", "--max", "0kbit"], "permits nothing"),
    ] {
        owner.run(&[&["ticket", "new"], words].concat()).refused(USAGE, &[expected]);
    }
    for words in
        [&["--for", "x", "--quota", "5GB/year"][..], &["--for", "x", "--expires", "soon"], &["--once"]]
    {
        assert_eq!(owner.run(&[&["ticket", "new"], words].concat()).code, USAGE);
    }
    let qr = owner.ok(&["ticket", "new", "--for", "x", "--qr"]).out;
    assert!(qr.lines().count() > 20 && qr.contains('█'), "{qr}");
}
