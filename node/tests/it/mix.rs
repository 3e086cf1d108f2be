//! A realistic library: several formats, rates and channel counts, tags, nested folders, and damaged files.

#![cfg(unix)]

use std::{fs, path::Path};

use crate::fixtures::{Kind, encode, music, tag};
use crate::program::Home;
use serde_json::Value;

/// Tracks in the order of the library: path, kind, rate, channels, seconds.
const TRACKS: [(&str, Kind, u32, u16, f64); 10] = [
    ("Albums/Blue/1 - Opening", Kind::FlacS16, 44_100, 2, 31.7),
    ("Albums/Blue/2 - Second", Kind::FlacS16, 44_100, 2, 9.0),
    ("Albums/Blue/10 - Last", Kind::FlacS16, 44_100, 2, 12.34),
    ("Albums/Hi-res/Deep", Kind::FlacS24, 96_000, 2, 15.1),
    ("Old/mono tape", Kind::Mp3, 22_050, 1, 20.5),
    ("Old/phone", Kind::Aac, 44_100, 2, 14.2),
    ("Old/ripped", Kind::Mp3Vbr, 44_100, 2, 25.0),
    ("Radio/Deep/down/talk", Kind::Opus, 48_000, 1, 40.0),
    ("Radio/song", Kind::Vorbis, 48_000, 2, 18.25),
    ("short", Kind::WavS16, 8_000, 1, 0.05),
];

fn make(home: &Home) -> std::path::PathBuf {
    let library = home.path("Music");
    for (name, kind, rate, channels, seconds) in TRACKS {
        let made = encode(&home.path("tmp"), kind, rate, channels, &music(rate, channels, seconds));
        let path = library.join(format!("{name}.{}", kind.extension()));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if name.contains("Blue") {
            let title = format!("title=Blue – {}", name.rsplit(' ').next().unwrap());
            let (key, title) = title.split_once('=').unwrap();
            tag(&made, &path, &[(key, title), ("artist", "Émile & the \u{1b}[31mNode"), ("album", "Blue")]);
        } else {
            fs::rename(made, path).unwrap();
        }
    }
    spoil(&library);
    library
}

/// Adds files that are no audio: some by their name, some only by their content.
fn spoil(library: &Path) {
    fs::write(library.join("Albums/Blue/cover.jpg"), [0xff, 0xd8, 0xff]).unwrap();
    fs::write(library.join("Old/.hidden.mp3"), "no").unwrap();
    fs::write(library.join("Old/broken.mp3"), "this is no sound at all\n".repeat(100)).unwrap();
    fs::write(library.join("Radio/empty.ogg"), "").unwrap();
}

#[test]
fn a_whole_library_plays_in_both_codecs() {
    let home = Home::new();
    let library = make(&home);
    let mut node = home.serve(&[&library]);
    // Standard output and standard error are read by separate threads.
    while node.process.err.lines().count() < 2 {
        node.process.line(|_| true);
    }
    for name in ["broken.mp3", "empty.ogg"] {
        assert_eq!(node.process.err.matches(name).count(), 1, "{}", node.process.err);
    }
    assert_eq!(node.process.err.lines().count(), 2, "{}", node.process.err);

    let listed: Vec<Value> = serde_json::from_str(&home.ok(&["ls", &node.ticket, "--json"]).out).unwrap();
    assert_eq!(listed.len(), TRACKS.len());
    for (n, (track, (name, _, rate, channels, seconds))) in listed.iter().zip(TRACKS).enumerate() {
        assert_eq!(track["number"], n + 1, "{name}");
        let format = [&track["source"]["rate"], &track["source"]["channels"]];
        assert_eq!(format, [&Value::from(rate), &channels.into()], "{name}");
        let difference = track["duration_ms"].as_f64().unwrap() - seconds * 1000.0;
        assert!(difference.abs() < 60.0, "{name}: {track}");
    }
    assert_eq!(listed[2]["title"], "Blue – Last");
    let shown = home.ok(&["ls", &node.ticket, "--tracks", "émile"]).out;
    assert!(shown.lines().count() == 3 && !shown.contains('\u{1b}'), "{shown}");

    for codec in ["pcm", "opus"] {
        let to = ["--codec", codec, "--output", "null:fast", "--stats", "stats.json"];
        let done = home.ok(&[&["play", &node.ticket], &to[..]].concat());
        assert_eq!(done.err.matches("\nplaying ").count(), TRACKS.len(), "{}", done.err);
        let stats = home.stats();
        assert_eq!(stats["tracks_ended"], TRACKS.len(), "{stats}");
        for none in ["underruns", "reconnects", "retries", "damaged_packets", "rendition_switches"] {
            assert_eq!(stats[none], 0, "{none}");
        }
        // The output keeps the rate of the first track. Each other track is converted, with a rounded length.
        let rate = if codec == "pcm" { 44_100.0 } else { 48_000.0 };
        let seconds: f64 = TRACKS.iter().map(|it| it.4).sum();
        let frames = stats["frames_played"].as_f64().unwrap();
        assert!(
            (frames - seconds * rate).abs() <= TRACKS.len() as f64 * 2.0,
            "{frames} of {}",
            seconds * rate
        );
        let chunks: f64 = TRACKS.iter().map(|it| (it.4 / 3.0).ceil()).sum();
        assert_eq!(stats["chunks"], chunks as u64);
    }
}
