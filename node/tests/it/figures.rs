//! Statistics of a serving node: the file of `serve --stats`, and the metrics.

#![cfg(all(unix, feature = "metrics"))]

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use crate::fixtures::{Kind, encode, music};
use crate::program::{HANGS, Home, Node, Running};
use serde_json::Value;

/// Starts a node with one track of 7.5 s that writes statistics and serves metrics. Returns the metrics'
/// address too.
fn serve(home: &Home) -> (Node, String) {
    let file = encode(&home.path("tmp"), Kind::FlacS16, 44_100, 2, &music(44_100, 2, 7.5));
    let set = ["--set", "server.metrics=127.0.0.1:0", "--stats", "serve.json"];
    let arguments = ["serve", file.to_str().unwrap()].into_iter().chain(set).collect::<Vec<_>>();
    let mut node = Node::start(&mut home.command(&arguments));
    let line = node.process.line(|line| line.starts_with("metrics: "));
    let address = line.trim().strip_prefix("metrics: http://").unwrap().strip_suffix("/metrics").unwrap();
    (node, address.to_owned())
}

/// Sends these bytes and returns the answer, up to the end of the connection.
fn ask(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(HANGS)).unwrap();
    // The server may refuse before it has read all.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// Reads the samples by name and labels. Panics at a line that is not in the format.
fn metrics(address: &str) -> BTreeMap<String, f64> {
    let answer = ask(address, b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("application/openmetrics-text"), "{head}");
    assert!(page.ends_with("# EOF\n"), "{page}");
    let samples = page.lines().filter(|line| !line.starts_with("# "));
    let samples = samples.map(|line| {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line:?}"));
        let plain = name.split('{').next().unwrap();
        let described = page.contains(&format!("# TYPE {} ", plain.trim_end_matches("_total")));
        assert!(plain.starts_with("media_node_") && described, "{line}");
        (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line:?}")))
    });
    samples.collect()
}

#[test]
fn metrics_and_figures_of_a_playing() {
    let home = Home::new();
    let (node, address) = serve(&home);
    let before = metrics(&address);
    assert_eq!(before["media_node_requests_total{protocol=\"request_chunk\"}"], 0.0);
    for codec in ["pcm", "opus"] {
        home.ok(&["play", &node.ticket, "--codec", codec, "--output", "null:fast"]);
    }
    home.ok(&["play", &node.ticket, "--codec", "pcm", "--output", "null:fast"]);
    let after = metrics(&address);
    let is = |name: &str, value: f64| assert_eq!(after[&format!("media_node_{name}")], value, "{after:?}");
    is("peers_served_total", 3.0);
    is("requests_total{protocol=\"list\"}", 3.0);
    is("requests_total{protocol=\"get_info\"}", 3.0);
    // The first of three chunks comes with the answer to `get_info`.
    is("requests_total{protocol=\"request_chunk\"}", 6.0);
    is("chunks_encoded_total", 6.0);
    is("refusals_total{kind=\"bad_request\"}", 0.0);
    assert!(after["media_node_cache_hits_total"] >= 3.0, "{after:?}");
    assert!(after["media_node_encode_seconds_total"] > 0.0, "{after:?}");
    // The samples were sent twice, with a few bytes for each packet.
    let pcm = after["media_node_chunk_bytes_total{codec=\"pcm\",path=\"loopback\"}"];
    let samples = 2.0 * 330_750.0 * 4.0;
    assert!(pcm > samples && pcm < samples * 1.01, "{pcm}");
    let opus = after["media_node_chunk_bytes_total{codec=\"opus\",path=\"loopback\"}"];
    assert!(opus > 0.0 && opus < pcm / 10.0, "{opus}");
    // A peer cannot create new label values.
    assert!(after.len() <= before.len() + 2, "{after:?}");
    node.process.signal("INT");
    node.process.finish_with(0);
    let figures: Value = serde_json::from_str(&fs::read_to_string(home.path("serve.json")).unwrap()).unwrap();
    let expected = [
        ("/peers_served", Value::from(3)),
        ("/requests/request_chunk", 6.into()),
        ("/encoder/encoded", 6.into()),
        ("/refusals/busy", 0.into()),
        ("/chunk_bytes/1/codec", "pcm".into()),
        ("/chunk_bytes/1/path", "loopback".into()),
        ("/chunk_bytes/1/bytes", (pcm as u64).into()),
    ];
    for (field, value) in expected {
        assert_eq!(figures.pointer(field), Some(&value), "{field}: {figures}");
    }
    assert!(figures["encode_ms"].as_f64() > Some(0.0), "{figures}");
    assert!(figures["bytes_sent"].as_f64() > Some(pcm + opus), "{figures}");
}

#[test]
fn only_a_sound_request_gets_an_answer() {
    let home = Home::new();
    let (_node, address) = serve(&home);
    let status = |request: &[u8]| ask(&address, request).lines().next().unwrap_or_default().to_owned();
    assert_eq!(status(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"), "HTTP/1.1 404 Not Found");
    let post = b"POST /metrics HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(status(post), "HTTP/1.1 405 Method Not Allowed");
    assert!(status(b"nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
    // A head of more than 8 kB. The node closes the connection with unread bytes, which may cost the answer.
    let long = [b"GET /metrics HTTP/1.1\r\nX: ".to_vec(), vec![b'a'; 8192], b"\r\n\r\n".to_vec()].concat();
    assert!(["", "HTTP/1.1 431 Request Header Fields Too Large"].contains(&status(&long).as_str()));
}

/// The node attends to 4 connections at a time. The next one waits until one of them ends.
#[test]
fn idle_connections_are_bounded_and_block_no_place_once_they_are_gone() {
    let home = Home::new();
    let (_node, address) = serve(&home);
    let idle: Vec<_> = (0..4).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let mut waiting = TcpStream::connect(&address).unwrap();
    waiting.write_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    waiting.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(waiting.read(&mut [0]).is_err(), "a fifth connection is answered");
    drop(idle);
    waiting.set_read_timeout(Some(HANGS)).unwrap();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    metrics(&address);
}

#[test]
fn the_metrics_are_for_this_machine_alone() {
    let home = Home::new();
    for address in ["0.0.0.0:9190", "192.168.1.2:9190", "[::]:9190", "localhost", "9190"] {
        let done = home.run(&["serve", ".", "--set", &format!("server.metrics={address}")]);
        done.refused(2, &["server.metrics", "loopback"]);
    }
}

#[test]
fn figures_that_cannot_be_written() {
    let home = Home::new();
    let file = encode(&home.path("tmp"), Kind::FlacS16, 44_100, 1, &music(44_100, 1, 1.0));
    let serve = ["serve", file.to_str().unwrap(), "--stats", "/nowhere/serve.json"];
    let node = Node::start(&mut home.command(&serve));
    home.ok(&["ls", &node.ticket]);
    node.process.signal("INT");
    let done = node.process.finish_with(0);
    assert_eq!(done.err.matches("writing the statistics to /nowhere/serve.json").count(), 1, "{}", done.err);
}

/// Each line of the log names its session and chunk, and no secret.
#[test]
fn the_log_names_session_and_chunk_and_no_secret() {
    let home = Home::new();
    let file = encode(&home.path("tmp"), Kind::FlacS16, 44_100, 1, &music(44_100, 1, 4.0));
    let debug = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        command.env("MEDIA_NODE_LOG", "media_node=trace");
        command
    };
    let node = Node::start(&mut debug(&["serve", file.to_str().unwrap()]));
    let ticket: media_protocol::Ticket = node.ticket.parse().unwrap();
    let played =
        Running::start(&mut debug(&["play", &node.ticket, "--output", "null:fast", "--codec", "pcm"]))
            .finish_with(0);
    node.process.signal("INT");
    let served = node.process.finish_with(0);
    let session = format!("session{{peer={}}}", &ticket.routes[0].peer[..8]);
    assert!(played.err.contains(&session), "{}", played.err);
    for log in [&played.err, &served.err] {
        let chunk = log
            .lines()
            .filter(|line| line.contains("session{peer="))
            .any(|line| line.contains(":chunk{rendition=") && line.contains(" index=1}:"));
        assert!(chunk, "{log}");
        assert!(
            !log.contains(&node.ticket)
                && !log.contains(&ticket.token())
                && !log.contains(&ticket.routes[0].peer)
        );
    }
    assert!(
        served.err.lines().any(|line| line.contains(" chunk{") && line.contains("encoding")),
        "{}",
        served.err
    );
}
