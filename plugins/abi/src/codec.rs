use std::ffi::{c_char, c_void};

use crate::status::{mn_error, mn_format, mn_status, mn_str};

/// Flag of a codec: decoding returns exactly the encoded samples.
pub const MN_CODEC_LOSSLESS: u32 = 1;
/// Value of a field of mn_limits that sets no limit.
pub const MN_NO_LIMIT: u32 = u32::MAX;

/// Format of a source.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_source {
    /// sizeof(mn_source) as the host knows it.
    pub struct_size: u32,
    /// Sample type that holds its samples exactly: MN_S16 to MN_F32.
    pub sample: u32,
    /// Rate and channels.
    pub format: mn_format,
}

/// Limits set by a listener and by the node's policy.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_limits {
    /// sizeof(mn_limits) as the host knows it.
    pub struct_size: u32,
    /// Highest bitrate in bit/s, or MN_NO_LIMIT.
    pub bitrate: u32,
    /// Highest number of channels, or MN_NO_LIMIT.
    pub channels: u32,
    /// Number of `rates`. 0 stands for any rate.
    pub rate_count: u32,
    /// Rates that the listener's output supports, in frames per second. The source's own rate is the first
    /// choice.
    pub rates: *const u32,
}

/// One way to encode a source. The same choice gives the same bytes on every node.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_choice {
    /// sizeof(mn_choice) as the host knows it.
    pub struct_size: u32,
    /// Bytes in `params`, which has no NUL at the end.
    pub params_len: u32,
    /// Format of the encoder's input and of the decoder's output.
    pub format: mn_format,
    /// Parameters that change the bytes, in a canonical form of the codec: characters of [a-z0-9-].
    pub params: [c_char; 32],
}

/// Properties of a choice. For a chunk with the frames [a, b) of a track, the host feeds the frames [a -
/// lead_in, b + lookahead + crossfade) to a new encoder and flushes it. It drops the first lead_in +
/// lookahead frames that the decoder returns.
///
/// If `joinable` is 1, one decoder can play a track's chunks one after another without a reset. The encoder
/// then writes no packet for the lead-in, so the host drops only the first lookahead frames. With lookahead or
/// crossfade, the first (b - a) / packet_frames packets of a chunk are its own, and the others are its tail. A
/// decoder that plays on skips the tail.
///
/// The plugin sets all fields of its version. The host presets each number of version 1.0 to UINT32_MAX, which
/// is out of range, and each later one to 0.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_encoding {
    /// sizeof(mn_encoding) as the host knows it.
    pub struct_size: u32,
    /// Nominal bitrate in bit/s.
    pub bitrate: u32,
    /// Frames per call of `encode`, 1 to 65536.
    pub packet_frames: u32,
    /// 1: the last call of a chunk also needs packet_frames frames, so the host adds the audio that follows.
    /// 0: it may be shorter.
    pub whole_packets: u32,
    /// Frames before the chunk that let the codec settle, at most 65536.
    pub lead_in: u32,
    /// Delay of the codec in frames, at most 65536.
    pub lookahead: u32,
    /// Frames after the end of the chunk that fade into the next one, at most 65536.
    pub crossfade: u32,
    /// Size limit of a packet in bytes, 1 to 1048576.
    pub max_packet_bytes: u32,
    /// Bytes in `config`.
    pub config_len: u32,
    /// Configuration of the decoder. The host passes it to the client unchanged.
    pub config: [u8; 4096],
    /// 1: chunks are joinable. 0: a decoder is reset before each chunk. Since version 1.2; a plugin writes it only
    /// if `struct_size` includes it.
    pub joinable: u32,
}

/// A codec. The argument `codec` of its functions is its `object`.
///
/// Threads: the host calls the functions of the codec from any thread, several at the same time. One thread
/// at a time uses an encoder or decoder; different calls may come from different threads. Encoders run on
/// worker threads. Decoders run on the playback thread, so their calls do not block.
///
/// Buffers belong to the host and are valid during the call only. After an error the host only resets or
/// frees an encoder, while a decoder accepts the next packet. After MN_PANICKED the host only frees an
/// encoder or decoder.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct mn_codec {
    /// sizeof(mn_codec) as the plugin knows it.
    pub struct_size: u32,
    /// MN_CODEC_LOSSLESS, or 0.
    pub flags: u32,
    /// Data of the plugin, which the host passes to every call. May be NULL.
    pub object: *mut c_void,
    /// Id on the wire, in the configuration and on the command line: 1 to 32 characters of [a-z0-9-].
    pub id: mn_str,
    /// Version of the codec, for people to read.
    pub version: mn_str,
    /// Description in one line.
    pub description: mn_str,
    /// Chooses how to encode `source` within `limits`. `options` is one JSON object, or empty. Returns
    /// MN_UNSUPPORTED and names the limit that cannot be met, or MN_BAD_ARGUMENT and names the wrong option.
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
    /// Sets the properties of `choice`, which depend on nothing else. The choice may come from a peer:
    /// returns MN_BAD_ARGUMENT if `propose` never makes it.
    pub encoding: Option<
        unsafe extern "C" fn(
            codec: *mut c_void,
            choice: *const mn_choice,
            encoding: *mut mn_encoding,
            error: *mut mn_error,
        ) -> mn_status,
    >,
    /// Creates an encoder.
    pub encoder_new: Option<
        unsafe extern "C" fn(
            codec: *mut c_void,
            choice: *const mn_choice,
            encoder: *mut *mut c_void,
            error: *mut mn_error,
        ) -> mn_status,
    >,
    /// Encodes `frames` frames, at most packet_frames, into one packet. Sets `len` to its length in bytes, or
    /// to 0 if the encoder needs more audio first.
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
    /// Writes buffered audio at the end of a chunk, one packet per call. Sets `len` to 0 if nothing is left.
    /// NULL: the encoder buffers nothing.
    pub flush: Option<
        unsafe extern "C" fn(
            encoder: *mut c_void,
            packet: *mut u8,
            capacity: u32,
            len: *mut u32,
            error: *mut mn_error,
        ) -> mn_status,
    >,
    /// Returns the encoder to its initial state.
    pub encoder_reset: Option<unsafe extern "C" fn(encoder: *mut c_void, error: *mut mn_error) -> mn_status>,
    /// Frees the encoder.
    pub encoder_free: Option<unsafe extern "C" fn(encoder: *mut c_void)>,
    /// Creates a decoder. Format and configuration come from a peer, so the codec checks them.
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
    /// Decodes one packet, which comes from a peer and may hold any bytes. `pcm` has room for `capacity`
    /// frames. Sets `frames` to the number written, which may be 0. Returns MN_CORRUPT if the packet is not
    /// one of this codec, MN_NO_SPACE if `pcm` is too short. Does not block, and does not allocate after the
    /// first packets.
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
    /// Returns the decoder to its initial state.
    pub decoder_reset: Option<unsafe extern "C" fn(decoder: *mut c_void, error: *mut mn_error) -> mn_status>,
    /// Frees the decoder.
    pub decoder_free: Option<unsafe extern "C" fn(decoder: *mut c_void)>,
    /// Returns the codec's extension that has this id, or NULL if there is none. The function pointer itself may be NULL.
    pub get_extension: Option<unsafe extern "C" fn(codec: *mut c_void, id: mn_str) -> *const c_void>,
}
