//! Bad luck: files that cannot be written, and a second node with the same key.

use std::net::TcpListener;

use super::{serving, status, track};
use crate::program::{Home, Node, Running};

const FAILED: i32 = 1;

#[test]
fn files_that_cannot_be_written_are_one_warning_each() {
    let home = Home::new();
    track(&home, "music", "a", 1.0);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    home.configure(&format!(
        "[server]\nstats = \"no/such/folder/stats.json\"\nstats_interval = \"100ms\"\nmetrics = \"{}\"\n",
        taken.local_addr().unwrap()
    ));
    let node = Node::start(&mut home.command(&["serve", "music", "--ticket-file", "no/such/folder/ticket"]));
    let began = status(&home)["serve"]["stats"]["requests"]["list"].as_u64();
    // Each takes longer than an interval of the statistics.
    for _ in 0..3 {
        assert!(home.ok(&["ls", &node.ticket]).out.contains('a'));
    }
    assert_eq!(status(&home)["serve"]["stats"]["requests"]["list"].as_u64(), began.map(|count| count + 3));
    node.process.signal("TERM");
    let done = node.process.finish_with(0);
    for words in
        ["writing the statistics to no/such", "writing the ticket to no/such", "opening server.metrics"]
    {
        assert_eq!(done.err.matches(words).count(), 1, "{words}: {}", done.err);
    }
    assert!(done.err.lines().all(|line| line.starts_with("warning: ") || line == "stopping"), "{}", done.err);
}

#[test]
fn a_second_node_with_the_same_key_names_the_first() {
    let (home, node) = serving(1.0);
    let first = node.process.id().to_string();
    home.run(&["serve", "music"])
        .refused(FAILED, &[&format!("process {first} "), "data/media-node/key", "node.key"]);
    assert_eq!(status(&home)["serve"]["pid"], node.process.id(), "the first one serves on");
    // Another key makes another node, with a socket and a status of its own.
    let second = Node::start(&mut home.command(&["serve", "music", "--set", "node.key=other"]));
    let other: serde_json::Value =
        serde_json::from_str(&home.ok(&["status", "--json", "--set", "node.key=other"]).out).unwrap();
    assert_eq!(other["serve"]["pid"], second.process.id());
    node.process.signal("KILL");
    node.process.finish();
    let again = home.serve(&[&home.path("music")]);
    assert_eq!(status(&home)["serve"]["pid"], again.process.id());
}

#[test]
fn many_starts_at_once_leave_one_node() {
    let home = Home::new();
    track(&home, "music", "a", 1.0);
    home.ok(&["id"]);
    let mut starts: Vec<_> = (0..3).map(|_| Running::start(&mut home.command(&["serve", "music"]))).collect();
    let served: Vec<_> = starts
        .iter_mut()
        .map(|start| start.line(|line| line.starts_with("ticket: ") || line.contains("already")))
        .collect();
    assert_eq!(served.iter().filter(|line| line.starts_with("ticket: ")).count(), 1, "{served:?}");
}
