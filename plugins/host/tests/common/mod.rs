//! Plugin libraries for tests: C sources compiled by the test, and Rust examples that cargo builds with the tests.

#![allow(dead_code, reason = "each test binary uses only a part")]

use std::{
    env::consts::{DLL_PREFIX, DLL_SUFFIX},
    path::{Path, PathBuf},
    process::Command,
};

use media_plugin_host::{HostError, LoadOptions, Registry, SearchPath};

/// Compiles `fixtures/plugin.c` into `folder`, with flags such as `-DFAULT_NAME`.
pub(crate) fn compile(folder: &Path, name: &str, flags: &[&str]) -> PathBuf {
    // The tests of `conformance` and `node` include this file too, so the crate's folder differs.
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|dir| dir.join("plugins/host"));
    let host = folders.find(|dir| dir.is_dir()).unwrap();
    let library = folder.join(format!("{DLL_PREFIX}media_node_{name}{DLL_SUFFIX}"));
    let compiler = std::env::var_os("CC").unwrap_or("cc".into());
    let output = Command::new(compiler)
        .args(["-std=c99", "-O1", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"])
        .args(flags)
        .arg("-I")
        .arg(host.join("../abi/include"))
        .arg("-o")
        .arg(&library)
        .arg(host.join("tests/fixtures/plugin.c"))
        .arg("-lm")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

/// Library that cargo built from an example of this crate.
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

/// Registry of these library files and the built-in plugins.
pub(crate) fn load(files: &[&Path]) -> Registry {
    Registry::load(&load_options(files))
}

pub(crate) fn load_options(files: &[&Path]) -> LoadOptions {
    let named = files.iter().map(PathBuf::from).collect();
    LoadOptions { search_path: SearchPath { named, ..SearchPath::default() }, ..LoadOptions::default() }
}

/// Text of each problem.
pub(crate) fn lines(problems: &[HostError]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}
