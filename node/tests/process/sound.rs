//! The program on a real sound system: PulseAudio with null sinks, recorded from their monitors.

#![cfg(target_os = "linux")]
#[allow(dead_code, reason = "made for the output's own tests")]
#[path = "../../../plugins/output-cpal/tests/sound/server.rs"]
mod server;

use std::{fs, process::Command};

use crate::fixtures::{Kind, encode, music, stored};
use crate::program::{Done, Home, Node, Running};
use server::{Recorder, Server};

/// Length of the track, in seconds.
const SECONDS: f64 = 3.5;

/// Serves one track in the format of the sinks. Returns the node and the track's frames.
fn node(home: &Home) -> (Node, Vec<[f32; 2]>) {
    let samples = music(48_000, 2, SECONDS);
    let file = encode(&home.path("tmp"), Kind::FlacS16, 48_000, 2, &samples);
    let frames = stored(Kind::FlacS16, &samples);
    (home.serve(&[&file]), frames.chunks_exact(2).map(|it| [it[0], it[1]]).collect())
}

fn play(home: &Home, server: &Server, node: &Node, words: &[&str]) -> Running {
    let arguments = [&["play", &node.ticket, "--codec", "pcm", "--stats", "stats.json"], words].concat();
    Running::start(server.connect(&mut home.command(&arguments)))
}

/// Runs `pactl` against the sound server. Returns its output.
fn pactl(server: &Server, words: &[&str]) -> String {
    let done = server.connect(Command::new("pactl").args(words)).output().unwrap();
    assert!(done.status.success(), "pactl {words:?}: {done:?}");
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

fn add_sink(server: &Server, name: &str) {
    let name = format!("sink_name={name}");
    pactl(server, &["load-module", "module-null-sink", &name, "norewinds=1", "rate=48000"]);
}

/// Adds a second sink and makes it the default. Only "kitchen" is recorded.
fn add_default(server: &Server) {
    add_sink(server, "garden");
    pactl(server, &["set-default-sink", "garden"]);
}

/// Removes the sink "kitchen".
fn remove_kitchen(server: &Server) {
    let modules = pactl(server, &["list", "short", "modules"]);
    let kitchen = modules.lines().find(|line| line.contains("sink_name=kitchen")).unwrap();
    pactl(server, &["unload-module", kitchen.split_whitespace().next().unwrap()]);
}

/// Asserts that the recording equals the track, sample for sample. A busy machine may add silence anywhere.
fn assert_heard(heard: &[[f32; 2]], track: &[[f32; 2]]) {
    let sound = |frames: &[[f32; 2]]| frames.iter().copied().filter(|it| *it != [0.0; 2]).collect::<Vec<_>>();
    let (heard, track) = (sound(heard), sound(track));
    let wrong = heard.iter().zip(&track).position(|(one, other)| one != other);
    assert_eq!(
        (wrong, heard.len()),
        (None, track.len()),
        "the first frame that differs, and how many there are"
    );
}

/// Serves a track whose frames encode their own positions. Returns the node and the number of frames.
fn counting_node(home: &Home) -> (Node, usize) {
    // Long enough that even a late machine loses the device before the end.
    counting_node_of(home, 10)
}

fn counting_node_of(home: &Home, seconds: usize) -> (Node, usize) {
    let frames = seconds * 48_000;
    let samples: Vec<_> = (0..frames).flat_map(|at| [at % 32_768, at / 32_768 + 1]).collect();
    let samples: Vec<_> = samples.into_iter().map(|it| it as f32 / 32_768.0).collect();
    (home.serve(&[&encode(&home.path("tmp"), Kind::FlacS16, 48_000, 2, &samples)]), frames)
}

/// Returns the positions of the recorded frames in the track of [`counting_node`], without silent and faded
/// frames.
fn places(heard: &[[f32; 2]]) -> Vec<usize> {
    let whole = |it: f32| Some((it * 32_768.0) as usize).filter(|whole| *whole as f32 == it * 32_768.0);
    let place = |it: &[f32; 2]| Some(whole(it[0])? + whole(it[1])?.checked_sub(1)? * 32_768);
    heard.iter().filter_map(place).collect()
}

/// Asserts that at most `skipped` milliseconds in a row are missing, and at most `repeated` milliseconds in
/// total were heard twice. A late machine may fade out and in, 10 ms. A suspended sink drops the frames it is
/// about to play.
fn assert_kept_place(places: &[usize], frames: usize, skipped: usize, repeated: usize) {
    let mut counts = vec![0_usize; frames];
    places.iter().for_each(|at| counts[*at] += 1);
    let longest = counts.split(|it| *it > 0).map(<[_]>::len).max().unwrap_or(0);
    let again: usize = counts.iter().map(|it| it.saturating_sub(1)).sum();
    let bounds = [skipped, repeated].map(|ms| ms * 48);
    assert!(longest <= bounds[0] && again <= bounds[1], "{longest} frames skipped, {again} repeated");
}

#[test]
fn what_is_heard_is_what_is_in_the_file() {
    let (home, server) = (Home::new(), Server::start());
    let (node, track) = node(&home);
    // Without a flag it plays on the default device.
    let recorder = Recorder::start(&server);
    play(&home, &server, &node, &[]).finish_with(0);
    assert_heard(&recorder.finish(), &track);
}

#[test]
fn a_device_by_flag_and_by_configuration() {
    let (home, server) = (Home::new(), Server::start());
    let (node, track) = node(&home);
    add_default(&server);
    for (config, words) in [
        ("", &["--output", "cpal:kitchen"][..]),
        ("[output]\nuse = \"cpal:kitchen\"", &[]),
        ("[output.cpal]\ndevice = \"kitchen\"", &["--output", "cpal"]),
    ] {
        home.configure(config);
        let recorder = Recorder::start(&server);
        play(&home, &server, &node, words).finish_with(0);
        assert_heard(&recorder.finish(), &track);
    }
}

#[test]
fn an_unknown_device_is_answered_with_the_list() {
    let (home, server) = (Home::new(), Server::start());
    let (node, _) = node(&home);
    let done: Done = play(&home, &server, &node, &["--output", "cpal:bathroom"]).finish();
    done.refused(5, &["no sound device \"bathroom\"", "kitchen"]);
    let devices = Running::start(server.connect(&mut home.command(&["devices"]))).finish_with(0).out;
    assert!(devices.lines().any(|line| line.starts_with("* cpal:pulseaudio:kitchen")), "{devices}");
}

/// Removes the only sink during playback, then adds another one, and "kitchen" again if `kitchen_again`.
/// Returns the outputs that the player opened, in order. (If another sink remains, the sound server itself
/// moves the stream.)
///
/// The whole track must be heard. Frames that the removed sink had taken may be heard twice.
fn lose_kitchen(on_lost: &str, kitchen_again: bool) -> Vec<String> {
    let (home, server) = (Home::new(), Server::start());
    let (node, frames) = counting_node(&home);
    let mut recorder = Recorder::start(&server);
    let on_lost = format!("playback.on_lost={on_lost}");
    let mut playing = play(&home, &server, &node, &["--output", "cpal:kitchen", "--set", &on_lost]);
    recorder.sounds(48_000);
    remove_kitchen(&server);
    let mut heard = recorder.lost();
    playing.line(|line| line.starts_with("warning: no sound: "));
    // The player is stopped, so that it finds the new sink only after its recorder has started.
    playing.signal("STOP");
    add_default(&server);
    if kitchen_again {
        add_sink(&server, "kitchen");
    }
    let recorder = Recorder::of(&server, if kitchen_again { "kitchen" } else { "garden" });
    playing.signal("CONT");
    let done = playing.finish_with(0);
    assert_eq!(done.err.matches("warning: no sound: ").count(), 1, "{}", done.err);
    heard.extend(recorder.finish());
    assert_kept_place(&places(&heard), frames, 20, 150);
    let outputs = done.err.lines().filter_map(|line| line.strip_prefix("output: "));
    outputs.map(|line| line.split(',').next().unwrap().to_owned()).collect()
}

#[test]
fn a_lost_device_is_followed_to_the_default() {
    assert_eq!(lose_kitchen("follow", false), ["cpal:kitchen", "cpal"]);
}

#[test]
fn a_lost_device_is_waited_for() {
    assert_eq!(lose_kitchen("wait", true), ["cpal:kitchen", "cpal:kitchen"]);
}

/// A suspended device loses no frame, however long and however often it stands still.
#[test]
fn a_suspended_device_goes_on_where_it_stood() {
    let (home, server) = (Home::new(), Server::start());
    let (node, frames) = counting_node(&home);
    let mut recorder = Recorder::start(&server);
    let mut playing = play(&home, &server, &node, &["--output", "cpal:kitchen"]);
    for _ in 0..2 {
        recorder.sounds(24_000);
        pactl(&server, &["suspend-sink", "kitchen", "1"]);
        playing.line(|line| line.contains("has not moved for"));
        pactl(&server, &["suspend-sink", "kitchen", "0"]);
        playing.line(|line| line.starts_with("output: cpal:kitchen plays again"));
    }
    let done = playing.finish_with(0);
    assert_eq!(done.err.matches("warning: no sound: ").count(), 2, "{}", done.err);
    assert_kept_place(&places(&recorder.finish()), frames, 20, 20);
}

/// Plays on the default device while `change` moves the stream from "kitchen" to "garden". Asserts that both
/// sinks together played the track, except frames that the server had given to the first sink and that it had
/// not played.
fn move_to_garden(change: impl Fn(&Server)) {
    let (home, server) = (Home::new(), Server::start());
    let (node, frames) = counting_node_of(&home, 8);
    add_sink(&server, "garden");
    // Otherwise the recorder would follow the default source.
    pactl(&server, &["set-default-source", "kitchen.monitor"]);
    let (mut kitchen, garden) = (Recorder::start(&server), Recorder::of(&server, "garden"));
    let playing = play(&home, &server, &node, &[]);
    kitchen.sounds(24_000);
    change(&server);
    let done = playing.finish_with(0);
    let (kitchen, garden) = (places(&kitchen.finish()), places(&garden.finish()));
    assert!(!kitchen.is_empty() && !garden.is_empty(), "{}", done.err);
    assert_kept_place(&[kitchen, garden].concat(), frames, 60, 20);
}

#[test]
fn sound_that_is_moved_to_another_device_keeps_its_place() {
    move_to_garden(|server| {
        let streams = pactl(server, &["list", "short", "sink-inputs"]);
        let stream = streams.split_whitespace().next().unwrap();
        pactl(server, &["move-sink-input", stream, "garden"]);
    });
}

#[test]
fn another_default_device_keeps_the_place() {
    move_to_garden(|server| drop(pactl(server, &["set-default-sink", "garden"])));
}

/// A stopped process stands for a machine that slept: playback resumes with the next frame, and the player
/// reports the length of the silence.
#[test]
fn a_process_that_was_stopped_goes_on_where_it_stood_and_counts_it() {
    let (home, server) = (Home::new(), Server::start());
    let (node, frames) = counting_node(&home);
    let mut recorder = Recorder::start(&server);
    let playing = play(&home, &server, &node, &["--output", "cpal:kitchen"]);
    recorder.sounds(48_000);
    playing.signal("STOP");
    recorder.is_silent_for(3 * 48_000);
    playing.signal("CONT");
    let done = playing.finish_with(0);
    assert!(done.err.contains("suspended for "), "{}", done.err);
    assert_kept_place(&places(&recorder.finish()), frames, 20, 0);
    let stats = home.stats();
    assert!(stats["underruns"].as_u64() >= Some(1), "{stats}");
    // The silence lasts 3 s, less the frames that the device held when the process was stopped.
    assert!(stats["underrun_ms"].as_f64() > Some(2_800.0), "{stats}");
}

/// ALSA reports an xrun, here for a device that is backed by PulseAudio. It may close the device too, which
/// is opened again.
#[test]
fn what_the_sound_system_calls_an_xrun_is_counted() {
    let (home, server) = (Home::new(), Server::start());
    let (node, frames) = counting_node(&home);
    let alsa = home.path("asound.conf");
    fs::write(&alsa, "pcm.!default { type pulse handle_underrun 1 }\n").unwrap();
    let mut recorder = Recorder::start(&server);
    let words = ["play", &node.ticket, "--codec", "pcm", "--stats", "stats.json", "--output", "cpal:alsa"];
    let mut command = home.command(&words);
    let playing = Running::start(server.connect(&mut command).env("ALSA_CONFIG_PATH", alsa));
    for _ in 0..3 {
        recorder.sounds(24_000);
        playing.signal("STOP");
        recorder.is_silent_for(48_000);
        playing.signal("CONT");
    }
    let done = playing.finish_with(0);
    let stats = home.stats();
    assert!(stats["xruns"].as_u64() >= Some(1), "{stats} {}", done.err);
    let losses = done.err.matches("warning: no sound: ").count();
    assert_kept_place(&places(&recorder.finish()), frames, 20, losses * 100);
}

#[test]
fn a_device_whose_server_died_is_waited_for() {
    let (home, mut server) = (Home::new(), Server::start());
    let (node, _) = node(&home);
    let mut playing = play(&home, &server, &node, &[]);
    playing.line(|line| line.starts_with("playing 1"));
    server.kill();
    playing.line(|line| line.starts_with("warning: no sound: "));
    // The player keeps waiting, and can be stopped.
    playing.signal("INT");
    let done = playing.finish_with(0);
    assert!(done.err.lines().count() < 10, "one line, not a flood: {}", done.err);
}
