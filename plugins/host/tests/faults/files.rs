//! Files that the host refuses before any of their code runs.

use std::{
    env::consts::{DLL_PREFIX, DLL_SUFFIX},
    fs,
    path::{Path, PathBuf},
};

use super::{
    child,
    common::{built, compile},
};

fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(format!("{DLL_PREFIX}media_node_{name}{DLL_SUFFIX}"));
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_library_cut_short_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    cut_short(&fs::read(compile(folder.path(), "c", &[])).unwrap());
    cut_short(&fs::read(built("pcm")).unwrap());
}

fn cut_short(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let cuts: Vec<_> = (0..200).map(|i| bytes.len() * i / 200).collect();
    let files =
        cuts.iter().map(|at| file(folder.path(), &format!("cut_at_{at}"), &bytes[..*at])).collect::<Vec<_>>();
    let report = child::load(folder.path());
    for file in files {
        child::problem(&report, &file);
    }
}

#[test]
fn what_is_no_library_for_this_machine_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let sound = tempfile::tempdir().unwrap();
    let elf = fs::read(compile(sound.path(), "c", &[])).unwrap();
    let patched = |at: usize, value: u8| {
        let mut bytes = elf.clone();
        bytes[at] = value;
        bytes
    };
    let text = file(folder, "text", b"#!/bin/sh\necho no library\n");
    let empty = file(folder, "empty", b"");
    let directory = folder.join(format!("{DLL_PREFIX}media_node_directory{DLL_SUFFIX}"));
    fs::create_dir(&directory).unwrap();
    // Offsets in the ELF header: e_machine, EI_CLASS, EI_DATA, e_type.
    let other_machine = file(folder, "machine", &patched(18, 243));
    let other_class = file(folder, "class", &patched(4, 1));
    let other_order = file(folder, "order", &patched(5, 2));
    let program = file(folder, "program", &fs::read(std::env::current_exe().unwrap()).unwrap());
    let report = child::load(folder);
    for (path, why) in [
        (&text, "it is not a shared library, or is damaged"),
        (&empty, "it is not a shared library, or is damaged"),
        (&directory, "it is not a file"),
        (&other_machine, "it is Elf for Riscv64; this node loads Elf for "),
        (&other_class, "it is"),
        (&other_order, "it is"),
        (&program, "it has no media_node_plugin_abi note"),
    ] {
        let line = child::problem(&report, path);
        assert!(line.starts_with(why), "{}: {line}", path.display());
    }
}

#[test]
fn a_note_that_is_missing_or_odd_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let note = |size: &str, major: &str, magic: &str, flags: &str, provides: &str| {
        format!(
            "-DNOTE=MN_IN_NOTE_SECTION const mn_abi_note media_node_plugin_abi = \
             {{{size}, {major}, 0, \"{magic}\", {flags}, \"odd\", \"1.0\", {provides}}}"
        )
    };
    let size = "(uint32_t)sizeof(mn_abi_note)";
    let cases = [
        ("none", "-DNOTE=int nothing".into(), "it has no media_node_plugin_abi note, so it is not a plugin"),
        ("short", note("12", "1", "mn-plug", "0", "PROVIDES"), "its note has only 12 bytes"),
        ("zero", note("0", "1", "mn-plug", "0", "PROVIDES"), "its note declares 0 bytes"),
        ("long", note("9999", "1", "mn-plug", "0", "PROVIDES"), "its note declares 9999 bytes"),
        ("magic", note(size, "1", "mn-plum", "0", "PROVIDES"), "its note does not begin with \"mn-plug\""),
        (
            "major",
            note(size, "2", "mn-plug", "0", "PROVIDES"),
            "it was built for ABI 2, and this node loads ABI 1",
        ),
        (
            "abort",
            note(size, "1", "mn-plug", "MN_NOTE_PANIC_ABORT", "PROVIDES"),
            "it was built with panic = \"abort\"",
        ),
        (
            "text",
            note(size, "1", "mn-plug", "0", "\"codec:\\xff\""),
            "the plugin list in its note is not printable UTF-8",
        ),
        (
            "kind",
            note(size, "1", "mn-plug", "0", "\"transport:x\""),
            "its note lists \"transport:x\" instead of codec:ID",
        ),
        ("nothing", note(size, "1", "mn-plug", "0", "\"\""), "its note lists \"\" instead of codec:ID"),
    ];
    let files = cases.each_ref().map(|(name, flag, _)| compile(folder.path(), name, &[flag]));
    let report = child::load(folder.path());
    for ((name, _, why), file) in cases.iter().zip(&files) {
        let line = child::problem(&report, file);
        assert!(line.starts_with(why), "{name}: {line}");
    }
}

#[test]
fn a_newer_minor_version_loads() {
    let folder = tempfile::tempdir().unwrap();
    // A note with more fields at the end, as a later header would define it.
    let later = "-DNOTE=struct { mn_abi_note now; char more[64]; } const \
                 later MN_IN_NOTE_SECTION = {{404, 1, 7, \"mn-plug\", 0, NOTE_ID, \"1.0\", PROVIDES}, \"more\"}";
    compile(folder.path(), "later", &[later, "-DBREAK=plugin.abi_minor = 7;"]);
    let report = child::load(folder.path());
    assert!(report.iter().any(|line| line == "codec c16: works"), "{report:#?}");
}
