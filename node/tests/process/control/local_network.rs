//! A device finds a node on the local network and asks for access. Two machines with a cable between them.

#![cfg(target_os = "linux")]

use std::fs;

use serde_json::Value;

use super::track;
use crate::namespaces::{Cables, ip};
use crate::program::{Done, Home, Node, Running};

const UNREACHABLE: i32 = 3;

/// A home whose transport announces itself and uses no relay.
fn home(name: &str) -> Home {
    let home = Home::new();
    let text = format!("[node]\nname = \"{name}\"\n[transport.fastn]\nrelay = \"off\"\n");
    fs::write(home.path("config.toml"), text).unwrap();
    home
}

fn run(side: &str, home: &Home, arguments: &[&str]) -> Done {
    Running::start(&mut Cables::command(side, home, arguments)).finish()
}

fn ok(side: &str, home: &Home, arguments: &[&str]) -> String {
    let done = run(side, home, arguments);
    assert_eq!(done.code, 0, "{arguments:?}: {}{}", done.out, done.err);
    done.out
}

#[test]
fn a_device_asks_and_the_owner_allows_it() {
    let Some(cables) = Cables::lay_or_skip() else { return };
    for side in [&cables.a, &cables.b] {
        ip(&format!("ip -n {side} route add 224.0.0.0/4 dev cable0")).unwrap();
    }
    let (there, here) = (home("studio"), home("a phone"));
    track(&there, "music", "a track", 1.0);
    let mut node = Node::start(&mut Cables::command(&cables.a, &there, &["serve", "music"]));

    // An answer to a query can be lost, so the list may need a second look.
    let seen = loop {
        let json = ok(&cables.b, &here, &["nodes", "--json"]);
        let nodes: Vec<Value> = serde_json::from_str(&json).unwrap();
        if let [node] = nodes.as_slice() {
            break node.clone();
        }
    };
    assert_eq!((seen["name"].as_str(), seen["stored"].as_bool()), (Some("studio"), Some(false)), "{seen}");
    assert!(there.ok(&["id"]).out.contains(seen["id"].as_str().unwrap()));
    assert!(ok(&cables.b, &here, &["nodes"]).contains("media-node ask NODE"));

    let device = here.ok(&["id"]).out;
    let device = device.lines().next().unwrap().split_whitespace().nth(1).unwrap().to_owned();
    let told = ok(&cables.b, &here, &["ask", "stud", "as", "home"]);
    assert!(told.contains("the owner of the node sees") && told.contains(&device), "{told}");
    let logged = node.process.line(|line| line.contains("asks for access"));
    assert!(logged.contains("a phone") && logged.contains(&device), "{logged}");
    let asking: Vec<Value> = serde_json::from_str(&there.ok(&["nodes", "--asking", "--json"]).out).unwrap();
    assert_eq!((asking.len(), asking[0]["id"].as_str()), (1, Some(device.as_str())));
    run(&cables.b, &here, &["ls", "home"]).refused(UNREACHABLE, &["media-node allow", &device]);

    there.ok(&["allow", &device, "--for", "guest"]);
    assert!(ok(&cables.b, &here, &["ls", "home"]).contains("a track"));
    assert!(there.ok(&["nodes", "--asking"]).err.contains("no device asks"));
    assert!(ok(&cables.b, &here, &["ask", "studio", "as", "home"]).contains("allowed already"));
    let known = ok(&cables.b, &here, &["nodes"]);
    there.ok(&["ticket", "revoke", "guest"]);
    run(&cables.b, &here, &["ls", "home"]).refused(UNREACHABLE, &["revoked by the owner"]);
    for words in ["home", "LAN", "version", "on this network"] {
        assert!(known.contains(words), "no {words:?} in {known}");
    }
}
