//! `library::run` names the fault of each faulty library.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]

#[path = "../../host/tests/common/mod.rs"]
mod common;

use std::{
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Command,
};

use media_plugin_conformance::library::{CheckSettings, checks, run};
use media_plugin_host::inspect;

/// Function that gets a statement at its start, the statement, the check that finds it, and the broken rule or the signal
/// that ends the process.
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
    ("ENCODE", "((float *)pcm)[0] = 0.5f;", "codec:c16/inputs", "encode() does not change its input"),
    ("DECODE", "((uint8_t *)packet)[0] ^= 1;", "codec:c16/inputs", "decode() does not change its input"),
    // Writes that change nothing.
    ("ENCODE", "*(volatile float *)pcm = *pcm;", "codec:c16/inputs", "SIGSEGV"),
    ("DECODE", "*(volatile uint8_t *)packet = *packet;", "codec:c16/inputs", "SIGSEGV"),
    ("WRITE", "*(volatile float *)pcm = *pcm;", "output:sink/inputs", "SIGSEGV"),
    (
        "DECODE",
        "if (!capacity) { *frames = 0; return MN_OK; }",
        "codec:c16/decode-overrun",
        "decode() returns NoSpace",
    ),
    (
        "ENCODE",
        "if (capacity < frames) { *len = 0; return MN_FAILED; }",
        "codec:c16/encode-overrun",
        "encode() returns NoSpace",
    ),
    (
        "DECODE",
        "if (len % 4 == 1) { *frames = 1; pcm[0] = pcm[1] = NAN; return MN_OK; }",
        "codec:c16/contract",
        "damaged packets are refused or decode to finite samples",
    ),
    // More packets than the suite's chunk of a second has, so only an instance that was reset gets there.
    (
        "ENCODE",
        "if (((stream *)encoder)->calls++ >= 55) { memset(packet, 0, *len = frames * 4); return MN_OK; }",
        "codec:c16/contract",
        "reset() clears all state",
    ),
    (
        "DECODE",
        "if (((stream *)decoder)->calls++ >= 55) { memset(pcm, 0, capacity * 8); *frames = len / 4; return MN_OK; }",
        "codec:c16/contract",
        "reset() clears all state",
    ),
    // Call 230 is in the chunk that the suite encodes a second time.
    (
        "ENCODE",
        "static int calls; if (++calls == 230) { memset(packet, 0, *len = frames * 4); return MN_OK; }",
        "codec:c16/contract",
        "the same frames give the same packets",
    ),
    (
        "ENCODING",
        "encoding->bitrate = 1; encoding->packet_frames = 960; encoding->whole_packets = 0; encoding->lead_in = 0; \
         encoding->lookahead = 100; encoding->crossfade = 0; encoding->max_packet_bytes = 960 * 12; \
         encoding->config_len = 0; return MN_OK;",
        "codec:c16/contract",
        "the declared lead_in and lookahead are the codec's delay",
    ),
    (
        "ENCODER_NEW",
        "void *volatile lost = malloc(100); (void)lost;",
        "codec:c16/leaks",
        "encoders and decoders free their memory",
    ),
    (
        "ENCODER_NEW",
        "extern int sched_yield(void); static volatile int inside; \
         if (inside) return mn_fail(error, MN_FAILED, \"two at once\"); inside = 1; \
         for (int i = 0; i < 100; i++) sched_yield(); inside = 0;",
        "codec:c16/threads",
        "eight instances work at the same time",
    ),
    // A thread-local remembers the instance, so another thread does not know it.
    (
        "ENCODE",
        "static __thread void *mine; if (!((stream *)encoder)->calls++) mine = encoder; if (mine != encoder) return MN_FAILED;",
        "codec:c16/threads",
        "an encoder may be called from changing threads",
    ),
    // The description changes with the second call of the entry.
    (
        "BREAK",
        "static int entered; if (entered++) codec.description.ptr = \"16-bit PCM, in D\";",
        "entry",
        "a second call of the entry returns the same description",
    ),
];

const LIBRARY: &str = "MEDIA_NODE_TEST_LIBRARY";
const CHECK: &str = "MEDIA_NODE_TEST_CHECK";

/// Runs a check in a process of its own, where nothing else allocates. Returns the broken rule, or the signal that ended
/// the process.
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
    if let Err(failure) = run(&library, &std::env::var(CHECK).unwrap(), &CheckSettings::default()) {
        println!("\nbroken: {}", failure.rule);
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
