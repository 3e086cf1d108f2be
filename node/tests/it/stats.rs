//! Statistics of a playback: the file of `--stats`, and the lines of `demo`.

#![cfg(unix)]

use std::fs;

use crate::fixtures::{Kind, encode, music};
use crate::program::{Home, Running};
use serde_json::Value;

#[test]
fn stats_of_a_playing() {
    let home = Home::new();
    let file = encode(&home.path("tmp"), Kind::FlacS16, 44_100, 2, &music(44_100, 2, 7.5));
    let node = home.serve(&[&file]);
    home.ok(&["play", &node.ticket, "--codec", "pcm", "--output", "null:fast", "--stats", "stats.json"]);
    let stats = home.stats();
    let expected = [
        ("transport", Value::from("fastn")),
        ("path", "loopback".into()),
        ("codec", "pcm".into()),
        ("bitrate", 1_411_200.into()),
        ("frames_played", 330_750.into()),
        ("chunks", 3.into()),
        // The first chunk comes with the answer to `get_info`.
        ("requests", 3.into()),
        ("underruns", 0.into()),
        ("underrun_ms", 0.0.into()),
        ("xruns", 0.into()),
        ("paused_ms", 0.0.into()),
        ("requests_while_paused", 0.into()),
        ("rendition_switches", 0.into()),
        ("switches", Value::Array(Vec::new())),
        ("path_changes", 0.into()),
        ("paths", Value::Array(Vec::new())),
        ("reconnects", 0.into()),
        ("stalls", 0.into()),
        ("start_ms", 120.0.into()),
        ("target_ms", 3000.0.into()),
        ("targets", Value::Array(Vec::new())),
    ];
    for (field, value) in expected {
        assert_eq!(stats[field], value, "{field}");
    }
    let title = file.file_stem().unwrap().to_str().unwrap();
    assert!(stats["track"].as_str().unwrap().contains(title), "{stats}");
    assert!(stats["reason"].as_str().unwrap().contains("lossless"), "{stats}");
    let number = |field: &str| stats[field].as_f64().unwrap();
    assert!(number("bind_ms") > 0.0);
    assert!(number("connect_ms") > 0.0);
    assert!(number("first_audio_ms") > number("bind_ms") + number("connect_ms"));
    // The samples, and a few bytes for each packet of 20 ms.
    let (bytes, pcm) = (number("bytes_received"), 330_750.0 * 4.0);
    assert!(bytes > pcm && bytes < pcm * 1.01, "{bytes}");
    // At most the target and one chunk.
    assert!((200.0..=6000.0).contains(&number("peak_buffer_ms")), "{stats}");
    // Every frame was written at some level: 7.5 s in total.
    let levels = stats["level_ms"].as_object().unwrap();
    let names = ["below_1000", "below_2000", "below_3000", "below_500", "empty", "from_3000"];
    assert!(levels.len() == names.len() && names.iter().all(|it| levels.contains_key(*it)), "{stats}");
    let sum: f64 = levels.values().map(|it| it.as_f64().unwrap()).sum();
    assert!((7_490.0..=7_500.01).contains(&sum), "{sum}");
}

/// Without a flag a client on the same machine gets PCM. With a bitrate it gets that bitrate.
#[test]
fn stats_tell_codec_and_bitrate() {
    let home = Home::new();
    let file = encode(&home.path("tmp"), Kind::FlacS16, 44_100, 2, &music(44_100, 2, 4.0));
    let node = home.serve(&[&file]);
    for (codec, id, bitrate) in
        [("auto", "pcm", 1_411_200), ("opus", "opus", 96_000), ("opus:160", "opus", 160_000)]
    {
        home.ok(&["play", &node.ticket, "--codec", codec, "--output", "null:fast", "--stats", "stats.json"]);
        let stats = home.stats();
        assert_eq!((&stats["codec"], &stats["bitrate"]), (&id.into(), &bitrate.into()), "{codec}");
    }
}

/// Output `null` keeps consuming while the player is stopped. The pause lasts as long as another listener
/// takes for one second of sound.
#[test]
fn what_a_stopped_player_did_not_play_is_an_underrun_of_that_length() {
    let home = Home::new();
    let first = encode(&home.path("tmp"), Kind::FlacS16, 44_100, 2, &music(44_100, 2, 1.0));
    let second = encode(&home.path("tmp"), Kind::WavS16, 44_100, 2, &music(44_100, 2, 4.0));
    let node = home.serve(&[&first, &second]);
    let play = ["play", &node.ticket, "--codec", "pcm", "--output", "null"];
    let stopped = [&play[..], &["--stats", "stats.json"]].concat();
    let mut stopped = Running::start(&mut home.command(&stopped));
    // The second track starts to buffer while the end of the first is heard.
    stopped.line(|line| line.starts_with("playing 2"));
    stopped.signal("STOP");
    let other = Home::new();
    other.ok(&[&play[..], &["2", "--start", "3"]].concat());
    stopped.signal("CONT");
    let done = stopped.finish_with(0);
    let stats = home.stats();
    assert_eq!(stats["frames_played"], 220_500, "{stats}");
    assert!(stats["underruns"].as_u64() >= Some(1), "{stats}");
    // The output had 100 ms left.
    assert!(stats["underrun_ms"].as_f64() > Some(850.0), "{stats}");
    assert!(done.err.contains("suspended for "), "{}", done.err);
}

#[test]
fn stats_that_cannot_be_written() {
    let home = Home::new();
    let file = encode(&home.path("tmp"), Kind::FlacS16, 44_100, 1, &music(44_100, 1, 1.0));
    let node = home.serve(&[&file]);
    let done = home.run(&["play", &node.ticket, "--output", "null:fast", "--stats", "/nowhere/stats.json"]);
    assert_eq!(done.code, 1);
    let last = done.err.lines().last().unwrap();
    assert!(last.contains("writing the statistics to /nowhere/stats.json"), "{last}");
}

/// The home of a test has no sound device.
#[test]
fn demo_without_a_sound_device() {
    let home = Home::new();
    let done = home.ok(&["demo", "--stats", "stats.json"]);
    assert_eq!(done.err.lines().filter(|line| line.contains("no sound device")).count(), 1, "{}", done.err);
    assert!(done.err.contains("--output null"), "{}", done.err);
    let stats = home.stats();
    let (first_audio, codec) = (stats["first_audio_ms"].as_f64().unwrap(), stats["codec"].as_str().unwrap());
    for line in [
        format!("time to first audio: {first_audio:.0} ms"),
        "dropouts: 0".into(),
        format!("codec: {codec} at 1411 kbit/s over fastn (loopback)"),
        format!("reason: {}", stats["reason"].as_str().unwrap()),
    ] {
        assert!(done.out.lines().any(|it| it == line), "no {line:?} in {}", done.out);
    }
    assert_eq!(fs::read_dir(home.path("tmp")).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn demo_needs_no_network_and_no_home() {
    let home = Home::new();
    let done = home.ok(&["demo", "--transport", "memory", "--output", "null:fast", "--codec", "opus:64"]);
    assert!(done.out.contains("codec: opus at 64 kbit/s over memory (memory)"), "{}", done.out);
    assert!(!home.path("data").exists(), "its keys are made for this once");
}
