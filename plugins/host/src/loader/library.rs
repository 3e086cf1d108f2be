use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use media_plugin_abi::{MN_ABI_MAJOR, Versioned, mn_codec, mn_entry_v1, mn_output, mn_plugin};
use serde::{Deserialize, Serialize};

use super::{
    codec::LoadedCodec,
    host_table::HostTable,
    library_file::{AbiNote, LibraryFile},
    output::LoadedOutputPlugin,
    text,
};
use crate::{
    bounds::Checked,
    error::HostError,
    listing::{Kind, Listing, PluginOrigin},
};

/// Open library. It stays open as long as the process runs, because thread-local destructors of a closed library crash.
pub(crate) struct Library {
    /// Compiler or SDK that built the library, in the library's own words.
    build: String,
    pub(crate) codecs: Vec<LoadedCodec>,
    pub(crate) outputs: Vec<LoadedOutputPlugin>,
}

/// Description of a library and its plugins, read after opening it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryDescription {
    /// Absolute path of the file.
    pub path: PathBuf,
    /// ABI note of the file.
    pub note: AbiNote,
    /// Compiler or SDK that built the library, in the library's own words.
    pub build: String,
    /// Codecs and outputs of the library.
    pub plugins: Vec<Listing>,
}

/// Most codecs or outputs in one library. Tested by `each_costs_one_line` in tests/faults/description.rs.
const MAX_COUNT: u32 = 64;
/// Largest distance between two descriptors, in bytes. Tested by `each_costs_one_line` in tests/faults/description.rs.
const MAX_STRIDE: u32 = 4096;

/// Outcome of opening each library, so that its entry is called once in a process.
static OPEN: Mutex<Option<HashMap<PathBuf, Checked<&'static Library>>>> = Mutex::new(None);

/// Opens the library. A second call for the same path returns the outcome of the first.
pub(crate) fn open(file: &LibraryFile) -> Result<&'static Library, HostError> {
    // The lock also ensures that only one thread at a time calls an entry.
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let open = open.get_or_insert_default();
    let outcome = open
        .entry(file.path.clone())
        .or_insert_with(|| link(file).map(|library| &*Box::leak(Box::new(library))));
    outcome.clone().map_err(|why| HostError::Library { path: file.path.clone(), why })
}

/// Calls the library's entry, even if it was called before.
pub(super) fn open_again(file: &LibraryFile) -> Result<Library, HostError> {
    let _entry_lock = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    link(file).map_err(|why| HostError::Library { path: file.path.clone(), why })
}

fn link(file: &LibraryFile) -> Checked<Library> {
    let entry = entry(&file.path)?;
    let host = HostTable::leak(&file.path);
    // SAFETY: the file's note declares this ABI; the table stays valid; the caller holds the lock.
    let plugin = unsafe { entry(host.as_abi()) };
    if plugin.is_null() {
        return Err(match host.last_error() {
            Some(why) => format!("its entry returned NULL: {why}"),
            None => "its entry returned NULL and logged no error".into(),
        });
    }
    // SAFETY: the entry returned this pointer as the library's description, which never changes.
    unsafe { Library::read(plugin, &file.note) }
}

/// Links a file and resolves all its symbols now. With lazy binding, a missing symbol would end the process in mid-call.
fn entry(path: &Path) -> Checked<mn_entry_v1> {
    #[cfg(unix)]
    // SAFETY: opening runs the file's constructors; the person who put it on the search path vouches for them.
    let library = unsafe {
        use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
        Library::open(Some(path), RTLD_NOW | RTLD_LOCAL)
    };
    #[cfg(not(unix))]
    // SAFETY: as above.
    let library = unsafe { libloading::Library::new(path) };
    let library = library.map_err(|e| format!("it cannot be linked: {}", text::one_line(&e.to_string())))?;
    // SAFETY: the ABI defines the type of the symbol with this name.
    let entry = unsafe { library.get::<mn_entry_v1>(c"media_node_plugin_entry_v1") }.map(|symbol| *symbol);
    std::mem::forget(library);
    entry.map_err(|_| "it has a note but does not export media_node_plugin_entry_v1".into())
}

impl Library {
    /// Copies a library's description and compares it with the note.
    ///
    /// # Safety
    /// `plugin` points to a description as the ABI defines it.
    unsafe fn read(plugin: *const mn_plugin, note: &AbiNote) -> Checked<Self> {
        // SAFETY: the caller vouches for it.
        let plugin = unsafe { media_plugin_abi::read(plugin) };
        let plugin = plugin.map_err(|size| format!("its mn_plugin has only {size} bytes"))?;
        if plugin.abi_major != MN_ABI_MAJOR {
            let major = plugin.abi_major;
            return Err(format!("its mn_plugin is of ABI {major}, its note of ABI {MN_ABI_MAJOR}"));
        }
        // SAFETY: as above, for the three texts and the two arrays.
        let (id, version, build, codecs, outputs) = unsafe {
            (
                text::one_line_of("id", plugin.id)?,
                text::one_line_of("version", plugin.version)?,
                text::one_line_of("build", plugin.build)?,
                array("codecs", plugin.codecs, plugin.codec_count, plugin.codec_stride)?,
                array("outputs", plugin.outputs, plugin.output_count, plugin.output_stride)?,
            )
        };
        if (&id, &version) != (&note.id, &note.version) {
            return Err(format!("its mn_plugin says {id} {version}, its note {} {}", note.id, note.version));
        }
        // SAFETY: as above.
        let codecs = codecs
            .into_iter()
            .map(|table: mn_codec| unsafe { LoadedCodec::new(table) })
            .collect::<Checked<Vec<_>>>()?;
        // SAFETY: as above.
        let outputs = outputs
            .into_iter()
            .map(|table: mn_output| unsafe { LoadedOutputPlugin::new(table) })
            .collect::<Checked<Vec<_>>>()?;
        let library = Self { build, codecs, outputs };
        let provides = library.provides();
        if provides != note.provides {
            return Err(format!(
                "its mn_plugin provides {}, its note {}",
                joined(&provides),
                joined(&note.provides)
            ));
        }
        Ok(library)
    }

    /// Codecs and outputs of the library, sorted by kind and id.
    fn provides(&self) -> Vec<(Kind, String)> {
        let codecs = self.codecs.iter().map(|codec| (Kind::Codec, codec.info.id.clone()));
        let outputs = self.outputs.iter().map(|output| (Kind::Output, output.info.id.clone()));
        let mut provides: Vec<_> = codecs.chain(outputs).collect();
        provides.sort();
        provides
    }

    pub(super) fn describe(&self, file: LibraryFile) -> LibraryDescription {
        let listing = |kind, id: &str, version: &str, description: &str| Listing {
            kind,
            id: id.into(),
            version: version.into(),
            origin: PluginOrigin::Loaded(file.path.clone()),
            description: description.into(),
        };
        let codecs = self.codecs.iter().map(|codec| &codec.info);
        let outputs = self.outputs.iter().map(|output| &output.info);
        let codecs = codecs.map(|info| listing(Kind::Codec, &info.id, &info.version, &info.description));
        let outputs = outputs.map(|info| listing(Kind::Output, &info.id, &info.version, &info.description));
        let plugins = codecs.chain(outputs).collect();
        LibraryDescription { note: file.note, build: self.build.clone(), plugins, path: file.path }
    }
}

fn joined(provides: &[(Kind, String)]) -> String {
    if provides.is_empty() {
        return "nothing".into();
    }
    provides.iter().map(|(kind, id)| format!("{kind}:{id}")).collect::<Vec<_>>().join(" ")
}

/// Copies an array of descriptors that are `stride` bytes apart.
///
/// # Safety
/// If `count` and `stride` are within their bounds, `first` points to `count` descriptors.
unsafe fn array<T: Versioned>(what: &str, first: *const T, count: u32, stride: u32) -> Checked<Vec<T>> {
    if count > MAX_COUNT {
        return Err(format!("it has {count} {what}, more than {MAX_COUNT}"));
    }
    if count == 0 {
        return Ok(Vec::new());
    }
    if first.is_null() {
        return Err(format!("its {count} {what} are at NULL"));
    }
    let least = T::FIRST_SIZE as u32;
    if !(least..=MAX_STRIDE).contains(&stride) {
        return Err(format!("the stride of its {what} is {stride} bytes, outside {least} to {MAX_STRIDE}"));
    }
    (0..count as usize)
        .map(|index| {
            // SAFETY: within the array that the caller vouches for; `read` does not require alignment.
            let (at, declared) = unsafe {
                let at = first.byte_add(index * stride as usize);
                (at, at.cast::<u32>().read_unaligned())
            };
            if declared > stride {
                return Err(format!(
                    "one of its {what} has {declared} bytes, more than the stride of {stride}"
                ));
            }
            // SAFETY: it can be read for the stride, hence for the size that it declares.
            unsafe { media_plugin_abi::read(at) }
                .map_err(|size| format!("one of its {what} has {size} bytes, fewer than {least}"))
        })
        .collect()
}
