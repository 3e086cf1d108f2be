//! The present header only appends to version 1.0.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fs, path::Path};

/// Header of version 1.0, which never changes: plugins were built with it.
const FIRST: &str = "../host/tests/fixtures/abi-1.0/media_node_plugin.h";
const TODAY: &str = "include/media_node_plugin.h";

/// Contents of a header without comments: the members of each struct, and the value or type of each other
/// name.
#[derive(Debug, PartialEq)]
struct Header {
    structs: BTreeMap<String, Vec<String>>,
    names: BTreeMap<String, String>,
}

impl Header {
    fn read(file: &str) -> Self {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        Self::parse(&text.replace("\r\n", "\n"))
    }

    fn parse(text: &str) -> Self {
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let code = code.join("\n");
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut structs = BTreeMap::new();
        for definition in code.split("typedef struct ").skip(1) {
            let (name, rest) = definition.split_once(" {").unwrap();
            let (members, _) = rest.split_once("\n}").unwrap();
            structs.insert(name.to_owned(), members.split_terminator(';').map(words).collect());
        }
        let mut names: BTreeMap<_, _> = code
            .lines()
            .filter_map(|line| line.strip_prefix("#define MN_")?.split_once(' '))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        for line in code.lines().filter(|line| line.starts_with("typedef ") && line.ends_with(';')) {
            names.insert(line.to_owned(), String::new());
        }
        Self { structs, names }
    }

    /// Returns the names that this header lacks, or defines differently than an earlier one.
    fn breaks(&self, earlier: &Self) -> Vec<String> {
        let mut broken = Vec::new();
        for (name, members) in &earlier.structs {
            let now = self.structs.get(name).map_or(&[][..], Vec::as_slice);
            // A struct that does not begin with its size can never grow.
            let grows = members[0] == "uint32_t struct_size";
            if !now.starts_with(members) || (now.len() > members.len() && !grows) {
                broken.push(name.clone());
            }
        }
        let mut names = earlier.names.iter().filter(|(name, _)| *name != "ABI_MINOR");
        broken.extend(
            names
                .by_ref()
                .filter(|(name, value)| self.names.get(*name) != Some(value))
                .map(|(name, _)| name.clone()),
        );
        broken
    }
}

#[test]
fn it_only_appends() {
    let first = Header::read(FIRST);
    let today = Header::read(TODAY);
    assert!(first.structs.len() == 16 && first.names.len() > 25, "{first:?}");
    assert_eq!(today.breaks(&first), [""; 0]);
    let grown = today != first;
    let minor = |header: &Header| header.names["ABI_MINOR"].clone();
    assert_eq!(
        grown,
        minor(&today) != minor(&first),
        "a header with appended fields needs another minor version"
    );
}

#[test]
fn what_is_no_append_is_seen() {
    let first = Header::read(FIRST);
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(FIRST)).unwrap();
    for (from, to, broken) in [
        ("uint32_t lead_in;", "uint32_t more; uint32_t lead_in;", "mn_encoding"),
        ("uint32_t lead_in;", "uint64_t lead_in;", "mn_encoding"),
        ("void (*free)(void *output);", "", "mn_output"),
        ("  uint32_t len;\n} mn_str", "  uint32_t len; uint32_t more;\n} mn_str", "mn_str"),
        ("#define MN_LOST -6", "#define MN_LOST -7", "LOST"),
        ("} mn_opened;", "  uint64_t more;\n} mn_opened;", ""),
    ] {
        assert!(text.contains(from), "{from}");
        let found = Header::parse(&text.replace(from, to)).breaks(&first);
        assert_eq!(found.join(" "), broken, "{from}");
    }
}
