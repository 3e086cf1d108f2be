//! `library::run` finds in libraries that are written to fail what each was written for.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]

#[path = "../../host/tests/common/mod.rs"]
mod common;

use std::{
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Command,
};

use media_plugin_conformance::library::{How, checks, run};
use media_plugin_host::inspect;

/// Where a statement is put, the statement, which check finds it, and which rule it breaks or what ended the process.
const FAULTS: &[(&str, &str, &str, &str)] = &[
    ("ENCODE", "memset(packet + capacity, 0, 8);", "codec:c16/encode-overrun", "SIGSEGV"),
    ("ENCODE", "packet[capacity] = 0;", "codec:c16/encode-overrun", "SIGSEGV"),
    ("ENCODE", "volatile uint8_t b = packet[capacity]; (void)b;", "codec:c16/encode-overrun", "SIGSEGV"),
    (
        "ENCODE",
        "volatile float x = pcm[frames * ((stream *)encoder)->channels]; (void)x;",
        "codec:c16/encode-overrun",
        "SIGSEGV",
    ),
    (
        "ENCODE",
        "memset((float *)pcm + frames * ((stream *)encoder)->channels, 0, 8);",
        "codec:c16/encode-overrun",
        "SIGSEGV",
    ),
    ("ENCODE", "memset(packet - 8, 0, 8);", "codec:c16/encode-underrun", "SIGSEGV"),
    ("ENCODE", "volatile float x = pcm[-1]; (void)x;", "codec:c16/encode-underrun", "SIGSEGV"),
    (
        "DECODE",
        "memset(pcm + capacity * ((stream *)decoder)->channels, 0, 8);",
        "codec:c16/decode-overrun",
        "SIGSEGV",
    ),
    ("DECODE", "volatile uint8_t b = packet[len]; (void)b;", "codec:c16/decode-overrun", "SIGSEGV"),
    (
        "DECODE",
        "volatile uint64_t b = 0; memcpy((void *)&b, packet + len - 1, 8);",
        "codec:c16/decode-overrun",
        "SIGSEGV",
    ),
    ("DECODE", "memset((uint8_t *)packet + len, 0, 8);", "codec:c16/decode-overrun", "SIGSEGV"),
    ("DECODE", "pcm[-1] = 0;", "codec:c16/decode-underrun", "SIGSEGV"),
    ("ENCODE", "((float *)pcm)[0] = 0.5f;", "codec:c16/inputs", "encode leaves its input as it is"),
    ("DECODE", "((uint8_t *)packet)[0] ^= 1;", "codec:c16/inputs", "decode leaves its input as it is"),
    // A write that changes nothing.
    ("ENCODE", "*(volatile float *)pcm = *pcm;", "codec:c16/inputs", "SIGSEGV"),
    ("DECODE", "*(volatile uint8_t *)packet = *packet;", "codec:c16/inputs", "SIGSEGV"),
    ("WRITE", "*(volatile float *)pcm = *pcm;", "output:sink/inputs", "SIGSEGV"),
    (
        "DECODE",
        "if (!capacity) { *frames = 0; return MN_OK; }",
        "codec:c16/decode-overrun",
        "decode says NoSpace",
    ),
    (
        "ENCODE",
        "if (capacity < frames) { *len = 0; return MN_FAILED; }",
        "codec:c16/encode-overrun",
        "encode says NoSpace",
    ),
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
        "a reset leaves nothing behind",
    ),
    (
        "DECODE",
        "if (((stream *)decoder)->calls++ >= 55) { memset(pcm, 0, capacity * 8); *frames = len / 4; return MN_OK; }",
        "codec:c16/contract",
        "a reset leaves nothing behind",
    ),
    // One packet of all that were ever encoded, when the second is encoded that is encoded again.
    (
        "ENCODE",
        "static int calls; if (++calls == 230) { memset(packet, 0, *len = frames * 4); return MN_OK; }",
        "codec:c16/contract",
        "encodes to the same bytes again",
    ),
    (
        "ENCODING",
        "encoding->bitrate = 1; encoding->packet_frames = 960; encoding->whole_packets = 0; encoding->lead_in = 0; \
         encoding->lookahead = 100; encoding->crossfade = 0; encoding->max_packet_bytes = 960 * 12; \
         encoding->config_len = 0; return MN_OK;",
        "codec:c16/contract",
        "declares its delay",
    ),
    (
        "ENCODER_NEW",
        "void *volatile lost = malloc(100); (void)lost;",
        "codec:c16/leaks",
        "gives back what it takes",
    ),
    (
        "ENCODER_NEW",
        "extern int sched_yield(void); static volatile int inside; \
         if (inside) return mn_fail(error, MN_FAILED, \"two at once\"); inside = 1; \
         for (int i = 0; i < 100; i++) sched_yield(); inside = 0;",
        "codec:c16/threads",
        "works on eight threads at once",
    ),
    // State of the thread that used the instance first.
    (
        "ENCODE",
        "static __thread void *mine; if (!((stream *)encoder)->calls++) mine = encoder; if (mine != encoder) return MN_FAILED;",
        "codec:c16/threads",
        "moves from thread to thread",
    ),
    // Another description whenever it is entered.
    (
        "BREAK",
        "static int entered; if (entered++) codec.description.ptr = \"16-bit PCM, in D\";",
        "entry",
        "says the same when entered again",
    ),
];

const LIBRARY: &str = "MEDIA_NODE_TEST_LIBRARY";
const CHECK: &str = "MEDIA_NODE_TEST_CHECK";

/// Runs a check in a process of its own, where nothing else takes memory. Gives the rule that is broken, or what ended the
/// process.
fn broken_rule(library: &Path, check: &str) -> Option<String> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "in_a_process_of_its_own", "--nocapture", "--test-threads=1"])
        .env(LIBRARY, library)
        .env(CHECK, check)
        .output()
        .unwrap();
    if output.status.signal().is_some() {
        return Some(output.status.to_string());
    }
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
    assert_eq!(names.len(), 13, "{names:?}");
    for name in names {
        assert_eq!(broken_rule(&library, &name), None, "{name}");
    }
}

#[test]
fn each_fault_is_found() {
    let folder = tempfile::tempdir().unwrap();
    for (n, (place, statement, check, rule)) in FAULTS.iter().enumerate() {
        let flag = if *place == "BREAK" {
            format!("-DBREAK={statement}")
        } else {
            format!("-DIN_{place}={statement}")
        };
        let library = common::compile(folder.path(), &format!("f{n}"), &[&flag, "-Wno-unused-parameter"]);
        let found = broken_rule(&library, check).unwrap_or_default();
        assert!(found.contains(rule), "{check} on {statement}: {found:?}");
    }
}
