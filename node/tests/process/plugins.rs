//! `plugins inspect` and `plugins check` on libraries that work, fail, crash and hang.

#![cfg(target_os = "linux")]
use std::{fs, path::Path, process::Command};

use crate::library::compile;
use serde_json::Value;

/// Runs a command. Returns exit code, standard output and standard error.
fn plugins(command: &str, file: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let mut node = Command::new(env!("CARGO_BIN_EXE_media-node"));
    let output = node.args(["plugins", command]).args(more).arg(file).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn inspect_says_what_a_library_has() {
    let folder = tempfile::tempdir().unwrap();
    let sound = compile(folder.path(), "sound", &[]);
    let (code, text, _) = plugins("inspect", &sound, &["--json"]);
    let said: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (code, &said["note"]["id"], &said["plugins"][0]["id"]),
        (Some(0), &"fixture-c".into(), &"c16".into())
    );

    let crashes = compile(folder.path(), "crashes", &["-DABORT_WHEN_OPENED"]);
    let text = folder.path().join("text.so");
    fs::write(&text, "no library").unwrap();
    for (file, why) in [
        (&crashes, "its process ended with signal: 6"),
        (&text, "it is not a shared library, or is damaged"),
        (&folder.path().join("absent.so"), "it cannot be read"),
    ] {
        let (code, said, error) = plugins("inspect", file, &[]);
        assert_eq!((code, said.as_str(), error.lines().count()), (Some(1), "", 1), "{error}");
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn what_never_comes_back_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let constructor = compile(folder.path(), "constructor", &["-DHANG_WHEN_OPENED"]);
    let entry = compile(folder.path(), "entry", &["-DBREAK=for (volatile int once = 1; once;);"]);
    for file in [&constructor, &entry] {
        for command in ["inspect", "check"] {
            let (code, said, error) = plugins(command, file, &["--timeout", "1"]);
            assert_eq!((code, said.as_str(), error.lines().count()), (Some(1), "", 1), "{error}");
            assert!(error.contains("cannot be loaded: it did not answer within 1 s"), "{error}");
        }
    }
}

#[test]
fn check_finds_what_is_wrong_and_lives() {
    let folder = tempfile::tempdir().unwrap();
    let sound = compile(folder.path(), "sound", &[]);
    let (code, text, error) = plugins("check", &sound, &[]);
    assert_eq!((code, text.lines().count(), error.as_str()), (Some(0), 13, ""), "{text}");
    assert!(text.lines().all(|line| line.starts_with("ok ")), "{text}");

    // Measurements are printed, and never fail the check.
    for figure in ["scan_us", "encode_p99_ns", "decode_p99_ns", "peak_growth_bytes"] {
        assert!(text.contains(&format!("  {figure} ")), "{figure}: {text}");
    }

    let crashes = "-DIN_DECODE=if (len % 4 == 3) abort();";
    let overruns = "-DIN_ENCODE=if (capacity) packet[capacity] = 0;";
    // A decoder constructor that hangs, in one check only.
    let hangs = "-DIN_DECODER_NEW=if (config_len == 64) for (volatile int once = 1; once;);";
    let bad = compile(folder.path(), "bad", &[crashes, overruns, hangs, "-Wno-unused-parameter"]);
    let with = ["--seed", "7", "--timeout", "20", "--json"];
    let (code, text, error) = plugins("check", &bad, &with);
    let said: Value = serde_json::from_str(&text).unwrap();
    let checks = said["checks"].as_array().unwrap().iter();
    let failures: Vec<_> = checks.map(|it| (it["name"].as_str().unwrap(), it["failure"].as_str())).collect();
    let why = |name: &str| failures.iter().find(|it| it.0 == name).unwrap().1.unwrap_or("nothing");
    assert_eq!(code, Some(1));
    assert!(error.contains("of 13 checks; repeat them with --seed 7"), "{error}");
    assert!(why("codec:c16/contract").starts_with("its process ended with signal: 6"), "{text}");
    let overrun = "encode reads or writes beyond the end of a buffer: its process ended with signal: 11";
    assert!(why("codec:c16/encode-overrun").starts_with(overrun), "{text}");
    assert_eq!(why("codec:c16/leaks"), "it did not answer within 20 s");
    assert_eq!(why("output:sink/contract"), "nothing");
}

#[test]
fn an_option_that_is_wrong_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    compile(folder.path(), "c", &[]);
    let file = folder.path().join("config.toml");
    let plugins = folder.path().display();
    for (codec, why) in
        [("pcm", "codec pcm has no option \"levle\", nor any other"), ("c16", "codec c16 has no options")]
    {
        fs::write(&file, format!("[plugins]\npaths = [\"{plugins}\"]\n[codec.{codec}]\nlevle = 3\n"))
            .unwrap();
        for command in [&["config", "check"][..], &["demo", "--transport", "memory", "--output", "null:fast"]]
        {
            let mut node = Command::new(env!("CARGO_BIN_EXE_media-node"));
            let output = node.args(command).arg("--config").arg(&file).output().unwrap();
            let error = String::from_utf8(output.stderr).unwrap();
            let line = format!("media-node: {}:4: codec.{codec}.levle: {why}\n", file.display());
            assert_eq!((output.status.code(), error), (Some(2), line), "{command:?}");
        }
    }
}
