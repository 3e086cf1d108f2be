//! Imports: the crates by `cargo metadata`, the files of every crate by reading them with `syn`.
//!
//! Three rules, from `README.md` and each room's README:
//! 1. a crate imports only the crates that [`crate_may_import`] allows;
//! 2. a file of the node names only the rooms that [`ROOMS`] allows for its own;
//! 3. no two files of a crate use each other's items, directly or through other files ([`circles`]).

mod circles;
mod glossary;
mod modules;
mod uses;

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use circles::circles;
use modules::Modules;
use serde_json::Value;
use uses::{Use, uses};

/// The visible top level of the repository, exactly.
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

/// The rooms of `node/src`, each with the rooms that its files may name. Other files at the top are helpers.
const ROOMS: [(&str, &[&str]); 10] = [
    ("commands", &["ui", "gateway", "control", "client", "server", "access", "library", "convert"]),
    ("ui", &["control"]),
    ("gateway", &["access", "library"]),
    ("control", &["access", "client", "library"]),
    ("client", &["library", "convert"]),
    ("server", &["access", "library", "source", "convert"]),
    ("access", &[]),
    ("library", &["source"]),
    ("source", &["convert"]),
    ("convert", &[]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().into()
}

fn output_of(command: &mut Command) -> Option<String> {
    let output = command.current_dir(root()).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// A crate of this repository.
struct Package {
    name: String,
    /// Folder of its sources.
    sources: PathBuf,
    /// Crates of this repository that it imports; those that only its tests need do not count.
    imports: Vec<String>,
}

fn packages() -> Vec<Package> {
    let args = ["metadata", "--format-version", "1", "--offline", "--no-deps"];
    let text = output_of(Command::new(env!("CARGO")).args(args)).expect("cargo metadata");
    let metadata: Value = serde_json::from_str(&text).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_string();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let package = |package: &Value| {
        let ours = |dependency: &&Value| !dependency["path"].is_null() && dependency["kind"].is_null();
        Package {
            name: name(package),
            sources: Path::new(package["manifest_path"].as_str().unwrap()).with_file_name("src"),
            imports: list(&package["dependencies"]).iter().filter(ours).map(name).collect(),
        }
    };
    list(&metadata["packages"]).iter().map(package).collect()
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

/// Uses of all files of a package.
fn uses_of(package: &Package) -> Vec<Use> {
    let read = |file: &Path| fs::read_to_string(package.sources.join(file)).ok();
    let modules = Modules::read(&package.name, &read);
    assert!(!modules.all.is_empty(), "{} has no source", package.name);
    uses(&modules)
}

/// Returns whether a file of the node's room `from` may name the room `to`. `*` is a glob of the crate's
/// root.
fn room_may_name(from: &str, to: &str) -> bool {
    let allowed = |room: &str| ROOMS.iter().find(|(name, _)| *name == room).map(|(_, allowed)| *allowed);
    match (allowed(from), allowed(to)) {
        _ if from == to => true,
        _ if to == "*" => false,
        (_, None) => true,
        (Some(rooms), Some(_)) => rooms.contains(&to),
        // A helper names no room, and the crate's root re-exports none of their items.
        (None, Some(_)) => false,
    }
}

/// Forbidden imports among the uses of the node.
fn forbidden(uses: &[Use]) -> Vec<String> {
    let mut found = BTreeSet::new();
    for used in uses {
        // The binary is the entry to the commands.
        let from = if used.from == "main.rs" { "commands" } else { &used.room };
        for to in used.rooms.iter().filter(|to| !room_may_name(from, to)) {
            found.insert(format!("{} imports {to}: {}", used.from, used.path));
        }
    }
    found.into_iter().collect()
}

/// Files other than `plugins.rs` that name a built-in plugin.
fn named_plugins(uses: &[Use], built_in: &[String]) -> Vec<String> {
    let names = |used: &&Use| {
        let first = used.path.split("::").next().unwrap_or_default();
        used.rooms.is_empty() && used.from != "plugins.rs" && built_in.iter().any(|name| name == first)
    };
    let found: BTreeSet<_> = uses
        .iter()
        .filter(names)
        .map(|used| format!("{} names the plugin {}", used.from, used.path))
        .collect();
    found.into_iter().collect()
}

#[test]
fn crates_import_only_what_their_room_may() {
    let packages = packages();
    assert!(packages.iter().any(|package| package.name == "media-node" && !package.imports.is_empty()));
    for package in packages {
        for to in package.imports {
            assert!(crate_may_import(&package.name, &to), "{} imports {to}", package.name);
        }
    }
}

#[test]
fn modules_of_the_node_import_only_what_their_room_may() {
    let packages = packages();
    let names = packages.iter().map(|package| &package.name);
    let built_in: Vec<_> =
        names.filter(|name| is_built_in_plugin(name)).map(|name| name.replace('-', "_")).collect();
    assert!(!built_in.is_empty());
    let node = packages.iter().find(|package| package.name == "media-node").unwrap();
    let uses = uses_of(node);
    assert!(uses.iter().any(|used| used.room == "server" && used.rooms.iter().any(|room| room == "source")));
    let wrong = [forbidden(&uses), named_plugins(&uses, &built_in)].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_files_of_a_crate_use_each_other_in_a_circle() {
    let mut found = Vec::new();
    for package in packages() {
        for circle in circles(&uses_of(&package)) {
            found.push(format!("{}: {:?}\n    {}", package.name, circle.files, circle.way));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_visible_top_level_is_the_four_rooms() {
    // `-c`: the checkout may belong to another user than the one who runs the test. An unpacked archive has
    // no git, so its folder is read.
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

/// Uses of a crate that has these files and an empty file for each of the node's rooms.
fn uses_of_tree(files: &[(&str, &str)]) -> Vec<Use> {
    let mut tree: HashMap<PathBuf, String> = HashMap::new();
    let declarations: String = ROOMS.iter().map(|(room, _)| format!("mod {room};\n")).collect();
    tree.insert("lib.rs".into(), format!("{declarations}mod plugins;\n"));
    for room in ROOMS.iter().map(|(room, _)| *room).chain(["plugins"]) {
        tree.insert(format!("{room}/mod.rs").into(), String::new());
    }
    for (file, text) in files {
        let path = Path::new(file);
        if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
            let stem = path.file_stem().unwrap().to_str().unwrap();
            if stem != "mod" {
                tree.entry(above.join("mod.rs")).or_default().push_str(&format!("mod {stem};\n"));
            }
        } else {
            tree.remove(&path.with_extension("").join("mod.rs"));
        }
        tree.entry(path.into()).or_default().push_str(text);
    }
    uses(&Modules::read("media-node", &|file| tree.get(file).cloned()))
}

fn circles_of_tree(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    circles(&uses_of_tree(files)).into_iter().map(|circle| circle.files).collect()
}

fn violations(file: &str, text: &str) -> Vec<String> {
    let uses = uses_of_tree(&[(file, text)]);
    let built_in = ["codec_opus".to_string(), "output_file".to_string()];
    [forbidden(&uses), named_plugins(&uses, &built_in)].concat()
}

#[test]
fn a_circle_of_two_files_is_found() {
    let two = [
        ("client/a.rs", "use super::b::B; pub(crate) struct A(B);"),
        ("client/b.rs", "pub(crate) struct B; fn f(_: &crate::client::a::A) {}"),
    ];
    assert_eq!(circles_of_tree(&two), [["client/a.rs", "client/b.rs"]]);
    let way = &circles(&uses_of_tree(&two))[0].way;
    assert_eq!(way, "client/a.rs (super::b::B) -> client/b.rs (crate::client::a::A) -> client/a.rs");
}

#[test]
fn a_circle_of_three_files_is_found_in_another_room_too() {
    let three = [
        ("client/a.rs", "pub(crate) struct A; use super::b;  fn f() { b::f() }"),
        ("client/b.rs", "pub(crate) fn f() { let _ = vec![crate::convert::c::C::new()]; }"),
        ("convert/c.rs", "use crate::client::a::*; pub(crate) struct C(A);"),
    ];
    assert_eq!(circles_of_tree(&three), [["client/a.rs", "client/b.rs", "convert/c.rs"]]);
}

/// Each is a circle, whatever way it is written: of a parent and its child, through a re-export, through an alias.
#[test]
fn a_circle_is_found_however_it_is_written() {
    for files in [
        [
            ("client/mod.rs", "pub struct Player(a::A);"),
            ("client/a.rs", "pub(super) struct A; impl From<super::Player> for A {}"),
        ],
        [
            ("client/mod.rs", "pub(crate) use a::A; pub fn play(_: &A) {} "),
            ("client/a.rs", "use super::*; pub(crate) struct A; fn f() { play() }"),
        ],
        [
            ("client/a.rs", "use crate::convert as c; pub(crate) const A: u8 = c::B;"),
            (
                "convert/mod.rs",
                "pub(crate) const B: u8 = 1; mod inner { fn f() { let a = super::super::client::a::A; } }",
            ),
        ],
        [
            ("client/a.rs", "use super::b as other; pub(crate) fn f() { assert!(other::is_so(1)); }"),
            ("client/b.rs", "use super::a::f; pub(crate) fn is_so(_: u8) -> bool { f(); true }"),
        ],
    ] {
        assert_eq!(circles_of_tree(&files).len(), 1, "{files:?}");
    }
}

#[test]
fn what_is_no_circle_passes() {
    for files in [
        // The parent re-exports the child's item, and defines an item that the child uses.
        [
            ("client/mod.rs", "pub use a::A; pub struct Config; mod tests { }"),
            ("client/a.rs", "use super::Config; pub struct A(Config);"),
        ],
        // Tests may use any item.
        [
            (
                "client/a.rs",
                "pub(crate) struct A; #[cfg(test)] mod tests { use crate::client::b::B; fn f(_: B) {} }",
            ),
            ("client/b.rs", "use super::a::A; pub(crate) struct B(A);"),
        ],
        // A local variable has the name of a function behind a glob; a field has that of a type's module.
        [
            ("client/a.rs", "use super::b::*; pub(crate) struct A; fn g() -> u8 { let f = 1; f }"),
            ("client/b.rs", "use super::a::A; pub(crate) fn f(_: A) {}"),
        ],
        [
            ("client/a.rs", "pub(crate) struct A { b: u8 } impl A { fn b(&self) -> u8 { self.b } }"),
            ("client/b.rs", "use super::a::A; pub(crate) fn b(a: &A) {}"),
        ],
    ] {
        assert_eq!(circles_of_tree(&files), [[""; 0]; 0], "{files:?}");
    }
}

/// Each line breaks one rule, whatever way it is written.
#[test]
fn a_broken_rule_is_found() {
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
        ("client/playback.rs", "fn f() { println!(\"{}\", crate::server::PORT) }"),
        ("convert/mod.rs", "use crate::source::Source;"),
        ("control/run.rs", "use crate::source;"),
        ("control/run.rs", "use crate as node; fn f() { node::server::f() }"),
        ("gateway/page.rs", "use crate::client::Player;"),
        ("library/scan.rs", "use crate::server::Service;"),
        ("main.rs", "use media_node::source::probe;"),
        ("lib.rs", "pub use source::probe;"),
        ("plugins.rs", "use crate::server;"),
        ("control/run.rs", "use codec_opus as _;"),
        ("server/encoder.rs", "fn f() { let c = codec_opus::Opus; }"),
        ("client/a.rs", "const QUOTE: char = '\"'; use crate::server; const OTHER: char = '\"';"),
    ] {
        assert_eq!(violations(file, text).len(), 1, "{file}: {text}: {:?}", violations(file, text));
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

/// A room that is named by another's re-export is named all the same.
#[test]
fn an_import_through_a_re_export_is_found() {
    let uses = uses_of_tree(&[
        ("library/mod.rs", "pub use store::Store;"),
        ("library/store.rs", "pub struct Store;"),
        ("source/mod.rs", "use crate::library::Store as Other;"),
        ("client/mod.rs", "pub(crate) use crate::library::Store;"),
        ("gateway/mod.rs", "use crate::client::Store;"),
    ]);
    assert_eq!(
        forbidden(&uses),
        [
            "gateway/mod.rs imports client: crate::client::Store",
            "source/mod.rs imports library: crate::library::Store"
        ]
    );
}

#[test]
fn what_keeps_the_rules_passes() {
    for (file, text) in [
        ("ui/keys.rs", "use crate::control::Command; use crate::ui::View; use super::View;"),
        ("server/session.rs", "use super::client; use crate::source::Source; use crate::convert;"),
        ("server/session.rs", "mod tests { use super::super::client; }"),
        (
            "server/mod.rs",
            "// use crate::client;\n/* crate::ui /* crate::ui */ */ const A: &str = \"crate::ui\";",
        ),
        ("server/mod.rs", "const A: &str = r#\"a \" crate::ui\"#; fn f<'a>(c: &'a str) -> char { '\\'' }"),
        ("commands/play.rs", "use crate::{client, plugins, server, ui}; fn f() { let output_file = 1; }"),
        ("client/fetch.rs", "use crate::convert::{self, server};"),
        ("plugins.rs", "use codec_opus as _;"),
        ("lib.rs", "pub mod extra { } use plugins as _;"),
    ] {
        assert_eq!(violations(file, text), [""; 0], "{file}: {text}");
    }
}
