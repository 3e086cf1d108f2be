//! What a library's file says before it is opened. The dynamic linker trusts its input: a file cut short kills the
//! process with a bus error, so the file is checked here first.

use std::{ffi::c_char, fs::File, path::Path};

use media_plugin_abi::{MN_ABI_MAJOR, MN_NOTE_PANIC_ABORT, mn_abi_note};
use object::{
    Architecture, BinaryFormat, Object, ObjectKind, ObjectSection, ObjectSegment,
    read::{ReadCache, ReadRef},
};
use serde::{Deserialize, Serialize};

use super::Checked;
use crate::{Kind, check};

/// What a library says of itself in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The id of the library.
    pub id: String,
    /// Its version.
    pub version: String,
    /// The codecs and outputs in it, by kind and id, sorted.
    pub provides: Vec<(Kind, String)>,
    /// The minor version of the ABI that it was built with.
    pub abi_minor: u16,
}

// As object names it: on macOS it is `__mn_abi`.
const SECTION: &str = ".mn_abi";
// Far more than any minor version will need.
const MAX_SECTION: u64 = 65_536;

const FORMAT: BinaryFormat = if cfg!(windows) {
    BinaryFormat::Pe
} else if cfg!(target_vendor = "apple") {
    BinaryFormat::MachO
} else {
    BinaryFormat::Elf
};

// None: not checked here, and left to the dynamic linker.
const ARCHITECTURE: Option<Architecture> = if cfg!(target_arch = "x86_64") {
    Some(Architecture::X86_64)
} else if cfg!(target_arch = "aarch64") {
    Some(Architecture::Aarch64)
} else if cfg!(target_arch = "x86") {
    Some(Architecture::I386)
} else if cfg!(target_arch = "arm") {
    Some(Architecture::Arm)
} else {
    None
};

/// Checks a file and reads its note.
pub(super) fn of(path: &Path) -> Checked<Note> {
    let unreadable = |e: std::io::Error| format!("it cannot be read: {e}");
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err("it is no file".into());
    }
    let section = section(&ReadCache::new(file), metadata.len())?;
    parse(&section)
}

/// The bytes of the note's section, once all that the dynamic linker will map is known to be within the file.
fn section<'a>(data: impl ReadRef<'a>, len: u64) -> Checked<Vec<u8>> {
    let damaged = |e: object::Error| format!("it is no shared library, or a damaged one: {e}");
    let object = object::File::parse(data).map_err(damaged)?;
    let wanted = ARCHITECTURE.unwrap_or(object.architecture());
    let native = (FORMAT, wanted, cfg!(target_endian = "little"), cfg!(target_pointer_width = "64"));
    let has = (object.format(), object.architecture(), object.is_little_endian(), object.is_64());
    if has != native {
        return Err(format!("it is {:?} for {:?}; this node takes {FORMAT:?} for {wanted:?}", has.0, has.1));
    }
    if object.kind() != ObjectKind::Dynamic {
        return Err("it is no shared library".into());
    }
    let segments = object.segments().map(|it| Some(it.file_range()));
    let sections = object.sections().map(|it| it.file_range());
    for (start, size) in segments.chain(sections).flatten() {
        if start.checked_add(size).is_none_or(|end| end > len) {
            return Err(format!("it is cut short: {size} bytes at {start} are beyond its end at {len}"));
        }
    }
    let Some(section) = object.section_by_name(SECTION) else {
        return Err("it has no media_node_plugin_abi note; it is no plugin of a media node".into());
    };
    if section.size() > MAX_SECTION {
        return Err(format!("its note has {} bytes, more than {MAX_SECTION}", section.size()));
    }
    Ok(section.data().map_err(damaged)?.to_vec())
}

fn parse(section: &[u8]) -> Checked<Note> {
    let declared = section.first_chunk().map_or(0, |size| u32::from_ne_bytes(*size));
    if declared == 0 || declared as usize > section.len() {
        return Err(format!("its note says {declared} bytes and has {}", section.len()));
    }
    // SAFETY: the note can be read for the size that it declares.
    let note = unsafe { media_plugin_abi::read(section.as_ptr().cast::<mn_abi_note>()) };
    let note = note.map_err(|size| format!("its note has only {size} bytes"))?;
    if note.magic.map(|c| c as u8) != mn_abi_note::MAGIC {
        return Err("its note does not begin as one does".into());
    }
    if note.abi_major != MN_ABI_MAJOR {
        let major = note.abi_major;
        return Err(format!(
            "it was built for ABI {major}, and this node loads ABI {MN_ABI_MAJOR}; rebuild it"
        ));
    }
    if note.flags & MN_NOTE_PANIC_ABORT != 0 {
        return Err("it was built with panic = \"abort\", so a panic in it would end the node; rebuild it \
                    with panic = \"unwind\""
            .into());
    }
    let (id, version) = (field("id", &note.id)?, field("version", &note.version)?);
    check::id(&id).map_err(|e| e.to_string())?;
    if version.is_empty() {
        return Err("its note has no version".into());
    }
    let mut provides = field("list", &note.provides)?
        .split(' ')
        .map(|it| {
            provided(it).ok_or_else(|| format!("its note lists {it:?}, which is no codec:ID or output:ID"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    provides.sort();
    Ok(Note { id, version, provides, abi_minor: note.abi_minor })
}

fn provided(entry: &str) -> Option<(Kind, String)> {
    let (kind, id) = entry.split_once(':')?;
    let kind = [Kind::Codec, Kind::Output].into_iter().find(|it| it.to_string() == kind)?;
    check::id(id).ok()?;
    Some((kind, id.into()))
}

/// Printable text, padded with NUL.
fn field(what: &str, padded: &[c_char]) -> Checked<String> {
    let bytes: Vec<u8> = padded.iter().map(|c| *c as u8).take_while(|byte| *byte != 0).collect();
    let text = String::from_utf8(bytes).ok().filter(|text| !text.contains(char::is_control));
    text.ok_or_else(|| format!("the {what} in its note is no text"))
}
