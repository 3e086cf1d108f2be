use std::fs;

use super::*;

#[path = "../../../../../protocol/fuzz/src/mutation.rs"]
mod mutation;

/// A library for x86-64, made from `tests/fixtures/plugin.c` with `-Os -s`.
const LIBRARY: &[u8] = include_bytes!("../../../tests/fixtures/corpus/elf-x86-64.so");

fn section() -> Vec<u8> {
    let object = object::File::parse(LIBRARY).unwrap();
    object.section_by_name(SECTION).unwrap().data().unwrap().to_vec()
}

/// A note that was read has valid ids. A file without one is refused in one line.
fn check(note: Checked<AbiNote>) {
    match note {
        Ok(note) => {
            assert!(bounds::check_id(&note.id).is_ok() && !note.version.is_empty());
            assert!(note.provides.iter().all(|(_, id)| bounds::check_id(id).is_ok()));
        }
        Err(reason) => assert!(!reason.contains('\n'), "{reason}"),
    }
}

#[test]
fn any_note_is_read_or_refused() {
    mutation::run("abi_note", &[section()], |input| check(AbiNote::parse(input)));
}

#[test]
fn any_library_file_is_read_or_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    mutation::run("library_file", &[LIBRARY.to_vec()], |input| {
        fs::write(file.path(), input).unwrap();
        check(AbiNote::read(file.path()));
    });
}
