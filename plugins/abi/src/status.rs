use std::ffi::c_char;

/// What a call came to: MN_OK, or one of the negative codes. The host takes any other number for a failure.
pub type mn_status = i32;

/// Done.
pub const MN_OK: mn_status = 0;
/// The caller asked for what cannot be: a wrong option, a format out of range. The text says what is allowed.
pub const MN_BAD_ARGUMENT: mn_status = -1;
/// The buffer is too small; `need` of mn_error says what would do, in bytes of a packet or samples of audio.
pub const MN_NO_SPACE: mn_status = -2;
/// Possible in principle, but not with this plugin.
pub const MN_UNSUPPORTED: mn_status = -3;
/// There is not enough memory.
pub const MN_OUT_OF_MEMORY: mn_status = -4;
/// The bytes to decode are not what this codec wrote.
pub const MN_CORRUPT: mn_status = -5;
/// The device or file is gone; opening again may work.
pub const MN_LOST: mn_status = -6;
/// Anything else, from the system or a library.
pub const MN_FAILED: mn_status = -7;
/// The plugin panicked. The instance may only be freed.
pub const MN_PANICKED: mn_status = -8;

/// Why a call failed. It belongs to the host, is zeroed before every call, and is read only if the call fails.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_error {
    /// sizeof(mn_error) as the host knows it.
    pub struct_size: u32,
    /// With MN_NO_SPACE: how much is needed.
    pub need: u32,
    /// Bytes of `text`, without a NUL; 0: no text.
    pub text_len: u32,
    /// One line of UTF-8 that names what was being done and with what.
    pub text: [c_char; 500],
}

/// Text: UTF-8, at most MN_MAX_STRING bytes, no NUL at the end. `ptr` may be NULL if `len` is 0. The layout never changes.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_str {
    /// The first byte.
    pub ptr: *const c_char,
    /// Bytes.
    pub len: u32,
}

/// The longest text, in bytes.
pub const MN_MAX_STRING: u32 = 4096;

/// The shape of interleaved audio. The layout never changes.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct mn_format {
    /// Frames per second, 1 to 768000.
    pub rate: u32,
    /// Samples per frame, 1 to 32, in the WAVE order (left, right, centre, LFE, ...).
    pub channels: u32,
}

impl mn_str {
    /// A text that lives for as long as the process runs, cut at MN_MAX_STRING bytes.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        let len = if text.len() > MN_MAX_STRING as usize { MN_MAX_STRING } else { text.len() as u32 };
        Self { ptr: text.as_ptr().cast(), len }
    }
}

/// What samples fit into exactly: 16-bit integers.
pub const MN_S16: u32 = 0;
/// 24-bit integers.
pub const MN_S24: u32 = 1;
/// 32-bit integers, whose last 8 bits are lost in a float.
pub const MN_S32: u32 = 2;
/// 32-bit floating point, nominal +-1.
pub const MN_F32: u32 = 3;
