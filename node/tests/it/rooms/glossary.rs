//! The glossary covers every noun that a type or a file is named after.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::Item;

use super::{modules::is_for_tests, root};

/// Words of names that need no entry: words of every program, names of formats and systems, and adjectives.
const PLAIN: &str = "
    abort action add admitted address aiff all alsa and any application arguments args audio bad batch bench bind bits bound bounded box
    break breaks builder byte bytes call callback candidate case cause change check child choice cli closed closing code
    container content context convert copy costly cpal cue current cut default demux depth description destination detector difference disk
    download drop edge edit empty end error estimate evidence exchange export exported facts failed failure fair fake fast fastn fate file
    finished first fixed flac flight folder found get given growth guarded header hello history ignored in incoming info inner
    instance inspect io kind last late leaks length lib limit limits line link list load loaded loader local lost ls main measured
    measurements memory mod mode mono movement mp3 mp4 multi negotiate net new newest next no note null number of ogg on once one only
    open opened opening opus origin out outcome outgoing outline overfull pair parse part parts pcm pending pin pipe pod pooled
    position preference previous process progress published query quic quota random range raw read reader reading real reason
    receive received receiver recent recv registration remote report reports reserved rest result row run running scan scanned
    schedule scheduler schema scripted search selection send sender sent serve setup shape shared side sink situation size skipped
    slow snapshot speed split start state static stdin stdout step stop stored subject such supply support switch system table
    target task tell terminal test text time timed timer timing times toml traffic trip type unanswered unit units unknown
    untrusted use value view wait walk warning wav wire work writer written xiph";

/// Splits a type's name at its capitals, and a file's name at `_` and `-`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = '_';
    for letter in name.chars() {
        let begins = letter.is_uppercase() && !before.is_uppercase() || matches!(letter, '_' | '-');
        if begins {
            words.push(String::new());
        }
        if letter.is_alphanumeric() {
            words.last_mut().unwrap().extend(letter.to_lowercase());
        }
        before = letter;
    }
    words.retain(|word| word.chars().any(char::is_alphabetic));
    words
}

/// Forms under which a glossary may list a word.
fn forms(word: &str) -> Vec<String> {
    let mut forms = vec![word.to_owned()];
    forms.extend(word.strip_suffix('s').map(String::from));
    forms.extend(word.strip_suffix("ies").map(|stem| format!("{stem}y")));
    forms.extend(word.strip_suffix("es").map(String::from));
    forms
}

/// Words of the names in a tree of sources that are neither in `glossary` nor plain, each with the names that hold it.
fn missing(glossary: &str, names: &BTreeSet<String>) -> BTreeMap<String, BTreeSet<String>> {
    let split = |text: &str| -> BTreeSet<String> {
        text.split(|letter: char| !letter.is_alphanumeric()).flat_map(words).collect()
    };
    let known: BTreeSet<String> = split(glossary).into_iter().chain(split(PLAIN)).collect();
    let mut missing = BTreeMap::<_, BTreeSet<_>>::new();
    for name in names {
        for word in words(name) {
            if !forms(&word).iter().any(|form| known.contains(form)) {
                missing.entry(word).or_default().insert(name.clone());
            }
        }
    }
    missing
}

fn collect_types(items: &[Item], names: &mut BTreeSet<String>) {
    for item in items {
        match item {
            Item::Struct(item) => _ = names.insert(item.ident.to_string()),
            Item::Enum(item) => _ = names.insert(item.ident.to_string()),
            Item::Trait(item) => _ = names.insert(item.ident.to_string()),
            Item::Mod(item) if !is_for_tests(&item.attrs) => {
                collect_types(item.content.as_ref().map_or(&[], |(_, items)| items), names);
            }
            _ => {}
        }
    }
}

fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_test = matches!(stem.as_str(), "tests" | "test_support" | "simulation");
        if path.is_dir() && !is_test {
            collect(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
            collect_types(&syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap().items, names);
            names.insert(stem);
        }
    }
}

/// The `src` folders of all crates but the fuzz targets.
fn source_folders() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for room in ["config", "protocol", "node", "plugins", "plugins/examples"] {
        let room = root().join(room);
        let crates = fs::read_dir(&room).unwrap().map(|entry| entry.unwrap().path());
        folders.extend([room.clone()].into_iter().chain(crates).map(|path| path.join("src")));
    }
    folders.retain(|folder| folder.is_dir() && !folder.ends_with("fuzz/src"));
    folders
}

#[test]
fn the_glossary_covers_every_noun_of_a_type_or_file() {
    let mut names = BTreeSet::new();
    for folder in source_folders() {
        collect(&folder, &mut names);
    }
    assert!(names.len() > 300, "{} names", names.len());
    let glossary = fs::read_to_string(root().join("node/docs/glossary.md")).unwrap();
    let missing = missing(&glossary, &names);
    assert!(missing.is_empty(), "add to node/docs/glossary.md, or choose a name of it: {missing:#?}");
}

#[test]
fn a_noun_outside_the_glossary_is_found() {
    let names = ["JitterBuffer", "LruPart", "chunk_encoders", "DearShelf"].map(String::from).into();
    let missing = missing("| jitter buffer | LRU part | chunk, encoder |", &names);
    assert_eq!(missing.keys().collect::<Vec<_>>(), ["dear", "shelf"]);
}
