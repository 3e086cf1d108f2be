//! Functions called within a function, from valgrind's callgrind.

use std::{
    collections::{BTreeSet, HashMap},
    process::{Command, Stdio},
};

/// Prefixes of functions that a sound callback may call: arithmetic, atomics, the ring buffer, the clock (which makes no
/// system call), and this crate's own, whose calls are checked too. There is no allocator, lock, channel or system call.
const HARMLESS: [&str; 13] = [
    "core::",
    "rtrb::",
    "output_cpal::",
    "media_plugin_sdk::format::",
    "cpal::timestamp::",
    "f32 as output_cpal::samples::",
    "usize>",
    "std::time::Instant>::elapsed",
    "std::sys::pal::unix::time::Timespec>::",
    "clock_gettime",
    // memcpy, memset and 128-bit division.
    "__mem",
    "__udivti3",
    "__umodti3",
];

/// Functions that a sound callback must not call.
pub(crate) fn harmful(called: &BTreeSet<String>) -> Vec<&String> {
    called.iter().filter(|name| !is_harmless(name.trim_start_matches('<'))).collect()
}

fn is_harmless(name: &str) -> bool {
    // The calls of such an implementation are checked too, unless it is in the precompiled standard library.
    let is_of_core = name.contains(" as core::") && !name.starts_with("std::");
    (is_of_core || HARMLESS.iter().any(|it| name.starts_with(it))) && !name.contains("spin_loop")
}

/// Runs `command` to its end. Returns all functions called within `function`, directly or not. `None` without valgrind.
///
/// # Panics
/// If the command fails or does not call `function`.
pub(crate) fn called(function: &str, command: &Command) -> Option<BTreeSet<String>> {
    Command::new("valgrind").arg("--version").output().ok()?;
    let graph = tempfile::NamedTempFile::new().unwrap();
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=callgrind", &format!("--toggle-collect={function}")]);
    valgrind.arg(format!("--callgrind-out-file={}", graph.path().display()));
    valgrind.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => valgrind.env(name, value),
            None => valgrind.env_remove(name),
        };
    }
    let done = valgrind.stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let calls = calls(&std::fs::read_to_string(graph.path()).unwrap());
    assert!(calls.contains_key(function), "{function} never ran");
    let (mut found, mut open) = (BTreeSet::new(), vec![function.to_owned()]);
    while let Some(caller) = open.pop() {
        let fresh = calls.get(&caller).into_iter().flatten().filter(|it| found.insert((*it).clone()));
        open.extend(fresh.cloned().collect::<Vec<_>>());
    }
    Some(found)
}

/// Parses callers and callees. Only the first mention of a number has the function's name
/// (<https://valgrind.org/docs/manual/cl-format.html>).
fn calls(graph: &str) -> HashMap<String, BTreeSet<String>> {
    let (mut names, mut calls) = (HashMap::new(), HashMap::<String, BTreeSet<String>>::new());
    let mut caller = String::new();
    for line in graph.lines() {
        let Some((kind @ ("fn" | "cfn"), mention)) = line.split_once('=') else { continue };
        let (number, name) = mention.split_once(' ').unwrap_or((mention, ""));
        let name = names.entry(number).or_insert(name).to_string();
        if kind == "fn" {
            calls.entry(name.clone()).or_default();
            caller = name;
        } else {
            calls.entry(caller.clone()).or_default().insert(name);
        }
    }
    calls
}
