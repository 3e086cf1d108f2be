//! Each running process has a transport identity of its own.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use super::{serving, status};
use crate::program::Running;

/// Peers of the node, and its own id.
fn ids(status: &Value) -> (Vec<String>, String) {
    let connections = status["serve"]["connections"].as_array().unwrap();
    let peer = |it: &Value| it["peer"].as_str().unwrap().to_owned();
    (connections.iter().map(peer).collect(), status["serve"]["endpoints"][0]["id"].as_str().unwrap().into())
}

#[test]
fn a_node_and_two_players_on_one_machine_are_three_peers() {
    let (home, node) = serving(60.0);
    let play = || {
        let mut player = Running::start(&mut home.command(&["play", &node.ticket, "--output", "null"]));
        player.line(|line| line.starts_with("playing 1"));
        player
    };
    let (first, second) = (play(), play());
    let (peers, node_id) = ids(&status(&home));
    let all: BTreeSet<_> = peers.iter().chain([&node_id]).collect();
    assert_eq!((peers.len(), all.len()), (2, 3), "{peers:?} {node_id}");
    // The next player takes the identity that became free.
    first.signal("INT");
    first.finish();
    let third = play();
    let (again, _) = ids(&status(&home));
    let known = |id: &&String| peers.contains(*id);
    assert_eq!(again.iter().filter(known).count(), 2, "{again:?} {peers:?}");
    drop((second, third));
}

#[test]
fn the_players_of_a_machine_need_no_right_at_its_node() {
    let home = crate::program::Home::new();
    super::track(&home, "music", "a track", 60.0);
    home.configure("[access]\nmode = \"list\"\n");
    let node = home.serve(&[&home.path("music")]);
    let play = || {
        let mut player = Running::start(&mut home.command(&["play", &node.ticket, "--output", "null"]));
        player.line(|line| line.starts_with("playing 1"));
        player
    };
    let _players = (play(), play());
    assert!(home.ok(&["ls", &node.ticket]).out.contains("a track"));
    // Another machine does.
    let other = crate::program::Home::new();
    let refused = other.run(&["ls", &node.ticket]);
    refused.refused(3, &["unauthorized", "its owner can allow"]);
}

/// Command lines and environments of all processes are readable by every user of a machine.
#[cfg(target_os = "linux")]
#[test]
fn the_process_list_shows_no_secret_of_a_player() {
    let (home, node) = serving(60.0);
    fs::write(home.path("ticket"), &node.ticket).unwrap();
    let stored = home.ok(&["add", "ticket", "as", "home"]);
    assert!(!stored.out.contains(&node.ticket));
    let mut player = Running::start(&mut home.command(&["play", "home", "--output", "null"]));
    player.line(|line| line.starts_with("playing 1"));
    for process in [player.id(), node.process.id()] {
        for file in ["cmdline", "environ", "comm"] {
            let shown = fs::read(format!("/proc/{process}/{file}")).unwrap();
            let shown = String::from_utf8_lossy(&shown).into_owned();
            assert!(!shown.contains(&node.ticket[..40]), "{file} of {process}: {shown}");
        }
    }
    // Nor is one among the lines that a person is told to type.
    let lines = node.process.out.lines().filter(|line| line.contains("media-node "));
    assert!(lines.clone().count() > 0 && lines.clone().all(|line| !line.contains(&node.ticket[..40])));
}
