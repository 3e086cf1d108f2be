use std::{
    ffi::c_void,
    path::Path,
    sync::{Mutex, PoisonError},
};

use media_plugin_abi::{MN_ABI_MAJOR, MN_ABI_MINOR, MN_LOG_ERROR, MN_LOG_INFO, MN_LOG_WARN, mn_host, mn_str};
use media_plugin_sdk::log::{Level, set_sink};

use super::text;

/// Sends the messages of built-in plugins to the node's log.
pub(crate) fn install_log() {
    set_sink(|level, text| write("built in", level, text));
}

fn write(library: &str, level: Level, text: &str) {
    match level {
        Level::Error => tracing::error!(target: "plugin", library, "{text}"),
        Level::Warn => tracing::warn!(target: "plugin", library, "{text}"),
        Level::Info => tracing::info!(target: "plugin", library, "{text}"),
        Level::Debug => tracing::debug!(target: "plugin", library, "{text}"),
    }
}

/// Functions that the host offers to one library. The library logs through it, because it has its own copy of `tracing`.
///
/// The library knows only the first field; the others let `log` name the library.
#[repr(C)]
pub(super) struct HostTable {
    host: mn_host,
    library: String,
    last_error: Mutex<Option<String>>,
}

impl HostTable {
    /// Makes a table that is never freed, because the library may use it as long as the process runs.
    pub(super) fn leak(library: &Path) -> &'static Self {
        let host = mn_host {
            struct_size: size_of::<mn_host>() as u32,
            abi_major: MN_ABI_MAJOR,
            abi_minor: MN_ABI_MINOR,
            log: Some(log),
            get_extension: Some(get_extension),
        };
        let library = library.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Box::leak(Box::new(Self { host, library, last_error: Mutex::default() }))
    }

    pub(super) fn as_abi(&'static self) -> *const mn_host {
        // A pointer to the whole struct, because `log` casts it back.
        std::ptr::from_ref(self).cast()
    }

    /// Last message that the library logged as an error.
    pub(super) fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

unsafe extern "C" fn log(host: *const mn_host, level: u32, message: mn_str) {
    // SAFETY: the only table that a plugin has is the one that `leak` made for it.
    let table = unsafe { &*host.cast::<HostTable>() };
    // SAFETY: the plugin vouches for its own text.
    let message = match unsafe { text::bytes("message", message) } {
        Ok(bytes) => text::one_line(&String::from_utf8_lossy(bytes)),
        Err(why) => why,
    };
    let level = match level {
        MN_LOG_ERROR => Level::Error,
        MN_LOG_WARN => Level::Warn,
        MN_LOG_INFO => Level::Info,
        _ => Level::Debug,
    };
    if level == Level::Error {
        *table.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(message.clone());
    }
    write(&table.library, level, &message);
}

unsafe extern "C" fn get_extension(_: *const mn_host, _: mn_str) -> *const c_void {
    std::ptr::null()
}
