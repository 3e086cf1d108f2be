//! A library's file, checked and read before it is opened. The dynamic linker trusts its input: a truncated file ends
//! the process with a bus error. Tested by `a_library_cut_short_anywhere_is_refused`.

use std::{
    ffi::c_char,
    fs::File,
    path::{Path, PathBuf},
};

use media_plugin_abi::{MN_ABI_MAJOR, MN_NOTE_PANIC_ABORT, mn_abi_note};
use object::{
    Architecture, BinaryFormat, Object, ObjectKind, ObjectSection, ObjectSegment,
    read::{ReadCache, ReadRef},
};
use serde::{Deserialize, Serialize};

use crate::{
    bounds::{self, Checked},
    error::HostError,
    listing::Kind,
};

/// ABI note of a library: the description that can be read from the file without running any of its code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbiNote {
    /// Id of the library.
    pub id: String,
    /// Version of the library.
    pub version: String,
    /// Codecs and outputs in the library, sorted by kind and id.
    pub provides: Vec<(Kind, String)>,
    /// Minor version of the ABI that the library was built with.
    pub abi_minor: u16,
}

/// File of a plugin library, checked but not opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LibraryFile {
    /// Absolute path of the file.
    pub path: PathBuf,
    /// ABI note of the file.
    pub note: AbiNote,
}

/// Section that holds the note. `object` maps this name to `__mn_abi` on macOS.
const SECTION: &str = ".mn_abi";
/// Largest section, in bytes. A note of ABI 1.0 has 340 (`plugins/abi/tests/stable.rs`).
const MAX_SECTION: u64 = 65_536;

const FORMAT: BinaryFormat = if cfg!(windows) {
    BinaryFormat::Pe
} else if cfg!(target_vendor = "apple") {
    BinaryFormat::MachO
} else {
    BinaryFormat::Elf
};

/// Architecture of this build. `None` leaves the check to the dynamic linker.
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

impl LibraryFile {
    /// Checks the file at an absolute path and reads its note.
    pub(super) fn read(path: PathBuf) -> Result<Self, HostError> {
        match AbiNote::read(&path) {
            Ok(note) => Ok(Self { path, note }),
            Err(why) => Err(HostError::Library { path, why }),
        }
    }

    /// As [`LibraryFile::read`], for any path.
    pub(super) fn of(file: &Path) -> Result<Self, HostError> {
        match file.canonicalize() {
            Ok(path) => Self::read(path),
            Err(e) => Err(HostError::Library { path: file.into(), why: format!("it cannot be read: {e}") }),
        }
    }
}

impl AbiNote {
    fn read(path: &Path) -> Checked<Self> {
        let unreadable = |e: std::io::Error| format!("it cannot be read: {e}");
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err("it is not a file".into());
        }
        let section = note_section(&ReadCache::new(file), metadata.len())?;
        Self::parse(&section)
    }

    fn parse(section: &[u8]) -> Checked<Self> {
        let declared = section.first_chunk().map_or(0, |size| u32::from_ne_bytes(*size));
        if declared == 0 || declared as usize > section.len() {
            return Err(format!("its note declares {declared} bytes, the section has {}", section.len()));
        }
        // SAFETY: the note can be read for the size that it declares.
        let note = unsafe { media_plugin_abi::read(section.as_ptr().cast::<mn_abi_note>()) };
        let note = note.map_err(|size| format!("its note has only {size} bytes"))?;
        if note.magic.map(|c| c as u8) != mn_abi_note::MAGIC {
            return Err("its note does not begin with \"mn-plug\"".into());
        }
        if note.abi_major != MN_ABI_MAJOR {
            let major = note.abi_major;
            return Err(format!(
                "it was built for ABI {major}, and this node loads ABI {MN_ABI_MAJOR}; rebuild it"
            ));
        }
        if note.flags & MN_NOTE_PANIC_ABORT != 0 {
            return Err(
                "it was built with panic = \"abort\", so a panic in it would end the node; rebuild it \
                        with panic = \"unwind\""
                    .into(),
            );
        }
        let id = text_field("id", &note.id)?;
        let version = text_field("version", &note.version)?;
        bounds::check_id(&id).map_err(|e| e.to_string())?;
        if version.is_empty() {
            return Err("its note has no version".into());
        }
        let mut provides = text_field("plugin list", &note.provides)?
            .split(' ')
            .map(|entry| {
                parse_provided(entry)
                    .ok_or_else(|| format!("its note lists {entry:?} instead of codec:ID or output:ID"))
            })
            .collect::<Checked<Vec<_>>>()?;
        provides.sort();
        Ok(Self { id, version, provides, abi_minor: note.abi_minor })
    }
}

/// Returns the bytes of the note's section, after checking that all parts that the dynamic linker maps lie within the
/// file.
fn note_section<'a>(data: impl ReadRef<'a>, len: u64) -> Checked<Vec<u8>> {
    let damaged = |e: object::Error| format!("it is not a shared library, or is damaged: {e}");
    let object = object::File::parse(data).map_err(damaged)?;
    let architecture = ARCHITECTURE.unwrap_or(object.architecture());
    let native = (FORMAT, architecture, cfg!(target_endian = "little"), cfg!(target_pointer_width = "64"));
    let found = (object.format(), object.architecture(), object.is_little_endian(), object.is_64());
    if found != native {
        return Err(format!(
            "it is {:?} for {:?}; this node loads {FORMAT:?} for {architecture:?}",
            found.0, found.1
        ));
    }
    if object.kind() != ObjectKind::Dynamic {
        return Err("it is not a shared library".into());
    }
    let segments = object.segments().map(|segment| Some(segment.file_range()));
    let sections = object.sections().map(|section| section.file_range());
    for (start, size) in segments.chain(sections).flatten() {
        if start.checked_add(size).is_none_or(|end| end > len) {
            return Err(format!(
                "it is truncated: it has {len} bytes, but {size} bytes at {start} are needed"
            ));
        }
    }
    let Some(section) = object.section_by_name(SECTION) else {
        return Err("it has no media_node_plugin_abi note, so it is not a plugin of media-node".into());
    };
    if section.size() > MAX_SECTION {
        return Err(format!("its note has {} bytes, more than {MAX_SECTION}", section.size()));
    }
    Ok(section.data().map_err(damaged)?.to_vec())
}

fn parse_provided(entry: &str) -> Option<(Kind, String)> {
    let (kind, id) = entry.split_once(':')?;
    let kind = [Kind::Codec, Kind::Output].into_iter().find(|known| known.to_string() == kind)?;
    bounds::check_id(id).ok()?;
    Some((kind, id.into()))
}

/// Reads a field of printable text that is padded with NUL.
fn text_field(what: &str, padded: &[c_char]) -> Checked<String> {
    let bytes: Vec<u8> = padded.iter().map(|c| *c as u8).take_while(|byte| *byte != 0).collect();
    let text = String::from_utf8(bytes).ok().filter(|text| !text.contains(char::is_control));
    text.ok_or_else(|| format!("the {what} in its note is not printable UTF-8"))
}

#[cfg(test)]
mod tests;
