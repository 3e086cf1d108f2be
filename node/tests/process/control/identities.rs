//! Each running process has a transport identity of its own.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use super::{serving, status};
use crate::program::{Home, Running};

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
    let home = Home::new();
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
    let other = Home::new();
    let refused = other.run(&["ls", &node.ticket]);
    refused.refused(3, &["does not know this device", "its owner can allow"]);
}

/// Command lines and environments of all processes are readable by every user of a machine.
#[cfg(target_os = "linux")]
#[test]
fn the_process_list_shows_no_secret_of_a_player() {
    let (home, mut node) = serving(60.0);
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
    let told = node.process.line(|line| line.contains("media-node play"));
    assert!(!told.contains(&node.ticket[..40]));
}

/// A relay on the loopback interface, as `iroh-relay --dev` runs it.
struct LoopbackRelay {
    url: String,
    _server: iroh_relay::server::Server,
    _runtime: tokio::runtime::Runtime,
}

impl LoopbackRelay {
    fn start() -> Self {
        use iroh_relay::server::{RelayConfig, Server, ServerConfig};
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mut config = ServerConfig::default();
        config.relay = Some(RelayConfig::new((std::net::Ipv4Addr::LOCALHOST, 0)));
        let server = runtime.block_on(Server::spawn(config)).unwrap();
        let url = format!("http://{}", server.http_addr().unwrap());
        Self { url, _server: server, _runtime: runtime }
    }
}

/// A relay delivers to the newest endpoint of a key only, so processes with one key would cut each other off.
#[test]
fn a_node_and_two_players_on_one_machine_share_a_relay() {
    let relay = LoopbackRelay::start();
    let through_relay = |home: &Home| {
        let options =
            format!("[transport.fastn]\nrelay = [\"{}\"]\ndirect = false\nmdns = false\n", relay.url);
        fs::write(home.path("config.toml"), options).unwrap();
    };
    let home = Home::new();
    through_relay(&home);
    super::track(&home, "music", "a track", 60.0);
    let _node = home.serve(&[&home.path("music")]);
    // The node knows its relay a moment after its start. A ticket made then has the address.
    while status(&home)["serve"]["endpoints"][0]["addresses"].as_array().unwrap().is_empty() {}
    let ticket = home.ok(&["ticket", "new", "--for", "players"]).out.trim().to_owned();
    let play = || {
        let mut player = Running::start(&mut home.command(&["play", &ticket, "--output", "null"]));
        player.line(|line| line.starts_with("playing 1"));
        player
    };
    let _players = (play(), play());
    // The node is still reachable, also from another machine.
    let other = Home::new();
    through_relay(&other);
    assert!(other.ok(&["ls", &ticket]).out.contains("a track"));
    let now = status(&home);
    let (peers, node_id) = ids(&now);
    let all: BTreeSet<_> = peers.iter().chain([&node_id]).collect();
    assert!(all.len() >= 3, "{peers:?} {node_id}");
    let connections = now["serve"]["connections"].as_array().unwrap();
    let playing = connections.iter().filter(|it| it["playing"] == "a track");
    let paths: Vec<_> = playing.map(|it| it["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["relayed", "relayed"], "{now}");
}
