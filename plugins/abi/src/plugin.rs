use std::ffi::c_void;

use crate::{mn_codec, mn_output, mn_str};

/// A message that something is about to fail, or has failed.
pub const MN_LOG_ERROR: u32 = 1;
/// A message about what is odd.
pub const MN_LOG_WARN: u32 = 2;
/// A message that a person may want to see.
pub const MN_LOG_INFO: u32 = 3;
/// A message for the plugin's author.
pub const MN_LOG_DEBUG: u32 = 4;

/// What the host offers to a plugin. It stays valid for as long as the process runs.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_host {
    /// sizeof(mn_host) as the host knows it: a field that ends beyond it does not exist.
    pub struct_size: u32,
    /// The host's MN_ABI_MAJOR.
    pub abi_major: u16,
    /// The host's MN_ABI_MINOR.
    pub abi_minor: u16,
    /// Writes one line to the node's log. Any thread, but not for every packet.
    pub log: Option<unsafe extern "C" fn(host: *const mn_host, level: u32, text: mn_str)>,
    /// What else this host offers, by id: a pointer to a table that the id's documentation describes, or NULL.
    pub get_extension: Option<unsafe extern "C" fn(host: *const mn_host, id: mn_str) -> *const c_void>,
}

/// What a library provides. It, and all that it points to, stays as it is for as long as the process runs.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_plugin {
    /// sizeof(mn_plugin) as the plugin knows it.
    pub struct_size: u32,
    /// MN_ABI_MAJOR.
    pub abi_major: u16,
    /// MN_ABI_MINOR.
    pub abi_minor: u16,
    /// As in the note.
    pub id: mn_str,
    /// As in the note.
    pub version: mn_str,
    /// What built it (compiler, date, commit), for a person to read; may be empty.
    pub build: mn_str,
    /// Descriptors of codecs, `codec_stride` bytes apart.
    pub codecs: *const mn_codec,
    /// How many, at most 64.
    pub codec_count: u32,
    /// sizeof(mn_codec) as the plugin knows it.
    pub codec_stride: u32,
    /// Descriptors of outputs, `output_stride` bytes apart.
    pub outputs: *const mn_output,
    /// How many, at most 64.
    pub output_count: u32,
    /// sizeof(mn_output) as the plugin knows it.
    pub output_stride: u32,
    /// What else this library offers, by id, or NULL. The function itself may be NULL.
    pub get_extension: Option<unsafe extern "C" fn(id: mn_str) -> *const c_void>,
}

/// The entry, exported as `media_node_plugin_entry_v1`. The host calls it under a lock, and called again it says the same.
/// NULL: the plugin refuses, after it has logged why.
pub type mn_entry_v1 = unsafe extern "C" fn(host: *const mn_host) -> *const mn_plugin;
