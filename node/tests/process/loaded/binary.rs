//! The program, with libraries that it finds in `MEDIA_NODE_PLUGIN_PATH`.

use std::{env::consts::DLL_EXTENSION, fs, path::Path};

use serde_json::Value;

use super::rig::adpcm;
use crate::{
    fixtures::{Kind, encode, music, stored},
    library::built,
    program::{Done, Home, Node, Running, Wav},
};

/// Creates a home with the three libraries in a folder.
fn home() -> Home {
    let home = Home::new();
    fs::create_dir(home.path("plugins")).unwrap();
    for library in [&built("flac"), &built("pipe"), adpcm()] {
        fs::copy(library, home.path("plugins").join(library.file_name().unwrap())).unwrap();
    }
    home
}

fn start(home: &Home, arguments: &[&str]) -> Running {
    Running::start(home.command(arguments).env("MEDIA_NODE_PLUGIN_PATH", home.path("plugins")))
}

fn run(home: &Home, arguments: &[&str]) -> Done {
    start(home, arguments).finish()
}

fn serve(home: &Home, file: &Path) -> Node {
    Node::start(
        home.command(&["serve", file.to_str().unwrap()]).env("MEDIA_NODE_PLUGIN_PATH", home.path("plugins")),
    )
}

const PIN: &str = "[plugins]\nprefer = [\"flac=codec-flac\"]\n";

#[test]
fn libraries_are_found_pinned_and_left_out() {
    let home = home();
    let said: Value = serde_json::from_str(&run(&home, &["plugins", "list", "--json"]).out).unwrap();
    for (id, name) in [("adpcm", "adpcm"), ("flac", "flac"), ("pipe", "pipe")] {
        let file = home.path(&format!("plugins/libmedia_node_{name}.{DLL_EXTENSION}"));
        let is_it = |it: &Value| it["id"] == id && it["origin"]["loaded"] == file.to_str().unwrap();
        assert!(said.as_array().unwrap().iter().any(is_it), "no {id} in {said}");
    }
    // With a pinned provider there is no warning about two of them.
    let twice = "codec \"flac\" exists twice";
    let done = run(&home, &["config", "check"]);
    assert_eq!((done.code, done.err.contains(twice)), (0, cfg!(feature = "flac")), "{done:?}");
    home.configure(PIN);
    let done = run(&home, &["config", "check"]);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    home.configure("[plugins]\nprefer = [\"flac=nobody\"]\n");
    let done = run(&home, &["config", "check"]);
    assert!(done.err.contains("nobody"), "{done:?}");

    for (disabled, codec) in [("adpcm", "adpcm"), ("codec-adpcm", "adpcm"), ("flac", "flac")] {
        home.configure(&format!("[plugins]\ndisable = [\"{disabled}\"]\n[codec]\nprefer = [\"{codec}\"]\n"));
        let done = run(&home, &["config", "check"]);
        assert!(done.code == 2 && done.err.contains(&format!("no codec \"{codec}\"")), "{done:?}");
    }
}

#[test]
fn a_track_comes_through_loaded_codecs_and_a_loaded_output() {
    let home = home();
    home.configure(PIN);
    let samples = music(44_100, 2, 4.123);
    let file = encode(&home.path("tmp"), Kind::WavS16, 44_100, 2, &samples);
    let node = serve(&home, &file);
    for (codec, least) in [("flac", f64::INFINITY), ("adpcm:400", 20.0)] {
        let wav = home.path(&format!("{codec}.wav"));
        let pipe = format!("output.pipe.command=[\"tee\", {:?}]", wav.to_str().unwrap());
        let words = ["--output", "pipe", "--set", &pipe, "--set", "output.pipe.format=\"wav\""];
        let done = run(&home, &[&["play", &node.ticket, "--codec", codec], &words[..]].concat());
        assert_eq!(done.code, 0, "{}", done.err);
        // Standard output cannot be rewound to write the length.
        let mut bytes = fs::read(&wav).unwrap();
        let head = bytes.windows(4).position(|it| it == b"data").unwrap() + 8;
        let length = u32::try_from(bytes.len() - head).unwrap();
        bytes[head - 4..head].copy_from_slice(&length.to_le_bytes());
        fs::write(&wav, bytes).unwrap();
        let snr = crate::fixtures::snr(&stored(Kind::WavS16, &samples), &Wav::read(&wav).samples);
        assert!(snr >= least, "{codec}: {snr:.1} dB");
    }
}

#[test]
fn what_a_plugin_refuses_is_one_line() {
    let home = home();
    let file = encode(&home.path("tmp"), Kind::WavS16, 44_100, 2, &music(44_100, 2, 1.0));
    let node = serve(&home, &file);
    for (output, words) in [
        ("pipe", &["no command", "[output.pipe]"][..]),
        ("pipe:no-such-program", &["no command \"no-such-program\"", "install it"]),
        ("pipe:false", &["\"false\" ended", "exit status: 1"]),
    ] {
        let done = run(&home, &["play", &node.ticket, "--output", output]);
        let last = done.err.lines().last().unwrap();
        assert!(done.code == 5 && words.iter().all(|it| last.contains(it)), "{done:?}");
    }
    // Two nodes cannot serve with one key.
    drop(node);
    // Loaded from the library, then built in.
    let both = [PIN, "[plugins]\ndisable = [\"codec-flac\"]\n"];
    for plugins in &both[..1 + usize::from(cfg!(feature = "flac"))] {
        home.configure(&format!("{plugins}[codec.flac]\nlevel = 8\n"));
        for command in [&["config", "check"][..], &["serve", file.to_str().unwrap()]] {
            run(&home, command).refused(2, &["config.toml:", "codec.flac.level"]);
        }
    }
}

/// A serving node opens no output.
#[test]
fn serving_runs_no_command() {
    let home = home();
    home.configure("[output]\nuse = \"pipe\"\n[output.pipe]\ncommand = [\"touch\", \"ran\"]\n");
    let file = encode(&home.path("tmp"), Kind::WavS16, 44_100, 2, &music(44_100, 2, 1.0));
    let node = serve(&home, &file);
    let done = run(&home, &["play", &node.ticket, "--output", "null:fast"]);
    assert!(done.code == 0 && !home.path("ran").exists(), "{done:?}");
    // A listener with this configuration asked for it.
    let done = run(&home, &["play", &node.ticket]);
    assert!(home.path("ran").exists(), "{done:?}");
}
