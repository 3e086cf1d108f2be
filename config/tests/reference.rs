//! Compares the table in `README.md` with the schema. `UPDATE=1 cargo test -p media-config` writes the table.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of tests says what it expects by failing"
)]

use std::{collections::HashSet, env, fmt::Write, fs, path::Path};

use media_config::KEYS;

const BEGIN: &str = "<!-- keys: made from src/schema.rs -->\n";
const END: &str = "<!-- end of keys -->";

fn table() -> String {
    let mut table = String::from("\n| key | takes | default | meaning |\n|---|---|---|---|\n");
    for key in KEYS {
        let (allowed, default) = (key.allowed(), key.default_text());
        writeln!(table, "| `{}` | {allowed} | {default} | {} |", key.name, key.doc()).unwrap();
    }
    table + "\n"
}

#[test]
fn the_readme_has_the_keys_of_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("README.md has the line where the table begins");
    let (_, after) = rest.split_once(END).expect("README.md has the line where the table ends");
    let fresh = format!("{before}{BEGIN}{}{END}{after}", table());
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &fresh).unwrap();
    } else {
        assert!(text == fresh, "config/README.md is out of date: UPDATE=1 cargo test -p media-config");
    }
}

#[test]
fn no_two_keys_share_a_variable_and_each_says_what_it_means() {
    let variables: HashSet<_> = KEYS.iter().map(media_config::Key::env).collect();
    assert_eq!(variables.len(), KEYS.len());
    for key in KEYS {
        assert!(key.doc().ends_with('.') && !key.doc().contains(['|', '\n']), "{}", key.name);
        assert!(!key.allowed().contains(['|', '\n']), "{}", key.name);
    }
}
