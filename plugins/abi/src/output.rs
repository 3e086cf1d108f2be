use std::ffi::c_void;

use crate::{mn_error, mn_format, mn_status, mn_str};

/// One place where an output can play.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_device {
    /// sizeof(mn_device) as the plugin knows it.
    pub struct_size: u32,
    /// 1: sound goes here when no target is named.
    pub is_default: u32,
    /// What to write as the target, stable between runs.
    pub id: mn_str,
    /// The name that the system shows.
    pub name: mn_str,
    /// The rates that it takes.
    pub rates: *const u32,
    /// The channel counts that it takes.
    pub channels: *const u32,
    /// How many rates, at most 64; 0: any.
    pub rate_count: u32,
    /// How many channel counts, at most 64; 0: any.
    pub channels_count: u32,
}

/// Where an output puts its devices, during `devices` only. The host's.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_device_list {
    /// sizeof(mn_device_list) as the host knows it.
    pub struct_size: u32,
    /// Copies one device into the list.
    pub add: Option<unsafe extern "C" fn(list: *mut mn_device_list, device: *const mn_device)>,
}

/// What to open.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_open {
    /// sizeof(mn_open) as the host knows it.
    pub struct_size: u32,
    /// What the samples fit into exactly: MN_S16 to MN_F32. A file stores them so.
    pub sample: u32,
    /// The format that is wished for.
    pub format: mn_format,
    /// The target, empty for the default.
    pub target: mn_str,
    /// One JSON object, or empty.
    pub options: mn_str,
}

/// What was opened; the host presets every number to UINT32_MAX. It does not change while the output is open.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_opened {
    /// sizeof(mn_opened) as the host knows it.
    pub struct_size: u32,
    /// 1: it plays in real time; 0: it takes frames as fast as they come, and has no underruns.
    pub is_realtime: u32,
    /// The format that `write` takes, perhaps not the one that was wished for.
    pub format: mn_format,
}

/// A kind of output. `plugin` below is its `object`; it is shared: any thread may call, at once. An open output has one
/// user at a time, on any thread, and no call on it blocks for longer than 50 ms.
///
/// MN_LOST: the device is gone, the host frees the output and may open again. After MN_PANICKED it is only freed.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_output {
    /// sizeof(mn_output) as the plugin knows it.
    pub struct_size: u32,
    /// 0.
    pub flags: u32,
    /// The plugin's own, given back in every call; may be NULL.
    pub object: *mut c_void,
    /// The id in config and on the command line: [a-z0-9-], 1 to 32 characters.
    pub id: mn_str,
    /// The version.
    pub version: mn_str,
    /// One line about it.
    pub description: mn_str,
    /// What a target is: "a device id or name", "a path".
    pub target: mn_str,
    /// Adds the places where it can play to `list`, the default first. May take a second. NULL: there are none to
    /// choose from.
    pub devices: Option<
        unsafe extern "C" fn(
            plugin: *mut c_void,
            list: *mut mn_device_list,
            error: *mut mn_error,
        ) -> mn_status,
    >,
    /// Opens a target; it starts to sound with the first frames written. MN_BAD_ARGUMENT for a target or an option that
    /// does not exist, MN_LOST for a target that is there no more.
    pub open: Option<
        unsafe extern "C" fn(
            plugin: *mut c_void,
            open: *const mn_open,
            output: *mut *mut c_void,
            opened: *mut mn_opened,
            error: *mut mn_error,
        ) -> mn_status,
    >,
    /// Hands over interleaved frames. Sets `taken`, maybe 0 if there was no room for 50 ms. Takes none while paused.
    pub write: Option<
        unsafe extern "C" fn(
            output: *mut c_void,
            pcm: *const f32,
            frames: u32,
            taken: *mut u32,
            error: *mut mn_error,
        ) -> mn_status,
    >,
    /// Sets `frames`: handed over but not yet heard. 0 while playing in real time means that it has run dry.
    pub delay: Option<
        unsafe extern "C" fn(output: *mut c_void, frames: *mut u64, error: *mut mn_error) -> mn_status,
    >,
    /// 1: falls silent at once and keeps what it was given; 0: goes on.
    pub pause:
        Option<unsafe extern "C" fn(output: *mut c_void, paused: u32, error: *mut mn_error) -> mn_status>,
    /// Throws away what was handed over and not yet heard.
    pub flush: Option<unsafe extern "C" fn(output: *mut c_void, error: *mut mn_error) -> mn_status>,
    /// Waits until what was handed over is heard, or stored, for 50 ms at most. Sets `done` to whether it is, 1 or 0.
    pub drain:
        Option<unsafe extern "C" fn(output: *mut c_void, done: *mut u32, error: *mut mn_error) -> mn_status>,
    /// Stops at once; a file keeps what was written.
    pub free: Option<unsafe extern "C" fn(output: *mut c_void)>,
    /// What else this output offers, by id, or NULL. The function itself may be NULL.
    pub get_extension: Option<unsafe extern "C" fn(plugin: *mut c_void, id: mn_str) -> *const c_void>,
    /// Since 1.1. Sets `count`: how often since it was opened the sound system said that it ran out of frames. May be NULL
    /// where nobody can say.
    pub xruns:
        Option<unsafe extern "C" fn(output: *mut c_void, count: *mut u64, error: *mut mn_error) -> mn_status>,
}
