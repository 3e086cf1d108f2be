//! Borders between chunks and tracks are inaudible, and a chunk has the size of the specification.
//! `server/chunks.rs` tests that its bytes do not depend on the way it was reached.

#![cfg(unix)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::fixtures::{Kind, encode, ffmpeg_decode, music};
use crate::program::{Home, Node, Wav};

/// Plays into a WAV with these arguments.
fn played(home: &Home, node: &Node, name: &str, words: &[&str]) -> Wav {
    let wav = home.path(&format!("{name}.wav"));
    let output = format!("file:{}", wav.display());
    home.ok(&[&["play", &node.ticket, "--output", &output], words].concat());
    Wav::read(&wav)
}

#[test]
fn a_start_within_the_track_gives_what_playing_through_gives() {
    let home = Home::new();
    let file = encode(&home.path("tmp"), Kind::FlacS16, 44_100, 2, &music(44_100, 2, 7.3));
    let node = home.serve(&[&file]);
    let whole = ffmpeg_decode(&file);
    // Starts before, at and behind a border, and in the last chunk.
    for (start, frame) in [("0.5", 22_050), ("0:03", 132_300), ("3.2", 141_120), ("0:00:07", 308_700)] {
        let wav = played(
            &home,
            &node,
            &format!("pcm {}", start.replace(':', "-")),
            &["--codec", "pcm", "--start", start],
        );
        assert!(wav.samples == whole[frame * 2..], "from {start}");
    }
    // A decoder of Opus that starts at a border is exact but for rounding 20 ms later.
    let whole = played(&home, &node, "opus", &["--codec", "opus:64"]).samples;
    for (start, frame) in [("0:02.5", 120_000), ("3.25", 156_000), ("6.5", 312_000)] {
        let wav = played(
            &home,
            &node,
            &format!("opus {}", start.replace(':', "-")),
            &["--codec", "opus:64", "--start", start],
        );
        let error =
            wav.samples.iter().zip(&whole[frame * 2..]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert_eq!(wav.samples.len(), whole.len() - frame * 2, "from {start}");
        assert!(error < 1e-4, "from {start}: an error of {error}");
    }
    // At the border itself the decoder is not exact yet: it fades in over 5 ms, and is exact but for rounding after 60 ms.
    for (start, frame) in [("0:03", 144_000), ("6", 288_000)] {
        let name = format!("opus {}", start.replace(':', "-"));
        let wav = played(&home, &node, &name, &["--codec", "opus:64", "--start", start]);
        assert_eq!(wav.samples.len(), whole.len() - frame * 2, "from {start}");
        let error_from = |at: usize| {
            let pairs = wav.samples[at * 2..].iter().zip(&whole[(frame + at) * 2..]);
            pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        let (early, late) = (error_from(960), error_from(3 * 960));
        assert!(early < 0.01 && late < 1e-4, "from {start}: errors of {early} and {late}");
        let loudest = |samples: &[f32]| samples.iter().fold(0.0_f32, |most, it| most.max(it.abs()));
        let (first, rest) = (loudest(&wav.samples[..20]), loudest(&wav.samples[..9600]));
        assert!(first < 0.1 * rest, "from {start}: it fades in");
    }
    // Behind the end there is nothing to play.
    home.ok(&["play", &node.ticket, "--start", "1:00", "--output", "null:fast", "--stats", "stats.json"]);
    assert_eq!(home.stats()["frames_played"], 0);
}

#[test]
fn tracks_follow_each_other_without_a_gap() {
    let home = Home::new();
    let make = |seconds: f64| encode(&home.path("tmp"), Kind::FlacS16, 44_100, 2, &music(44_100, 2, seconds));
    let files = [make(3.3), make(0.1), make(3.0), make(4.567)];
    let node = home.serve(&files.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    let sound: Vec<f32> = files.iter().flat_map(|it| ffmpeg_decode(it.as_path())).collect();
    let wav = played(&home, &node, "pcm", &["--codec", "pcm", "--stats", "stats.json"]);
    assert_eq!(wav.samples.len(), sound.len());
    assert!(wav.samples == sound);
    let stats = home.stats();
    assert_eq!((&stats["tracks_ended"], &stats["frames_played"]), (&4.into(), &wav.frames().into()));
    let wav = played(&home, &node, "opus", &["--codec", "opus"]);
    let at_48_khz = |frames: usize| (frames * 48_000 + 22_050) / 44_100;
    assert_eq!(wav.frames(), [145_530, 4_410, 132_300, 201_405].map(at_48_khz).iter().sum::<usize>());
}

/// Reads the rows of the table behind a mark in the specification.
fn rows(mark: &str) -> Vec<Vec<String>> {
    let specification = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/README.md");
    let text = fs::read_to_string(specification).unwrap();
    let (_, behind) = text.split_once(mark).expect("the mark is in the specification");
    let table = behind.lines().skip(1).skip_while(|line| line.is_empty());
    let row = |line: &str| line.trim_matches('|').split('|').map(|it| it.trim().to_owned()).collect();
    table.take_while(|line| line.starts_with('|')).skip(2).map(row).collect()
}

#[test]
fn a_chunk_of_opus_takes_about_the_bytes_of_the_specification() {
    let home = Home::new();
    let make =
        |channels| encode(&home.path("tmp"), Kind::WavS16, 48_000, channels, &music(48_000, channels, 9.0));
    let [mono, stereo] = [1, 2].map(make);
    let node = home.serve(&[&mono, &stereo]);
    let mut wrong = Vec::new();
    let rows: Vec<_> = rows("<!-- bytes per chunk -->").into_iter().filter(|row| row[0] == "opus").collect();
    assert!(rows.len() > 5);
    for row in rows {
        let kbit = row[1].trim_start_matches('k').split('c').next().unwrap();
        let (codec, file) = (format!("opus:{kbit}"), if row[3] == "1" { &mono } else { &stereo });
        let title = file.file_stem().unwrap().to_str().unwrap();
        let to = ["--output", "null:fast", "--stats", "stats.json"];
        home.ok(&[&["play", &node.ticket, title, "--codec", &codec], &to[..]].concat());
        let stats = home.stats();
        assert_eq!(stats["chunks"], 3);
        let bytes = stats["bytes_received"].as_f64().unwrap() / 3.0;
        let ratio = bytes / row[4].parse::<f64>().unwrap();
        if !(0.95..=1.05).contains(&ratio) {
            wrong.push(format!("{row:?}: {bytes:.0} bytes"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
