use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use media_plugin_abi::{MN_ABI_MAJOR, Versioned, mn_codec, mn_entry_v1, mn_output, mn_plugin};

use super::{Checked, LoadedCodec, LoadedOutput, Note, Scanned, log, text};
use crate::Kind;

/// An open library, which stays open for as long as the process runs: thread-local destructors of a closed one crash.
pub(crate) struct Library {
    /// What it says of the build, for a person.
    pub(crate) build: String,
    pub(crate) codecs: Vec<LoadedCodec>,
    pub(crate) outputs: Vec<LoadedOutput>,
}

const MAX_COUNT: u32 = 64;
const MAX_STRIDE: u32 = 4096;

/// Every library that this process opened, and those that it failed to: an entry is called once.
static OPEN: Mutex<Option<HashMap<PathBuf, Checked<&'static Library>>>> = Mutex::new(None);

/// Opens the library and describes what it provides, the first time; afterwards says the same again.
pub(super) fn open(scanned: &Scanned) -> Checked<&'static Library> {
    // The lock is what calls `entry` by one thread at a time.
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let open = open.get_or_insert_default();
    if let Some(known) = open.get(&scanned.path) {
        return known.clone();
    }
    let library = link(scanned).map(|library| &*Box::leak(Box::new(library)));
    open.insert(scanned.path.clone(), library.clone());
    library
}

/// Calls `entry` anew, whether or not the library is open.
pub(super) fn open_anew(scanned: &Scanned) -> Checked<Library> {
    let _entering = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    link(scanned)
}

fn link(scanned: &Scanned) -> Checked<Library> {
    let entry = entry(&scanned.path)?;
    let host = log::Table::leak(&scanned.path);
    // SAFETY: the file's note says that it keeps to this ABI; the table stays valid; the caller holds the lock.
    let plugin = unsafe { entry(host.as_abi()) };
    if plugin.is_null() {
        return Err(match host.last_error() {
            Some(why) => format!("it refuses to be loaded: {why}"),
            None => "it refuses to be loaded and does not log why".into(),
        });
    }
    // SAFETY: the plugin gave it out as its description, which stays as it is.
    unsafe { describe(plugin, &scanned.note) }
}

/// Links a file, with all its symbols now: one that is missing would end the process in mid-call later.
fn entry(path: &Path) -> Checked<mn_entry_v1> {
    #[cfg(unix)]
    // SAFETY: opening runs the file's constructors: whoever put it into the folder vouches for them.
    let library = unsafe {
        use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
        Library::open(Some(path), RTLD_NOW | RTLD_LOCAL)
    };
    #[cfg(not(unix))]
    // SAFETY: as above.
    let library = unsafe { libloading::Library::new(path) };
    let library = library.map_err(|e| format!("it cannot be linked: {}", text::one_line(&e.to_string())))?;
    // SAFETY: a symbol of that name is of that type, says the ABI.
    let entry = unsafe { library.get::<mn_entry_v1>(c"media_node_plugin_entry_v1") }.map(|symbol| *symbol);
    std::mem::forget(library);
    entry.map_err(|_| "it has a note but no media_node_plugin_entry_v1; it does not export its entry".into())
}

/// Copies what a plugin says of itself and holds it against its note.
///
/// # Safety
/// `plugin` points to a description as the ABI says.
unsafe fn describe(plugin: *const mn_plugin, note: &Note) -> Checked<Library> {
    // SAFETY: the caller vouches for it.
    let plugin = unsafe { media_plugin_abi::read(plugin) };
    let plugin = plugin.map_err(|size| format!("its description has only {size} bytes"))?;
    if plugin.abi_major != MN_ABI_MAJOR {
        return Err(format!(
            "its description is of ABI {}, its note of ABI {MN_ABI_MAJOR}",
            plugin.abi_major
        ));
    }
    // SAFETY: as above, for the three texts and the two arrays.
    let (id, version, build, codecs, outputs) = unsafe {
        (
            text::bounded("id", plugin.id)?,
            text::bounded("version", plugin.version)?,
            text::bounded("build", plugin.build)?,
            array("codecs", plugin.codecs, plugin.codec_count, plugin.codec_stride)?,
            array("outputs", plugin.outputs, plugin.output_count, plugin.output_stride)?,
        )
    };
    if (&id, &version) != (&note.id, &note.version) {
        return Err(format!("it is {id} {version} and its note says {} {}", note.id, note.version));
    }
    // SAFETY: as above.
    let codecs = codecs
        .into_iter()
        .map(|it: mn_codec| unsafe { LoadedCodec::new(it) })
        .collect::<Result<Vec<_>, _>>()?;
    // SAFETY: as above.
    let outputs = outputs
        .into_iter()
        .map(|it: mn_output| unsafe { LoadedOutput::new(it) })
        .collect::<Result<Vec<_>, _>>()?;
    let library = Library { build, codecs, outputs };
    let provides = library.provides();
    if provides != note.provides {
        return Err(format!(
            "it provides {} and its note says {}",
            listed(&provides),
            listed(&note.provides)
        ));
    }
    Ok(library)
}

fn listed(provides: &[(Kind, String)]) -> String {
    if provides.is_empty() {
        return "nothing".into();
    }
    provides.iter().map(|(kind, id)| format!("{kind}:{id}")).collect::<Vec<_>>().join(" ")
}

impl Library {
    fn provides(&self) -> Vec<(Kind, String)> {
        let codecs = self.codecs.iter().map(|it| (Kind::Codec, it.info.id.clone()));
        let mut provides: Vec<_> =
            codecs.chain(self.outputs.iter().map(|it| (Kind::Output, it.info.id.clone()))).collect();
        provides.sort();
        provides
    }
}

/// Copies descriptors that are `stride` bytes apart.
///
/// # Safety
/// `first` points to `count` of them, for as long as both are within the bounds.
unsafe fn array<T: Versioned>(what: &str, first: *const T, count: u32, stride: u32) -> Checked<Vec<T>> {
    if count > MAX_COUNT {
        return Err(format!("it claims {count} {what}, more than {MAX_COUNT}"));
    }
    if count == 0 {
        return Ok(Vec::new());
    }
    if first.is_null() {
        return Err(format!("its {count} {what} are at NULL"));
    }
    let least = T::FIRST_SIZE as u32;
    if !(least..=MAX_STRIDE).contains(&stride) {
        return Err(format!("its {what} are {stride} bytes apart, which is not {least} to {MAX_STRIDE}"));
    }
    (0..count as usize)
        .map(|index| {
            // SAFETY: within the array that the caller vouches for; `read` does not ask for alignment.
            let (at, declared) = unsafe {
                let at = first.byte_add(index * stride as usize);
                (at, at.cast::<u32>().read_unaligned())
            };
            if declared > stride {
                return Err(format!("one of its {what} has {declared} bytes, and they are {stride} apart"));
            }
            // SAFETY: it can be read for the stride, hence for the size that it declares.
            unsafe { media_plugin_abi::read(at) }
                .map_err(|size| format!("one of its {what} has {size} bytes, at least {least} are needed"))
        })
        .collect()
}
