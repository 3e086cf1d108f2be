use std::ffi::c_void;

use crate::{codec::mn_codec, output::mn_output, status::mn_str};

/// Log level: a call has failed or is about to fail.
pub const MN_LOG_ERROR: u32 = 1;
/// Log level: something unusual that the plugin could handle.
pub const MN_LOG_WARN: u32 = 2;
/// Log level: information for the node's user.
pub const MN_LOG_INFO: u32 = 3;
/// Log level: information for the plugin's author.
pub const MN_LOG_DEBUG: u32 = 4;

/// Functions that the host offers to a plugin. The table stays valid and unchanged until the process ends.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_host {
    /// sizeof(mn_host) as the host knows it. A field that ends beyond this size does not exist.
    pub struct_size: u32,
    /// MN_ABI_MAJOR of the host.
    pub abi_major: u16,
    /// MN_ABI_MINOR of the host.
    pub abi_minor: u16,
    /// Writes one line to the node's log. Any thread may call it. It may lock, so a plugin must not call it
    /// for every packet.
    pub log: Option<unsafe extern "C" fn(host: *const mn_host, level: u32, text: mn_str)>,
    /// Returns the host's extension that has this id, as a pointer to the table that the extension defines,
    /// or NULL.
    pub get_extension: Option<unsafe extern "C" fn(host: *const mn_host, id: mn_str) -> *const c_void>,
}

/// Codecs and outputs of a library. This table and everything it points to stay unchanged until the process
/// ends.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_plugin {
    /// sizeof(mn_plugin) as the plugin knows it.
    pub struct_size: u32,
    /// MN_ABI_MAJOR.
    pub abi_major: u16,
    /// MN_ABI_MINOR.
    pub abi_minor: u16,
    /// Id of the library, as in the note.
    pub id: mn_str,
    /// Version of the library, as in the note.
    pub version: mn_str,
    /// Build of the library (compiler, date, commit) for people to read. May be empty.
    pub build: mn_str,
    /// Codecs, `codec_stride` bytes apart.
    pub codecs: *const mn_codec,
    /// Number of codecs, at most 64.
    pub codec_count: u32,
    /// sizeof(mn_codec) as the plugin knows it.
    pub codec_stride: u32,
    /// Outputs, `output_stride` bytes apart.
    pub outputs: *const mn_output,
    /// Number of outputs, at most 64.
    pub output_count: u32,
    /// sizeof(mn_output) as the plugin knows it.
    pub output_stride: u32,
    /// Returns the library's extension that has this id, or NULL if there is none. The function pointer itself may be NULL.
    pub get_extension: Option<unsafe extern "C" fn(id: mn_str) -> *const c_void>,
}

/// Entry of a library, exported as `media_node_plugin_entry_v1`. The host calls it under a lock; every call
/// returns the same pointer. To refuse the host, the library logs the reason and returns NULL.
pub type mn_entry_v1 = unsafe extern "C" fn(host: *const mn_host) -> *const mn_plugin;
