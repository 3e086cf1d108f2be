//! A codec fails in mid-track, at the node or at the listener. The track continues in another codec from the
//! same frame, and the result is the file, frame by frame. The failing codec is lossless, so that the result
//! can be compared.

#![cfg(unix)]

use std::{
    env::consts::{DLL_PREFIX, DLL_SUFFIX},
    fs,
    path::{Path, PathBuf},
};

use crate::fixtures::{Kind, encode, music, stored};
use crate::program::{Done, Home, Node, Wav};

/// Lengths of two tracks, in seconds: four chunks and two.
const TWO: [f64; 2] = [10.123, 4.321];

/// Path of the library of `tests/fixtures/fails.rs`, which cargo builds with the tests.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let library = profile.join("examples").join(format!("{DLL_PREFIX}media_node_fails{DLL_SUFFIX}"));
    assert!(library.exists(), "{} is missing; run cargo build -p media-node --examples", library.display());
    library
}

/// A node with tracks of CD audio whose codec `fails` fails as configured, and a listener who has that codec
/// too.
struct Rig {
    home: Home,
    node: Node,
    samples: Vec<f32>,
}

impl Rig {
    /// Serves tracks of these lengths in seconds.
    fn new(fail: &str, tracks: &[f64]) -> Self {
        let home = Home::new();
        // Without `encode_ahead` each chunk is encoded while a listener receives it, so packets have left
        // when it fails.
        home.configure(&format!(
            "[plugins]\npaths = [{:?}]\n[codec]\nprefer = [\"fails\", \"pcm\"]\n[codec.fails]\nfail = {fail:?}\n[server]\nencode_ahead = 0\n",
            library()
        ));
        let mut samples = Vec::new();
        let files = tracks.iter().enumerate().map(|(n, seconds)| {
            let sound = music(44_100, 2, *seconds);
            samples.extend(stored(Kind::FlacS16, &sound));
            let folder = home.path(&n.to_string());
            fs::create_dir(&folder).unwrap();
            encode(&folder, Kind::FlacS16, 44_100, 2, &sound)
        });
        let files: Vec<_> = files.collect();
        let node = home.serve(&files.iter().map(PathBuf::as_path).collect::<Vec<_>>());
        Self { home, node, samples }
    }

    fn play(&self, more: &[&str]) -> Done {
        let output = format!("file:{}", self.home.path("out.wav").display());
        let all = [&["play", &self.node.ticket, "--output", &output], more].concat();
        self.home.run(&all)
    }

    fn wav(&self) -> Wav {
        Wav::read(&self.home.path("out.wav"))
    }
}

/// Plays both tracks. The first starts in the failing codec, and must continue in another one.
#[track_caller]
fn goes_on(fail: &str, words: &str) {
    let rig = Rig::new(fail, &TWO);
    let done = rig.play(&[]);
    assert_eq!(done.code, 0, "{fail}: {done:?}");
    let said: Vec<_> = done.out.lines().chain(done.err.lines()).collect();
    let lines = |start: &str| said.iter().filter(|it| it.contains(start)).collect::<Vec<_>>();
    assert!(lines("playing 1: ")[0].contains(" as fails"), "{fail}: {said:#?}");
    let switches = lines("continuing as pcm at 1411 kbit/s: fails failed ");
    assert_eq!(switches.len(), 1, "{fail}: {said:#?}");
    assert!(switches[0].contains(words), "{fail}: {said:#?}");
    let second = lines("playing 2: ");
    assert!(
        second[0].contains(" as pcm") && second[0].contains("fails was not offered"),
        "{fail}: {said:#?}"
    );
    let wav = rig.wav();
    assert_eq!(wav.samples.len(), rig.samples.len(), "{fail}");
    let first = wav.samples.iter().zip(&rig.samples).position(|(a, b)| a != b);
    assert_eq!(first.map(|it| it / 2), None, "{fail}: the first frame that differs");
    // The node and the library live on: another listener can play.
    assert_eq!(rig.home.run(&["play", &rig.node.ticket, "2", "--output", "null:fast"]).code, 0, "{fail}");
}

#[test]
fn an_encoder_that_fails_on_the_node() {
    // A packet is 20 ms: these calls are in the second chunk.
    for how in ["panic", "error"] {
        goes_on(&format!("encode-{how}-200"), "failed on the node (fails cannot encode chunk 1 of");
    }
    // In a chunk's first packet, after its last packet, and before its first.
    goes_on("encode-error-301", "chunk 2 of");
    goes_on("flush-panic-2", "the plugin panicked: call 2 of flush");
    goes_on("encoder-panic-3", "chunk 2 of");
    goes_on("encoding-panic-5", "failed on the node (this node does not make");
}

#[test]
fn a_decoder_that_fails_at_the_listener() {
    for how in ["panic", "error"] {
        goes_on(&format!("decode-{how}-200"), "failed here (");
    }
    // One damaged packet would become silence. A codec that rejects all packets counts as failed.
    goes_on("decode-corrupt-200", "failed here (corrupt data: call 200 of decode)");
    // From the first packet on; at a border; in the last chunk; before a decoder exists.
    goes_on("decode-panic-1", "failed here (the plugin panicked: call 1 of decode)");
    goes_on("decode-error-301", "failed here (call 301 of decode)");
    goes_on("reset-panic-2", "failed here (the plugin panicked: call 2 of reset)");
    goes_on("decode-panic-505", "failed here (");
    goes_on("decoder-error-1", "failed here (call 1 of decoder)");
}

#[test]
fn a_codec_that_cannot_even_begin_is_passed_over() {
    for place in ["propose", "encoding"] {
        let rig = Rig::new(&format!("{place}-panic-1"), &TWO);
        let done = rig.play(&[]);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(done.err.contains("playing 1: ") && done.err.contains(" as pcm"), "{done:?}");
        assert!(done.err.contains(&format!("call 1 of {place}")), "{done:?}");
        assert!(rig.wav().samples == rig.samples);
    }
}

#[test]
fn without_another_codec_it_ends_with_what_failed() {
    for (fail, words) in [("encode-panic-200", "failed on the node"), ("decode-error-200", "failed here")] {
        let rig = Rig::new(fail, &TWO);
        let done = rig.play(&["--codec", "fails"]);
        assert_eq!(done.code, 1, "{done:?}");
        assert!(done.err.contains(words) && done.err.contains("there is no other codec"), "{done:?}");
        assert!(done.err.contains("no codec is left to ask for: fails failed"), "{done:?}");
        // The sound before the failure is complete, to the frame.
        let wav = rig.wav();
        assert_eq!(wav.frames(), 199 * 882);
        assert!(wav.samples[..] == rig.samples[..wav.samples.len()]);
    }
}

/// A real-time output lets the client fetch ahead. The last tracks are already buffered when the decoder
/// fails in the second.
#[test]
fn tracks_that_were_there_already_are_fetched_again_and_told_of_once() {
    let tracks = [1.0, 0.5, 0.75, 0.64];
    let rig = Rig::new("decode-panic-60", &tracks);
    let play = ["play", &rig.node.ticket, "--output", "null", "--stats", "stats.json"];
    let done = rig.home.ok(&play);
    let stats = rig.home.stats();
    let frames: f64 = tracks.iter().map(|it| it * 44_100.0).sum();
    assert_eq!((&stats["tracks_ended"], &stats["rendition_switches"]), (&4.into(), &1.into()), "{stats}");
    assert_eq!(stats["frames_played"].as_f64(), Some(frames), "{stats}");
    let switch = &stats["switches"][0];
    assert_eq!((&switch["from"], &switch["to"]), (&"fails 1411200".into(), &"pcm 1411200".into()), "{stats}");
    assert!(switch["reason"].as_str().unwrap().contains("fails") && switch["at_ms"].as_f64() > Some(0.0));
    let playing: Vec<_> = done.err.lines().filter(|it| it.starts_with("playing ")).collect();
    let codecs = playing.iter().map(|it| it.contains(" as fails")).collect::<Vec<_>>();
    assert_eq!(codecs, [true, true, false, false], "{done:?}");
    let done = rig.home.run(&[&play[..], &["--codec", "fails"]].concat());
    assert_eq!(done.code, 1, "{done:?}");
    assert!(
        done.err.ends_with("media-node: 3 of 4 tracks could not be played, or not to their end\n"),
        "{done:?}"
    );
}
