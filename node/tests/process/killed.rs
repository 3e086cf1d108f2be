//! A node is killed in the middle of a track and started again. The listener loses no frame.

#![cfg(all(unix, feature = "fastn"))]

use std::{
    io::Read,
    path::Path,
    process::{ChildStdout, Stdio},
    thread,
};

use crate::fixtures::{Kind, encode, music, stored};
use crate::program::{Home, Node, Running};
use media_protocol::Ticket;

const RATE: u32 = 44_100;
const SECONDS: f64 = 40.0;
/// Bytes of one second in two channels of 16 bits.
const A_SECOND: usize = RATE as usize * 4;

/// Serves a file at this address.
fn serve(home: &Home, file: &Path, address: &str) -> (Node, Ticket) {
    let bind = format!("transport.fastn.bind=[{address:?}]");
    let node = Node::start(&mut home.command(&["--set", &bind, "serve", file.to_str().unwrap()]));
    let ticket = node.ticket.parse().unwrap();
    (node, ticket)
}

/// Starts a player whose sound goes to a pipe. The pipe limits how far it plays ahead.
fn play(home: &Home, ticket: &str, words: &[&str]) -> (Running, ChildStdout) {
    let arguments = ["play", ticket, "--output", "stdout", "--stats", "stats.json"];
    let mut command = home.command(&[&arguments, words].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let sound = child.stdout.take().unwrap();
    (Running::of(child), sound)
}

/// Plays the file as `codec`, kills the node after 5 s of sound (`a_second` is the bytes of one second),
/// starts it again, and returns all bytes that were heard.
fn heard_through_a_death(file: &Path, codec: &str, a_second: usize) -> Vec<u8> {
    let (there, here) = (Home::new(), Home::new());
    let (node, ticket) = serve(&there, file, "127.0.0.1:0");
    let (mut player, mut sound) = play(&here, &node.ticket, &["--codec", codec]);

    // The player buffers 6 s at most, so most of the track is still to come.
    let mut heard = vec![0; 5 * a_second];
    sound.read_exact(&mut heard).unwrap();
    node.process.signal("KILL");
    assert_eq!(node.process.finish().code, -1);
    let rest = thread::spawn(move || {
        let mut rest = Vec::new();
        sound.read_to_end(&mut rest).map(|_| rest)
    });
    player.line(|line| line.contains("; retrying"));

    let (_node, again) = serve(&there, file, &ticket.routes[0].addresses[0]);
    assert_eq!(again.routes, ticket.routes);
    let done = player.finish_with(0);
    heard.extend(rest.join().unwrap().unwrap());
    assert!(done.err.contains("the node responds again"), "{}", done.err);
    let stats = here.stats();
    assert!(stats["reconnects"].as_u64() > Some(0), "{stats}");
    // Every chunk came once, except the one that was in flight when the node died.
    assert!(stats["chunks"].as_u64() == Some(14), "{stats}");
    heard
}

fn assert_same(heard: &[u8], expected: &[u8]) {
    let differs = heard.iter().zip(expected).position(|(heard, expected)| heard != expected);
    assert_eq!((differs, heard.len()), (None, expected.len()));
}

#[test]
fn a_node_that_was_killed_and_comes_back_goes_on_at_the_exact_frame() {
    let (home, samples) = (Home::new(), music(RATE, 2, SECONDS));
    let file = encode(&home.path("tmp"), Kind::FlacS16, RATE, 2, &samples);
    let heard = heard_through_a_death(&file, "pcm", A_SECOND);
    let sent = stored(Kind::FlacS16, &samples);
    let sent = sent.iter().flat_map(|it| ((it * 32_768.0) as i16).to_le_bytes()).collect::<Vec<_>>();
    assert_same(&heard, &sent);
}

/// Opus: the decoder's state must continue too. Compared with an undisturbed playback from another node,
/// which encodes for itself.
#[cfg(feature = "opus")]
#[test]
fn so_it_does_in_a_codec_that_remembers_what_came_before() {
    let home = Home::new();
    let file = encode(&home.path("tmp"), Kind::FlacS16, RATE, 2, &music(RATE, 2, SECONDS));
    // Two channels of `f32` at 48 kHz.
    let a_second = 48_000 * 2 * 4;
    let heard = heard_through_a_death(&file, "opus:96", a_second);
    let (node, _) = serve(&home, &file, "127.0.0.1:0");
    let (player, mut sound) = play(&home, &node.ticket, &["--codec", "opus:96"]);
    let mut whole = Vec::new();
    sound.read_to_end(&mut whole).unwrap();
    player.finish_with(0);
    assert_eq!(whole.len(), SECONDS as usize * a_second);
    assert_same(&heard, &whole);
}

#[test]
fn a_node_that_stays_away_is_given_up_when_the_configuration_says() {
    let (there, here) = (Home::new(), Home::new());
    let file = encode(&there.path("tmp"), Kind::FlacS16, RATE, 2, &music(RATE, 2, SECONDS));
    let (node, _) = serve(&there, &file, "127.0.0.1:0");
    let (mut player, mut sound) =
        play(&here, &node.ticket, &["--codec", "pcm", "--set", "playback.give_up=1ms"]);
    player.line(|line| line.starts_with("playing 1"));
    node.process.signal("KILL");
    let rest = thread::spawn(move || std::io::copy(&mut sound, &mut std::io::sink()));
    let done = player.finish_with(3);
    assert!(rest.join().unwrap().unwrap() < SECONDS as u64 * A_SECOND as u64);
    assert!(done.err.contains("the node is out of reach"), "{}", done.err);
}
