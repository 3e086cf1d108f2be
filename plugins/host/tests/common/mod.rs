//! Libraries to load: C compiled on the spot, and Rust that cargo has built beside the tests.

#![allow(dead_code, reason = "each test binary needs some of it")]

use std::{
    env::consts::{DLL_PREFIX, DLL_SUFFIX},
    path::{Path, PathBuf},
    process::Command,
};

use media_plugin_host::{Folders, HostError, Registry, Sources};

/// Compiles `fixtures/plugin.c` into `folder`, with flags such as `-DFAULT_NAME`.
pub(crate) fn compile(folder: &Path, name: &str, flags: &[&str]) -> PathBuf {
    // The tests of `conformance` and `node` take this file as well.
    let mut rooms = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|it| it.join("plugins/host"));
    let here = rooms.find(|it| it.is_dir()).unwrap();
    let library = folder.join(format!("{DLL_PREFIX}media_node_{name}{DLL_SUFFIX}"));
    let compiler = std::env::var_os("CC").unwrap_or("cc".into());
    let output = Command::new(compiler)
        .args(["-std=c99", "-O1", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"])
        .args(flags)
        .arg("-I")
        .arg(here.join("../abi/include"))
        .arg("-o")
        .arg(&library)
        .arg(here.join("tests/fixtures/plugin.c"))
        .arg("-lm")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

/// A library that cargo built from an example of this crate.
pub(crate) fn built(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let profile = tests.parent().and_then(Path::parent).unwrap();
    let library = profile.join("examples").join(format!("{DLL_PREFIX}media_node_{name}{DLL_SUFFIX}"));
    assert!(
        library.exists(),
        "{} is missing; run cargo build --examples -p {}",
        library.display(),
        env!("CARGO_PKG_NAME")
    );
    library
}

/// A registry of these files and what is built in.
pub(crate) fn load(files: &[&Path]) -> Registry {
    Registry::load(&sources(files))
}

pub(crate) fn sources(files: &[&Path]) -> Sources {
    let named = files.iter().map(PathBuf::from).collect();
    Sources { folders: Folders { named, ..Folders::default() }, ..Sources::default() }
}

/// The problems, one line each.
pub(crate) fn lines(problems: &[HostError]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}
