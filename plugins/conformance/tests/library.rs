//! `library::run` finds in libraries that are written to fail what each was written for.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]

#[path = "../../host/tests/common/mod.rs"]
mod common;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use media_plugin_conformance::library::{How, checks, run};
use media_plugin_host::inspect;

/// Where a statement is put, the statement, which check finds it and which rule it breaks.
const FAULTS: &[(&str, &str, &str, &str)] = &[
    ("ENCODE", "memset(packet + capacity, 0, 8);", "codec:c16/buffers", "encode keeps to its buffer"),
    ("ENCODE", "memset(packet - 8, 0, 8);", "codec:c16/buffers", "encode keeps to its buffer"),
    ("DECODE", "memset(pcm + capacity * 2, 0, 8);", "codec:c16/buffers", "decode keeps to its buffer"),
    ("ENCODE", "((float *)pcm)[0] = 0.5f;", "codec:c16/buffers", "encode leaves its input as it is"),
    ("DECODE", "((uint8_t *)packet)[0] ^= 1;", "codec:c16/buffers", "decode leaves its input as it is"),
    ("DECODE", "if (!capacity) { *frames = 0; return MN_OK; }", "codec:c16/buffers", "decode says NoSpace"),
    (
        "DECODE",
        "if (len % 4 == 1) { *frames = 1; pcm[0] = pcm[1] = NAN; return MN_OK; }",
        "codec:c16/contract",
        "survives damaged packets",
    ),
    // More packets than a second holds: only an encoder that is used again gets there.
    (
        "ENCODE",
        "if (((stream *)encoder)->calls++ >= 55) { memset(packet, 0, *len = frames * 4); return MN_OK; }",
        "codec:c16/contract",
        "encodes to the same bytes again",
    ),
    // One packet of all that were ever encoded, when the second is encoded that is encoded again.
    (
        "ENCODE",
        "static int calls; if (++calls == 180) { memset(packet, 0, *len = frames * 4); return MN_OK; }",
        "codec:c16/contract",
        "encodes to the same bytes again",
    ),
    (
        "ENCODING",
        "encoding->bitrate = 1; encoding->packet_frames = 960; encoding->whole_packets = 0; encoding->lead_in = 0; \
         encoding->lookahead = 100; encoding->crossfade = 0; encoding->max_packet_bytes = 960 * 12; \
         encoding->config_len = 0; return MN_OK;",
        "codec:c16/contract",
        "keeps the sound",
    ),
    (
        "ENCODER_NEW",
        "void *volatile lost = malloc(100); (void)lost;",
        "codec:c16/leaks",
        "gives back what it takes",
    ),
    (
        "ENCODER_NEW",
        "static volatile int inside; if (inside) return mn_fail(error, MN_FAILED, \"two at once\"); inside = 1; \
         for (volatile int i = 0; i < 30000; i++); inside = 0;",
        "codec:c16/threads",
        "works on eight threads at once",
    ),
];

const LIBRARY: &str = "MEDIA_NODE_TEST_LIBRARY";
const CHECK: &str = "MEDIA_NODE_TEST_CHECK";

/// Runs a check in a process of its own, where nothing else takes memory. Gives the rule that is broken.
fn broken_rule(library: &Path, check: &str) -> Option<String> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "in_a_process_of_its_own", "--nocapture", "--test-threads=1"])
        .env(LIBRARY, library)
        .env(CHECK, check)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.lines().find_map(|line| line.strip_prefix("broken: ").map(str::to_owned))
}

#[test]
#[ignore = "the other tests start it, in a process of its own"]
fn in_a_process_of_its_own() {
    let library = PathBuf::from(std::env::var_os(LIBRARY).unwrap());
    if let Err(failure) = run(&library, &std::env::var(CHECK).unwrap(), &How::default()) {
        println!("\nbroken: {}", failure.check);
    }
}

#[test]
fn a_sound_library_passes_all() {
    let folder = tempfile::tempdir().unwrap();
    let library = common::compile(folder.path(), "sound", &[]);
    let names = checks(&inspect(&library).unwrap());
    assert_eq!(names.len(), 6, "{names:?}");
    for name in names {
        assert_eq!(broken_rule(&library, &name), None, "{name}");
    }
}

#[test]
fn each_fault_is_found() {
    let folder = tempfile::tempdir().unwrap();
    for (n, (place, statement, check, rule)) in FAULTS.iter().enumerate() {
        let flag = format!("-DIN_{place}={statement}");
        let library = common::compile(folder.path(), &format!("f{n}"), &[&flag, "-Wno-unused-parameter"]);
        assert_eq!(broken_rule(&library, check).as_deref(), Some(*rule), "{statement}");
    }
}
