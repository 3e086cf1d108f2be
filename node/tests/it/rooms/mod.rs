//! Who may import whom: the crates by `cargo metadata`, the modules of `node` by a scan of the sources.

mod scan;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use scan::{crates_named, imports, tokens};
use serde_json::Value;

/// The visible top level, exactly.
const TOP: [&str; 9] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "config",
    "node",
    "plugins",
    "protocol",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().into()
}

fn output_of(command: &mut Command) -> Option<String> {
    let output = command.current_dir(root()).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// Each of our crates with those of ours that it imports; what only its tests need does not count.
fn crates() -> Vec<(String, Vec<String>)> {
    let args = ["metadata", "--format-version", "1", "--offline", "--no-deps"];
    let text = output_of(Command::new(env!("CARGO")).args(args)).expect("cargo metadata");
    let metadata: Value = serde_json::from_str(&text).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_string();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let imported = |package: &Value| {
        let ours = |dependency: &&Value| !dependency["path"].is_null() && dependency["kind"].is_null();
        list(&package["dependencies"]).iter().filter(ours).map(name).collect()
    };
    list(&metadata["packages"]).iter().map(|package| (name(package), imported(package))).collect()
}

fn is_built_in_plugin(name: &str) -> bool {
    ["codec-", "output-", "transport-"].iter().any(|kind| name.starts_with(kind))
}

fn crate_may_import(from: &str, to: &str) -> bool {
    match from {
        "media-config" | "media-protocol" | "media-plugin-abi" => false,
        "media-plugin-sdk" => to == "media-plugin-abi",
        "media-plugin-host" => ["media-plugin-abi", "media-plugin-sdk"].contains(&to),
        "media-plugin-conformance" => ["media-plugin-host", "media-plugin-sdk"].contains(&to),
        // `plugins check` runs the suites.
        "media-node" => true,
        plugin => is_built_in_plugin(plugin) && to == "media-plugin-sdk",
    }
}

/// Whether a file of the room `from` may name the room `to` of `node`. The root (`main.rs`, `lib.rs`) is the room "".
fn module_may_import(from: &str, to: &str) -> bool {
    if from == to {
        return true;
    }
    match (from, to) {
        // A glob of the root is every room at once.
        (_, "*") => false,
        ("ui", to) => to == "control",
        (_, "source") => from == "server",
        ("server", to) => !["client", "control", "ui"].contains(&to),
        ("client", to) => !["server", "control", "ui"].contains(&to),
        ("source" | "convert", to) => !["server", "client", "control", "ui"].contains(&to),
        _ => true,
    }
}

/// What is wrong with one file of `node/src`, given by its path below that.
fn violations(file: &str, text: &str, built_in: &[String]) -> Vec<String> {
    let tokens = tokens(text);
    let module: Vec<_> = file.trim_end_matches(".rs").split('/').collect();
    let module = match module.as_slice() {
        ["main" | "lib"] => &[][..],
        [above @ .., "mod"] => above,
        whole => whole,
    };
    let from = module.first().copied().unwrap_or_default();
    let modules = imports(&tokens, module)
        .into_iter()
        .filter(|to| !module_may_import(from, to))
        .map(|to| format!("{file} imports {to}"));
    let plugins = crates_named(&tokens, built_in)
        .into_iter()
        .filter(|_| file != "plugins.rs")
        .map(|name| format!("{file} names the plugin {name}"));
    modules.chain(plugins).collect()
}

fn sources(folder: &Path, below: &str, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = format!("{below}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            sources(&entry.path(), &format!("{name}/"), found);
        } else if name.ends_with(".rs") {
            found.push((name, fs::read_to_string(entry.path()).unwrap()));
        }
    }
}

#[test]
fn crates_import_only_what_their_room_may() {
    let crates = crates();
    assert!(crates.iter().any(|(name, imported)| name == "media-node" && !imported.is_empty()));
    for (from, imported) in crates {
        for to in imported {
            assert!(crate_may_import(&from, &to), "{from} imports {to}");
        }
    }
}

#[test]
fn modules_of_the_node_import_only_what_their_room_may() {
    let crates = crates().into_iter().map(|(name, _)| name);
    let built_in: Vec<_> =
        crates.filter(|name| is_built_in_plugin(name)).map(|name| name.replace('-', "_")).collect();
    assert!(!built_in.is_empty());
    let mut files = Vec::new();
    sources(&root().join("node/src"), "", &mut files);
    assert!(!files.is_empty());
    let wrong: Vec<_> = files.iter().flat_map(|(file, text)| violations(file, text, &built_in)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_visible_top_level_is_the_four_rooms() {
    // -c: the checkout may belong to another user than the one who tests. Without git (an unpacked archive), what is there.
    let listed = output_of(Command::new("git").args(["-c", "safe.directory=*", "ls-files"]));
    let names: BTreeSet<String> = match &listed {
        Some(files) => files.lines().filter_map(|line| line.split('/').next()).map(String::from).collect(),
        None => fs::read_dir(root())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "target")
            .collect(),
    };
    let visible: Vec<_> = names.iter().filter(|name| !name.starts_with('.')).collect();
    assert_eq!(visible, TOP);
}

/// Each line breaks one rule, whatever way it is written.
#[test]
fn a_broken_rule_is_found() {
    let built_in = ["codec_opus".to_string(), "output_file".to_string()];
    for (file, text) in [
        ("ui/keys.rs", "use crate::client::Session;"),
        ("ui.rs", "fn f() { crate::convert::remix() }"),
        ("server/session.rs", "use super::super::client;"),
        ("server/mod.rs", "use super::{source::Source, ui};"),
        ("server/cache.rs", "use crate::{\n    control::Event,\n};"),
        ("client/fetch.rs", "use crate::{convert::{Remix, Resample}, server};"),
        ("client/fetch.rs", "mod tests { use super::super::super::server; }"),
        ("client/playback.rs", "type S = crate :: /* why */ source::Source;"),
        ("client/playback.rs", "use crate::*;"),
        ("convert/mod.rs", "use crate::source::Source;"),
        ("control/run.rs", "use crate::source;"),
        ("main.rs", "use media_node::source::probe;"),
        ("lib.rs", "pub use source::probe;"),
        ("control/run.rs", "use codec_opus as _;"),
        ("server/encoder.rs", "let c = codec_opus::Opus;"),
        ("client/a.rs", "const QUOTE: char = '\"'; use crate::server; const OTHER: char = '\"';"),
    ] {
        assert_eq!(violations(file, text, &built_in).len(), 1, "{file}: {text}");
    }
    for (from, to) in [
        ("media-protocol", "media-config"),
        ("codec-opus", "media-plugin-host"),
        ("media-plugin-sdk", "media-plugin-host"),
        ("a-new-crate", "media-plugin-sdk"),
    ] {
        assert!(!crate_may_import(from, to), "{from} {to}");
    }
}

#[test]
fn what_keeps_the_rules_passes() {
    let built_in = ["codec_opus".to_string(), "output_file".to_string()];
    for (file, text) in [
        ("ui/keys.rs", "use crate::control::Command; use crate::ui::View; use super::View;"),
        ("server/session.rs", "use super::client; use crate::source::Source; use crate::convert;"),
        ("server/session.rs", "mod tests { use super::super::client; }"),
        (
            "server/mod.rs",
            "// use crate::client;\n/* crate::ui /* crate::ui */ */ const A: &str = \"crate::ui\";",
        ),
        ("server/mod.rs", "const A: &str = r#\"a \" crate::ui\"#; fn f<'a>(c: &'a str) -> char { '\\'' }"),
        ("control/run.rs", "use crate::{client, plugins, server, ui}; let output_file = 1;"),
        ("client/fetch.rs", "use crate::convert::{self, server};"),
        ("plugins.rs", "use codec_opus as _;"),
        ("lib.rs", "mod source; pub mod server;"),
    ] {
        assert_eq!(violations(file, text, &built_in), [""; 0], "{file}: {text}");
    }
}
