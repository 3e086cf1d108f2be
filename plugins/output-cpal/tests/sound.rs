//! The output on real sound systems: PulseAudio with a null sink, recorded from its monitor, and ALSA with a device that
//! writes to a file. The tests fail if pulseaudio is missing.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

#[path = "sound/callgraph.rs"]
mod callgraph;
#[path = "sound/player.rs"]
mod player;
#[path = "sound/server.rs"]
mod server;

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Write, stderr},
    process::{Command, Stdio},
};

use player::{Player, noise};
use server::{Recorder, Server};
use tempfile::TempDir;

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn player() {
    player::run();
}

/// Runs a scene. Returns the frames that the sink played and the player's report.
fn recorded(scene: &str, target: &str) -> (Vec<[f32; 2]>, String) {
    let server = Server::start();
    let recorder = Recorder::start(&server);
    let report = server.path().join("report");
    let mut command = Player::command(scene, target, &report);
    Player(server.connect(&mut command).spawn().unwrap()).finish();
    (recorder.finish(), fs::read_to_string(report).unwrap())
}

/// Asserts that `frames` are those of `sound`, without printing them all.
fn assert_same(frames: &[[f32; 2]], sound: &[[f32; 2]]) {
    let wrong = frames.iter().zip(sound).position(|(one, other)| one != other);
    assert_eq!((wrong, frames.len()), (None, sound.len()));
}

/// Frames that are not silent, and the length of the longest silence. A busy machine may add gaps anywhere.
fn sounding(frames: &[[f32; 2]]) -> (Vec<[f32; 2]>, usize) {
    let silences = frames.split(|frame| *frame != [0.0; 2]).map(<[_]>::len);
    let longest = silences.max().unwrap_or(0);
    (frames.iter().copied().filter(|frame| *frame != [0.0; 2]).collect(), longest)
}

/// Frames in a fade at 48 kHz.
const FADE: usize = 240;

#[test]
fn what_is_played_is_what_was_written() {
    for target in ["", "kitchen", "pulseaudio:kitchen"] {
        assert_same(&recorded("play", target).0, &noise(96_000, 1));
    }
}

#[test]
fn a_pause_is_silent_and_loses_nothing() {
    let (frames, delay) = recorded("pause", "pulseaudio");
    let (frames, silence) = sounding(&frames);
    let mut sound = noise(96_000, 2);
    assert!(silence > 24_000, "{silence} frames of silence");
    assert!(delay.parse::<u64>().unwrap() > 0);

    let fades = frames.iter().zip(&sound).take_while(|(frame, sound)| frame == sound).count();
    assert!(fades < 48_000, "it never paused");
    // The last frame of the fade is silent.
    sound.remove(fades + FADE - 1);
    let back = fades + 2 * (FADE - 1);
    assert!((fades..back).all(|at| frames[at][0].abs() <= sound[at][0].abs()));
    assert_same(&frames[back..], &sound[back..]);
}

#[test]
fn a_flush_drops_what_is_not_yet_heard() {
    let (frames, _) = sounding(&recorded("flush", "pulseaudio").0);
    let (old, new) = (noise(48_000, 3), noise(48_000, 4));
    let heard = frames.iter().zip(&old).take_while(|(frame, old)| frame == old).count();
    assert!(heard > 0 && heard < 48_000 - 4_800, "{heard} frames of the old");
    assert_same(&frames[frames.len() - (48_000 - FADE)..], &new[FADE..]);
}

#[test]
fn a_server_that_dies_is_lost_at_once_and_without_a_flood() {
    let mut server = Server::start();
    let report = server.path().join("report");
    let mut command = Player::command("lose", "", &report);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut player = Player(server.connect(&mut command).spawn().unwrap());
    let mut lines = BufReader::new(player.0.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("playing")));
    server.kill();
    let noise = std::io::read_to_string(player.0.stderr.take().unwrap()).unwrap();
    player.finish();
    let said = fs::read_to_string(report).unwrap();
    assert!(said.starts_with("Lost(\"the sound device is gone"), "{said}");
    assert_eq!(noise, "");
}

#[test]
fn devices_are_listed_and_unknown_ones_answered_with_the_list() {
    let (_, said) = recorded("devices", "");
    assert!(said.starts_with(r#"[DeviceInfo { id: "pulseaudio:kitchen", name: "Null Output""#), "{said}");
    assert!(said.contains("default: true") && said.contains("48000"), "{said}");
    let (_, said) = recorded("error", "bathroom");
    assert!(
        said.starts_with("BadArgument") && said.contains("bathroom") && said.contains("pulseaudio:kitchen"),
        "{said}"
    );
}

#[test]
fn opening_again_and_again_leaves_nothing_behind() {
    let grown: usize = recorded("again", "").1.parse().unwrap();
    // The last stream may still be closing.
    assert!(grown < 10, "{grown} threads and files more after twenty times");
}

/// Command for a scene with ALSA alone, with its configuration file in `room`.
fn alsa_command(scene: &str, room: &TempDir, config: &str) -> Command {
    let asound = room.path().join("asound.conf");
    fs::write(&asound, config).unwrap();
    let mut command = Player::command(scene, "", &room.path().join("report"));
    command.env_remove("PULSE_SERVER").env("XDG_RUNTIME_DIR", room.path()).env("ALSA_CONFIG_PATH", &asound);
    command
}

/// Runs a scene with ALSA alone. Returns the folder, the report and standard error.
fn with_alsa(scene: &str, config: impl Fn(&TempDir) -> String) -> (TempDir, String, String) {
    let room = TempDir::new().unwrap();
    let mut command = alsa_command(scene, &room, &config(&room));
    let done = command.stdout(Stdio::null()).output().unwrap();
    let noise = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{noise}");
    let report = fs::read_to_string(room.path().join("report")).unwrap();
    (room, report, noise)
}

/// Names of the functions that a scene calls within `function`.
fn called(scene: &str, function: &str) -> Option<BTreeSet<String>> {
    let room = TempDir::new().unwrap();
    callgraph::called(function, &alsa_command(scene, &room, "pcm.!default { type null }\n"))
}

/// All functions that the callback calls while playing, pausing and flushing are on a short list. Tracing system calls would
/// not find an uncontended lock, which makes none.
#[test]
fn the_callback_neither_locks_nor_allocates_nor_waits() {
    for scene in ["play", "pause", "flush"] {
        let Some(called) = called(scene, "output_cpal::stream::Callbacks::build_with::{{closure}}") else {
            // `eprintln!` would be captured, because the test passes.
            return writeln!(stderr(), "skipped: valgrind is not installed (.ci/setup test installs it)")
                .unwrap();
        };
        assert!(
            called.contains("output_cpal::feeder::Feeder::take"),
            "the scene played no frames: {called:?}"
        );
        assert_eq!(callgraph::harmful(&called), Vec::<&String>::new(), "in {scene}");
    }
    // Control: the same search finds each forbidden call.
    for (scene, word) in [("lock", "Mutex"), ("send", "Sender"), ("allocate", "malloc"), ("sleep", "sleep")] {
        let called = called(scene, &format!("sound::player::{scene}")).unwrap();
        let harmful = callgraph::harmful(&called);
        assert!(harmful.iter().any(|it| it.contains(word)), "{scene}: {harmful:?}");
    }
}

#[test]
fn alsa_gets_what_was_written() {
    let (room, _, _) = with_alsa("play", |room| {
        let file = room.path().join("played.raw");
        format!(
            "pcm.nothing {{ type null }}\npcm.!default {{ type file slave.pcm nothing format raw file {file:?} }}\n"
        )
    });
    let bytes = fs::read(room.path().join("played.raw")).unwrap();
    // This device has no clock, so it asks for more frames than there are and gets silence.
    let frames = bytes.chunks_exact(8).map(server::frame).filter(|frame| *frame != [0.0; 2]);
    assert_same(&frames.collect::<Vec<_>>(), &noise(96_000, 1));
}

#[test]
fn without_a_device_there_is_an_empty_list_and_one_clear_line() {
    let (_, said, noise) = with_alsa("devices", |_| String::new());
    assert_eq!((said.as_str(), noise.as_str()), ("[]", ""));
    let (_, said, noise) = with_alsa("error", |_| String::new());
    assert!(said.starts_with("Lost(\"there is no sound device") && said.contains("--output null"), "{said}");
    assert_eq!(noise, "");
}
