use std::{fs, process::Command};

use super::{serving, status, track};
use crate::program::{Home, Node, Running};

/// A node without a terminal, as a service has it.
#[cfg(target_os = "linux")]
fn service(home: &Home, arguments: &[&str]) -> Node {
    let inner = home.command(arguments);
    let mut command = Command::new("setsid");
    command.arg(inner.get_program()).args(inner.get_args());
    Node::start(command.current_dir(home.path("")).env_clear().envs(home.environment()))
}

fn configure(home: &Home, folders: &str, more: &str) {
    home.configure(&format!("[library]\nrescan = \"0s\"\npaths = [{folders}]\n{more}"));
}

#[test]
fn a_signal_to_stop_says_so_and_ends_with_0() {
    for signal in ["TERM", "INT"] {
        let (_home, node) = serving(1.0);
        node.process.signal(signal);
        let done = node.process.finish_with(0);
        assert!(done.err.ends_with("stopping\n"), "{signal}: {}", done.err);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn without_a_terminal_a_hangup_reloads_the_library_and_the_log() {
    let home = Home::new();
    track(&home, "one", "first", 1.0);
    configure(&home, "\"one\"", "");
    let mut node = service(&home, &["serve"]);
    assert_eq!(status(&home)["serve"]["tracks"], 1);
    track(&home, "two", "second", 2.0);
    configure(&home, "\"one\", \"two\"", "[server]\ncache = \"1MiB\"\n[log]\nlevel = \"info\"\n");
    node.process.signal("HUP");
    node.process.line(|line| line == "configuration reloaded: library.paths, log.level\n");
    node.process.line(|line| line.starts_with("warning: server.cache has changed too"));
    // The line is of the level `info`, which the node did not log before.
    node.process.line(|line| line.contains("the library has changed: serving 2 tracks"));
    assert!(home.ok(&["ls", &node.ticket]).out.contains("second"));

    // The same over the socket; `server.cache` still waits for a restart.
    configure(&home, "\"two\"", "[server]\ncache = \"1MiB\"\n[log]\nlevel = \"info\"\n");
    let told = home.ok(&["reload"]).out;
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(told.starts_with("configuration reloaded: library.paths\nwarning: server.cache"), "{told}");
    node.process.line(|line| line.contains("the library has changed: serving 1 track\n"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_wrong_configuration_changes_nothing() {
    let home = Home::new();
    track(&home, "one", "first", 1.0);
    configure(&home, "\"one\"", "");
    let mut node = service(&home, &["serve"]);
    fs::copy(home.path("config.toml"), home.path("good.toml")).unwrap();
    for (folders, more, reason) in [
        ("\"one\"", "[server]\ncash = 1\n", "server.cash"),
        ("\"one\", \"away\"", "", "away"),
        ("", "", "library.paths is empty"),
    ] {
        configure(&home, folders, more);
        node.process.signal("HUP");
        let told = node.process.line(|line| line.contains("was not reloaded"));
        assert!(told.contains(reason), "{told}");
        // The command itself reads a good configuration.
        let shown = home.ok(&["--config", "good.toml", "status"]).out;
        assert!(shown.contains("tracks  1"), "{shown}");
        assert!(home.run(&["reload"]).code != 0);
    }
    node.process.signal("TERM");
    node.process.finish_with(0);
}

#[cfg(target_os = "linux")]
#[test]
fn paths_of_the_command_line_stay() {
    let home = Home::new();
    track(&home, "one", "first", 1.0);
    configure(&home, "\"one\"", "");
    let _node = service(&home, &["serve", "one"]);
    configure(&home, "\"away\"", "");
    let told = home.ok(&["reload"]).out;
    assert!(told.contains("no change to take over\nwarning: library.paths"), "{told}");
    assert_eq!(status(&home)["serve"]["tracks"], 1);
}

#[cfg(target_os = "linux")]
#[test]
fn an_ignored_hangup_stays_ignored() {
    let home = Home::new();
    track(&home, "music", "a", 1.0);
    let inner = home.command(&["serve", "music"]);
    let mut command = Command::new("setsid");
    command
        .args(["sh", "-c", "trap '' HUP; exec \"$0\" \"$@\""])
        .arg(inner.get_program())
        .args(inner.get_args());
    let node = Node::start(command.current_dir(home.path("")).env_clear().envs(home.environment()));
    node.process.signal("HUP");
    assert_eq!(status(&home)["serve"]["pid"], node.process.id());
    node.process.signal("TERM");
    let done = node.process.finish_with(0);
    assert_eq!(done.err, "stopping\n");
}

/// With a terminal, a hangup says that it is closed.
#[test]
fn with_a_terminal_a_hangup_ends_the_node() {
    let home = Home::new();
    track(&home, "music", "a", 1.0);
    let ticket_file = home.path("ticket");
    let (master, terminal) = pty_process::blocking::open().unwrap();
    let program = home.command(&["serve", "music", "--ticket-file", "ticket"]);
    let command = pty_process::blocking::Command::new(program.get_program()).args(program.get_args());
    let command = command.current_dir(home.path("")).env_clear().envs(home.environment());
    let child = command.spawn(terminal).unwrap();
    // Its output goes to the terminal, so the socket tells when it is ready.
    let is_ready = || ticket_file.exists() && home.run(&["status"]).code == 0;
    while !is_ready() {}
    // Closing the terminal sends the signal, and every later write to it fails.
    drop(master);
    Running::of(child).finish_with(0);
    assert!(fs::read_to_string(ticket_file).unwrap().len() > 50);
    assert!(super::sockets(&home).is_empty(), "the node ended in order");
}

#[cfg(target_os = "linux")]
#[test]
fn new_access_rules_hold_for_players_that_are_connected() {
    let home = Home::new();
    track(&home, "one", "first", 60.0);
    configure(&home, "\"one\"", "");
    let node = service(&home, &["serve"]);
    let other = Home::new();
    let mut stays = Running::start(&mut home.command(&["play", &node.ticket, "--output", "null"]));
    let mut goes = Running::start(&mut other.command(&["play", &node.ticket, "--output", "null"]));
    for player in [&mut stays, &mut goes] {
        player.line(|line| line.starts_with("playing 1"));
    }
    configure(&home, "\"one\"", "[access]\nmode = \"list\"\n");
    assert!(home.ok(&["reload"]).out.starts_with("configuration reloaded: access.mode\n"));
    // The player of another machine has no right any more; that of this machine connects again.
    goes.finish_with(3);
    while status(&home)["serve"]["connections"].as_array().unwrap().len() != 1 {}
    configure(&home, "\"one\"", "[access]\nmode = \"open\"\n");
    home.ok(&["reload"]);
    assert!(other.ok(&["ls", &node.ticket]).out.contains("first"));
    stays.signal("INT");
    stays.finish_with(0);
}
