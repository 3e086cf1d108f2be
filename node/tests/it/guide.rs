//! The guide of `plugins/README.md`, followed word for word in an empty folder: writes its files and runs its
//! commands.

#![cfg(target_os = "linux")]
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A fenced block of a section: the text behind its fence, and its content.
type Block<'a> = (&'a str, String);

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn blocks<'a>(guide: &'a str, section: &str) -> Vec<Block<'a>> {
    let (_, rest) = guide.split_once(&format!("\n## {section}\n")).unwrap();
    let section = rest.split("\n## ").next().unwrap();
    let fenced = section.split("```").skip(1).step_by(2);
    fenced.map(|it| it.split_once('\n').unwrap()).map(|(info, text)| (info, text.to_owned())).collect()
}

/// Follows a section in an empty folder. Returns the output of its last command.
fn follow(section: &str) -> String {
    let guide = fs::read_to_string(repository().join("plugins/README.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut said = String::new();
    for (info, text) in blocks(&guide, section) {
        match info.split_once(' ') {
            Some((_, file)) => fs::write(folder.path().join(file), text).unwrap(),
            None => said = run(folder.path(), &text),
        }
    }
    said
}

fn run(folder: &Path, commands: &str) -> String {
    let node = Path::new(env!("CARGO_BIN_EXE_media-node")).parent().unwrap().to_owned();
    let path = env::join_paths([node].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap())));
    let output = Command::new("sh")
        .args(["-euc", commands])
        .current_dir(folder)
        .env("NODE", repository())
        .env("PATH", path.unwrap())
        .env("XDG_DATA_HOME", folder.join("data"))
        .env("XDG_CONFIG_HOME", folder.join("config"))
        // Building this test has already fetched every crate that the SDK needs.
        .env("CARGO_NET_OFFLINE", "true")
        .output()
        .unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{commands}: {}\n{said}\n{errors}", output.status);
    said.into()
}

#[test]
fn in_rust_from_nothing_to_a_checked_codec() {
    let said = follow("A loaded plugin in Rust");
    assert!(said.contains("ok      codec:pcm8/contract"), "{said}");
    let listed = said.lines().find(|line| line.starts_with("codec ") && line.contains("pcm8")).unwrap();
    assert!(listed.contains("libmedia_node_pcm8.so"), "{listed}");
}

#[test]
fn in_c_from_nothing_to_a_checked_codec() {
    let said = follow("A loaded plugin in C");
    assert!(said.contains("ok      codec:adpcm/contract"), "{said}");
}
