use std::ffi::{c_char, c_void};

use crate::{mn_error, mn_format, mn_status, mn_str};

/// Flag of a codec: decoding gives back exactly what was encoded.
pub const MN_CODEC_LOSSLESS: u32 = 1;
/// No limit, in mn_limits.
pub const MN_NO_LIMIT: u32 = u32::MAX;

/// What a source holds.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_source {
    /// sizeof(mn_source) as the host knows it.
    pub struct_size: u32,
    /// What its samples fit into exactly: MN_S16 to MN_F32.
    pub sample: u32,
    /// Rate and channels.
    pub format: mn_format,
}

/// What a listener and a policy allow.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_limits {
    /// sizeof(mn_limits) as the host knows it.
    pub struct_size: u32,
    /// The highest bitrate, in bit/s, or MN_NO_LIMIT.
    pub bitrate: u32,
    /// The most channels, or MN_NO_LIMIT.
    pub channels: u32,
    /// How many rates there are; 0: any.
    pub rate_count: u32,
    /// The rates that the listener's output takes; the source's own is the first choice.
    pub rates: *const u32,
}

/// One way to encode. The same choice gives the same bytes on every node.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_choice {
    /// sizeof(mn_choice) as the host knows it.
    pub struct_size: u32,
    /// Bytes of `params`, without a NUL.
    pub params_len: u32,
    /// What the encoder takes and the decoder gives.
    pub format: mn_format,
    /// All that changes the bytes, in the codec's own canonical form: [a-z0-9-].
    pub params: [c_char; 32],
}

/// What a choice comes to. For a chunk, the frames [a, b), the host feeds [a - lead_in, b + lookahead + crossfade) to a
/// fresh encoder, then flushes it; of what the decoder gives it throws lead_in + lookahead frames away.
///
/// The host presets every number to UINT32_MAX, which is out of bounds: the plugin sets them all.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_encoding {
    /// sizeof(mn_encoding) as the host knows it.
    pub struct_size: u32,
    /// The nominal bitrate, in bit/s.
    pub bitrate: u32,
    /// Frames that the encoder takes per call, 1 to 65536.
    pub packet_frames: u32,
    /// 1: the last call of a chunk is filled up to packet_frames with the audio that follows; 0: it may be shorter.
    pub whole_packets: u32,
    /// Frames fed before the chunk so that the codec has settled when it begins, at most 65536.
    pub lead_in: u32,
    /// By how many frames the codec delays what goes through it, at most 65536.
    pub lookahead: u32,
    /// Frames after the chunk's end that fade into the next, at most 65536.
    pub crossfade: u32,
    /// The longest packet, in bytes, 1 to 1048576.
    pub max_packet_bytes: u32,
    /// Bytes of `config`.
    pub config_len: u32,
    /// What the decoder needs to know; carried to the client as it is.
    pub config: [u8; 4096],
}

/// A codec. `codec` below is its `object`; it is shared: any thread may call, at once. An encoder or decoder has one user
/// at a time, on any thread. Buffers are the host's and valid during the call only.
///
/// After a call fails, an encoder is only reset or freed, while a decoder goes on with the next packet. After
/// MN_PANICKED an instance is only freed.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_codec {
    /// sizeof(mn_codec) as the plugin knows it.
    pub struct_size: u32,
    /// MN_CODEC_LOSSLESS, or 0.
    pub flags: u32,
    /// The plugin's own, given back in every call; may be NULL.
    pub object: *mut c_void,
    /// The id on the wire, in config and on the command line: [a-z0-9-], 1 to 32 characters.
    pub id: mn_str,
    /// The version.
    pub version: mn_str,
    /// One line about it.
    pub description: mn_str,
    /// Chooses how to encode `source` within `limits`. `options` is one JSON object, or empty.
    /// MN_UNSUPPORTED with the limit that cannot be met; MN_BAD_ARGUMENT with the option that is wrong.
    pub propose: Option<
        unsafe extern "C" fn(
            codec: *mut c_void,
            source: *const mn_source,
            limits: *const mn_limits,
            options: mn_str,
            choice: *mut mn_choice,
            error: *mut mn_error,
        ) -> mn_status,
    >,
    /// What `choice` comes to; it depends on nothing else. The choice may come from a peer: MN_BAD_ARGUMENT if it is not
    /// one that `propose` makes.
    pub encoding: Option<
        unsafe extern "C" fn(
            codec: *mut c_void,
            choice: *const mn_choice,
            encoding: *mut mn_encoding,
            error: *mut mn_error,
        ) -> mn_status,
    >,
    /// Makes an encoder.
    pub encoder_new: Option<
        unsafe extern "C" fn(
            codec: *mut c_void,
            choice: *const mn_choice,
            encoder: *mut *mut c_void,
            error: *mut mn_error,
        ) -> mn_status,
    >,
    /// Encodes `frames` frames, packet_frames or fewer. Sets `len`, in bytes; 0: more audio is needed first.
    pub encode: Option<
        unsafe extern "C" fn(
            encoder: *mut c_void,
            pcm: *const f32,
            frames: u32,
            packet: *mut u8,
            capacity: u32,
            len: *mut u32,
            error: *mut mn_error,
        ) -> mn_status,
    >,
    /// Writes what is still inside, one packet a call, until it sets `len` to 0. NULL: there is never anything.
    pub flush: Option<
        unsafe extern "C" fn(
            encoder: *mut c_void,
            packet: *mut u8,
            capacity: u32,
            len: *mut u32,
            error: *mut mn_error,
        ) -> mn_status,
    >,
    /// Makes the encoder as new.
    pub encoder_reset: Option<unsafe extern "C" fn(encoder: *mut c_void, error: *mut mn_error) -> mn_status>,
    /// Ends the encoder.
    pub encoder_free: Option<unsafe extern "C" fn(encoder: *mut c_void)>,
    /// Makes a decoder. Format and configuration come from a peer.
    pub decoder_new: Option<
        unsafe extern "C" fn(
            codec: *mut c_void,
            format: mn_format,
            config: *const u8,
            config_len: u32,
            decoder: *mut *mut c_void,
            error: *mut mn_error,
        ) -> mn_status,
    >,
    /// Decodes one packet, which may hold anything, into room for `capacity` frames. Sets `frames`, maybe 0.
    /// MN_CORRUPT, MN_NO_SPACE. It does not allocate once it is warm.
    pub decode: Option<
        unsafe extern "C" fn(
            decoder: *mut c_void,
            packet: *const u8,
            len: u32,
            pcm: *mut f32,
            capacity: u32,
            frames: *mut u32,
            error: *mut mn_error,
        ) -> mn_status,
    >,
    /// Makes the decoder as new.
    pub decoder_reset: Option<unsafe extern "C" fn(decoder: *mut c_void, error: *mut mn_error) -> mn_status>,
    /// Ends the decoder.
    pub decoder_free: Option<unsafe extern "C" fn(decoder: *mut c_void)>,
    /// What else this codec offers, by id, or NULL. The function itself may be NULL.
    pub get_extension: Option<unsafe extern "C" fn(codec: *mut c_void, id: mn_str) -> *const c_void>,
}
