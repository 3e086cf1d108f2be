use std::ffi::c_void;

use crate::status::{mn_error, mn_format, mn_status, mn_str};

/// One device of an output.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_device {
    /// sizeof(mn_device) as the plugin knows it.
    pub struct_size: u32,
    /// 1: the output opens this device for an empty target.
    pub is_default: u32,
    /// Target that opens the device. It stays the same between runs.
    pub id: mn_str,
    /// Name shown by the system.
    pub name: mn_str,
    /// Supported rates in frames per second.
    pub rates: *const u32,
    /// Supported channel counts.
    pub channels: *const u32,
    /// Number of rates, at most 64. 0 stands for any rate.
    pub rate_count: u32,
    /// Number of channel counts, at most 64. 0 stands for any.
    pub channels_count: u32,
}

/// List of the host that receives the devices of an output. Valid during `devices` only.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_device_list {
    /// sizeof(mn_device_list) as the host knows it.
    pub struct_size: u32,
    /// Copies one device into the list.
    pub add: Option<unsafe extern "C" fn(list: *mut mn_device_list, device: *const mn_device)>,
}

/// Request to open an output.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_open {
    /// sizeof(mn_open) as the host knows it.
    pub struct_size: u32,
    /// Sample type that holds the source's samples exactly: MN_S16 to MN_F32. A file output stores this type.
    pub sample: u32,
    /// Preferred format.
    pub format: mn_format,
    /// Target, empty for the default.
    pub target: mn_str,
    /// One JSON object, or empty.
    pub options: mn_str,
}

/// Properties of an open output, which do not change while it is open. The host presets every number to
/// UINT32_MAX.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_opened {
    /// sizeof(mn_opened) as the host knows it.
    pub struct_size: u32,
    /// 1: the output plays in real time. 0: it takes frames as fast as they come and has no underruns.
    pub is_realtime: u32,
    /// Format that `write` takes, which may differ from the preferred one.
    pub format: mn_format,
}

/// A kind of output. The argument `plugin` of its functions is its `object`; `output` is an open output.
///
/// Threads: the host calls `devices`, `open` and `get_extension` from any thread, several at the same time.
/// One thread at a time uses an open output; different calls may come from different threads. No call on an
/// open output blocks for longer than 50 ms.
///
/// After MN_LOST the device is gone: the host frees the output and may open another. After MN_PANICKED the
/// host only frees the output.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_output {
    /// sizeof(mn_output) as the plugin knows it.
    pub struct_size: u32,
    /// 0.
    pub flags: u32,
    /// Data of the plugin, which the host passes to `devices`, `open` and `get_extension`. May be NULL.
    pub object: *mut c_void,
    /// Id in the configuration and on the command line: 1 to 32 characters of [a-z0-9-].
    pub id: mn_str,
    /// Version of the output, for people to read.
    pub version: mn_str,
    /// Description in one line.
    pub description: mn_str,
    /// Meaning of a target, such as "a device id or name" or "a path".
    pub target: mn_str,
    /// Adds the devices to `list`, the default first. May take up to a second. NULL: the output has no
    /// devices to choose from.
    pub devices: Option<
        unsafe extern "C" fn(
            plugin: *mut c_void,
            list: *mut mn_device_list,
            error: *mut mn_error,
        ) -> mn_status,
    >,
    /// Opens a target. Sound starts with the first frames written. Returns MN_BAD_ARGUMENT if the target or
    /// an option does not exist, MN_LOST if the target existed and is gone.
    pub open: Option<
        unsafe extern "C" fn(
            plugin: *mut c_void,
            open: *const mn_open,
            output: *mut *mut c_void,
            opened: *mut mn_opened,
            error: *mut mn_error,
        ) -> mn_status,
    >,
    /// Takes interleaved frames. Sets `taken` to their number, which is 0 while the output is paused, and if
    /// it had no room for 50 ms.
    pub write: Option<
        unsafe extern "C" fn(
            output: *mut c_void,
            pcm: *const f32,
            frames: u32,
            taken: *mut u32,
            error: *mut mn_error,
        ) -> mn_status,
    >,
    /// Sets `frames` to the number of frames taken but not yet heard. 0 in a real-time output that is not
    /// paused means an underrun.
    pub delay: Option<
        unsafe extern "C" fn(output: *mut c_void, frames: *mut u64, error: *mut mn_error) -> mn_status,
    >,
    /// 1: pauses. The output falls silent at once and keeps its frames. 0: resumes.
    pub pause:
        Option<unsafe extern "C" fn(output: *mut c_void, paused: u32, error: *mut mn_error) -> mn_status>,
    /// Drops all frames not yet heard.
    pub flush: Option<unsafe extern "C" fn(output: *mut c_void, error: *mut mn_error) -> mn_status>,
    /// Waits until all frames are heard, or stored in a file. Sets `done` to 1 then, or to 0 after 50 ms.
    pub drain:
        Option<unsafe extern "C" fn(output: *mut c_void, done: *mut u32, error: *mut mn_error) -> mn_status>,
    /// Closes the output. Sound stops at once; a file keeps the frames written before.
    pub free: Option<unsafe extern "C" fn(output: *mut c_void)>,
    /// Returns the output's extension that has this id, or NULL if there is none. The function pointer itself may be NULL.
    pub get_extension: Option<unsafe extern "C" fn(plugin: *mut c_void, id: mn_str) -> *const c_void>,
    /// Since 1.1. Sets `count` to the number of underruns that the sound system has reported since `open`.
    /// NULL: the system reports none.
    pub xruns:
        Option<unsafe extern "C" fn(output: *mut c_void, count: *mut u64, error: *mut mn_error) -> mn_status>,
}
