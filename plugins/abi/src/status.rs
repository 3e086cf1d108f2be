use std::ffi::c_char;

/// Result of a call: MN_OK, or one of the negative codes. The host treats any other number as MN_FAILED.
pub type mn_status = i32;

/// Success.
pub const MN_OK: mn_status = 0;
/// The request is invalid: a wrong option, a format out of range. The text names the permitted values.
pub const MN_BAD_ARGUMENT: mn_status = -1;
/// The buffer is too small. `need` of mn_error holds the size needed, in bytes of a packet or samples of
/// audio.
pub const MN_NO_SPACE: mn_status = -2;
/// The request is valid, but this plugin does not support it.
pub const MN_UNSUPPORTED: mn_status = -3;
/// There is not enough memory.
pub const MN_OUT_OF_MEMORY: mn_status = -4;
/// The bytes to decode were not written by this codec, or are damaged. The decoder accepts the next packet.
pub const MN_CORRUPT: mn_status = -5;
/// The device or file is gone. The host may open the output again.
pub const MN_LOST: mn_status = -6;
/// Any other error, of the system or of a library.
pub const MN_FAILED: mn_status = -7;
/// The plugin panicked. The host only frees the instance.
pub const MN_PANICKED: mn_status = -8;

/// Description of an error. It belongs to the host, which zeroes it before every call and reads it only if
/// the call fails.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_error {
    /// sizeof(mn_error) as the host knows it.
    pub struct_size: u32,
    /// Size needed, with MN_NO_SPACE only.
    pub need: u32,
    /// Bytes in `text`, which has no NUL at the end. 0 stands for no text.
    pub text_len: u32,
    /// One line of UTF-8 that names the operation and its input.
    pub text: [c_char; 500],
}

/// Text in UTF-8, at most MN_MAX_STRING bytes, without a NUL at the end. `ptr` may be NULL if `len` is 0. The
/// layout never changes.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_str {
    /// First byte.
    pub ptr: *const c_char,
    /// Length in bytes.
    pub len: u32,
}

/// Length limit of a text, in bytes.
pub const MN_MAX_STRING: u32 = 4096;

/// Format of interleaved audio. The layout never changes.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct mn_format {
    /// Frames per second, 1 to 768000.
    pub rate: u32,
    /// Samples per frame, 1 to 32, in the order of WAVE files: left, right, centre, LFE, ...
    pub channels: u32,
}

impl mn_str {
    /// Creates a text with static lifetime, cut to MN_MAX_STRING bytes.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        let len = if text.len() > MN_MAX_STRING as usize { MN_MAX_STRING } else { text.len() as u32 };
        Self { ptr: text.as_ptr().cast(), len }
    }
}

/// Sample type that holds a source's samples exactly: 16-bit integers.
pub const MN_S16: u32 = 0;
/// Sample type: 24-bit integers.
pub const MN_S24: u32 = 1;
/// Sample type: 32-bit integers, whose last 8 bits a float cannot hold.
pub const MN_S32: u32 = 2;
/// Sample type: 32-bit floating point, nominal range +-1.
pub const MN_F32: u32 = 3;
