use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
};

use super::{serving, sockets, status, track};
use crate::program::{Home, Running};

const UNREACHABLE: i32 = 3;

#[test]
fn the_status_names_the_process_its_peers_and_what_they_play() {
    let (home, node) = serving(60.0);
    let idle = status(&home);
    assert_eq!(idle["serve"]["pid"], node.process.id());
    assert_eq!(idle["serve"]["tracks"], 1);
    assert_eq!(idle["serve"]["connections"].as_array().unwrap().len(), 0);
    assert_eq!(idle["play"].as_array().unwrap().len(), 0);
    let id = idle["serve"]["endpoints"][0]["id"].as_str().unwrap().to_owned();
    assert!(home.ok(&["id"]).out.contains(&id));

    let mut player = Running::start(&mut home.command(&["play", &node.ticket, "--output", "null"]));
    player.line(|line| line.starts_with("playing 1"));
    let busy = status(&home);
    let connection = &busy["serve"]["connections"][0];
    assert_eq!(
        (connection["playing"].as_str(), connection["path"].as_str()),
        (Some("a track"), Some("loopback"))
    );
    assert!(connection["bytes_sent"].as_u64() > Some(1000), "{connection}");
    assert_ne!(connection["peer"].as_str(), Some(id.as_str()), "the player has an identity of its own");
    assert_eq!(busy["play"][0]["pid"], player.id());
    assert!(busy["serve"]["stats"]["requests"]["request_chunk"].is_u64());
    let text = home.ok(&["status"]).out;
    for words in
        [&format!("serve   process {}", node.process.id()), &id, "playing a track", "play    process"]
    {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    // A status holds no secret.
    assert!(!text.contains("ticket") && !busy.to_string().contains(&node.ticket));
}

#[test]
fn without_a_node_one_line_says_so() {
    let home = Home::new();
    home.run(&["status"]).refused(UNREACHABLE, &["no node runs", "media-node serve"]);
    home.run(&["status", "--json"]).refused(UNREACHABLE, &["no node runs"]);
    home.run(&["reload"]).refused(UNREACHABLE, &["no node runs"]);
    // The socket and the record of a killed node mean nothing.
    track(&home, "music", "a", 1.0);
    let node = home.serve(&[&home.path("music")]);
    node.process.signal("KILL");
    assert_eq!(node.process.finish().code, -1);
    assert_eq!(sockets(&home).len(), 1);
    home.run(&["status"]).refused(UNREACHABLE, &["no node runs"]);
    let node = home.serve(&[&home.path("music")]);
    assert_eq!(status(&home)["serve"]["pid"], node.process.id());
}

#[test]
fn the_socket_is_for_its_owner_and_goes_with_the_node() {
    let (home, node) = serving(1.0);
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let socket = sockets(&home).remove(0);
    assert_eq!((mode(socket.parent().unwrap()), mode(&socket)), (0o700, 0o600));
    node.process.signal("TERM");
    node.process.finish_with(0);
    assert!(sockets(&home).is_empty());
}

#[test]
fn a_command_finds_the_node_of_another_environment() {
    let home = Home::new();
    track(&home, "music", "a", 1.0);
    let serve = ["serve", "music"];
    let _node = crate::program::Node::start(home.command(&serve).env_remove("XDG_RUNTIME_DIR"));
    assert_eq!(status(&home)["serve"]["tracks"], 1);
}

#[test]
fn bad_requests_do_not_disturb_the_node() {
    let (home, _node) = serving(1.0);
    let socket = sockets(&home).remove(0);
    // One that never ends its line, one that sends too much, and one that leaves at once.
    let mut silent = UnixStream::connect(&socket).unwrap();
    silent.write_all(b"{\"request\":").unwrap();
    drop(UnixStream::connect(&socket).unwrap());
    let mut flood = UnixStream::connect(&socket).unwrap();
    // Fails when the node closes the connection.
    let _ = flood.write_all(&vec![b'['; 1 << 20]);
    let mut reply = String::new();
    let _ = flood.read_to_string(&mut reply);
    assert!(reply.len() < 200, "{reply}");
    let mut stream = BufReader::new(UnixStream::connect(&socket).unwrap());
    for request in ["nonsense", "{\"request\":\"open the door\"}"] {
        stream.get_mut().write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_line(&mut reply).unwrap();
        assert!(reply.contains("\"error\""), "{reply}");
    }
    assert_eq!(status(&home)["serve"]["tracks"], 1);
}

#[test]
fn tickets_are_made_and_revoked_in_the_running_node() {
    let (home, _node) = serving(60.0);
    let made = home.ok(&["ticket", "new", "--for", "phone"]);
    let ticket = made.out.trim().to_owned();
    let other = Home::new();
    assert!(other.ok(&["ls", &ticket]).out.contains("a track"));
    let listed = home.ok(&["ticket", "list"]).out;
    assert!(listed.contains("phone") && !listed.contains(&ticket), "{listed}");
    let mut player = Running::start(&mut other.command(&["play", &ticket, "--output", "null"]));
    player.line(|line| line.starts_with("playing 1"));
    assert!(status(&home)["serve"]["connections"].to_string().contains("\"phone\""));
    home.ok(&["ticket", "revoke", "phone"]);
    assert!(player.finish_with(UNREACHABLE).err.contains("revoked"));
    other.run(&["ls", &ticket]).refused(UNREACHABLE, &["revoked"]);
}

#[test]
fn without_a_node_tickets_change_in_the_stored_state() {
    let home = Home::new();
    track(&home, "music", "a track", 1.0);
    let ticket = home.ok(&["ticket", "new", "--for", "phone"]).out;
    assert!(ticket.starts_with("medianode1"));
    home.ok(&["ticket", "new", "--for", "guest"]);
    home.ok(&["ticket", "revoke", "guest"]);
    let _node = home.serve(&[&home.path("music")]);
    let listed = home.ok(&["ticket", "list"]).out;
    assert!(listed.contains("phone") && !listed.contains("guest"), "{listed}");
}

#[test]
fn many_commands_at_once_wait_for_their_turn() {
    let (home, _node) = serving(1.0);
    let commands: Vec<_> = (0..24)
        .map(|number| {
            let label = format!("device-{number}");
            Running::start(&mut home.command(&["ticket", "new", "--for", &label]))
        })
        .collect();
    for command in commands {
        command.finish_with(0);
    }
    let listed = home.ok(&["ticket", "list"]).out;
    assert_eq!(listed.lines().filter(|line| line.contains("device-")).count(), 24, "{listed}");
}
