use std::{ffi::c_void, mem::offset_of};

use media_plugin_abi::{
    MN_CODEC_LOSSLESS, MN_NO_LIMIT, mn_choice, mn_codec, mn_encoding, mn_error, mn_format, mn_limits,
    mn_source, mn_status, mn_str,
};

use super::call::{Instance, abi_format, format, input, number, read, room, sample, status, text};
use crate::{
    codec::{Choice, Codec, Decoder, Encoder, Limits},
    error::{PluginError, Result},
    format::SourceFormat,
};

/// Creates the table of a codec. The codec is never dropped.
pub(super) fn table(codec: Box<dyn Codec>) -> mn_codec {
    let info = codec.info();
    let leaked = |text: String| mn_str::new(String::leak(text));
    mn_codec {
        struct_size: size_of::<mn_codec>() as u32,
        flags: if info.lossless { MN_CODEC_LOSSLESS } else { 0 },
        object: Box::into_raw(Box::new(codec)).cast(),
        id: leaked(info.id),
        version: leaked(info.version),
        description: leaked(info.description),
        propose: Some(propose),
        encoding: Some(encoding),
        encoder_new: Some(encoder_new),
        encode: Some(encode),
        flush: Some(flush),
        encoder_reset: Some(encoder_reset),
        encoder_free: Some(encoder_free),
        decoder_new: Some(decoder_new),
        decode: Some(decode),
        decoder_reset: Some(decoder_reset),
        decoder_free: Some(decoder_free),
        get_extension: None,
    }
}

/// # Safety
/// `object` comes from [`table`].
unsafe fn codec<'a>(object: *mut c_void) -> &'a dyn Codec {
    // SAFETY: `object` points to a box that `table` leaked, and `Codec` is `Sync`.
    unsafe { &**object.cast::<Box<dyn Codec>>() }
}

/// # Safety
/// `choice` is a struct of the host.
unsafe fn choice(choice: *const mn_choice) -> Result<Choice> {
    // SAFETY: guaranteed by the caller.
    let choice = unsafe { read(choice) }?;
    let params = choice.params.map(|c| c as u8);
    let params = params.get(..choice.params_len as usize).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let params = params.ok_or_else(|| {
        PluginError::BadArgument("the parameters are not UTF-8 text of at most 32 bytes".into())
    })?;
    Ok(Choice { format: format(choice.format)?, params: params.into() })
}

// SAFETY of all functions below: the host keeps to the header. `object` comes from `table`; `encoder` and
// `decoder` come from `Instance::leak`. Structs, buffers and texts belong to the host, have their declared
// sizes, and are valid during the call.

unsafe extern "C" fn propose(
    object: *mut c_void,
    source: *const mn_source,
    limits: *const mn_limits,
    options: mn_str,
    out: *mut mn_choice,
    error: *mut mn_error,
) -> mn_status {
    // SAFETY: see above. All fields written are of version 1.0.
    unsafe {
        status(error, || {
            let source = read(source)?;
            let source = SourceFormat { format: format(source.format)?, sample: sample(source.sample)? };
            let choice = codec(object).propose(&source, &self::limits(limits)?, text(options)?)?;
            let room = (*out).params.len();
            let params = choice.params.as_bytes().get(..choice.params.len().min(room)).unwrap_or_default();
            let field = (&raw mut (*out).params).cast::<u8>();
            field.copy_from_nonoverlapping(params.as_ptr(), params.len());
            (*out).params_len = number(choice.params.len());
            (*out).format = abi_format(choice.format);
            Ok(())
        })
    }
}

unsafe fn limits(limits: *const mn_limits) -> Result<Limits> {
    // SAFETY: see above.
    let limits = unsafe { read(limits) }?;
    let limit = |value| Some(value).filter(|value| *value != MN_NO_LIMIT);
    // SAFETY: see above.
    let rates = unsafe { input(limits.rates, limits.rate_count as usize) };
    let channels = limit(limits.channels).map(|most| u16::try_from(most).unwrap_or(u16::MAX));
    Ok(Limits { bitrate: limit(limits.bitrate), rates: rates.to_vec(), channels })
}

unsafe extern "C" fn encoding(
    object: *mut c_void,
    choice: *const mn_choice,
    out: *mut mn_encoding,
    error: *mut mn_error,
) -> mn_status {
    // SAFETY: see above. The fields written are of version 1.0, but for `joinable`, which the size of the host's struct
    // is checked for.
    unsafe {
        status(error, || {
            let choice = self::choice(choice)?;
            let encoding = codec(object).encoding(&choice)?;
            if encoding.choice != choice {
                let other = encoding.choice;
                return Err(PluginError::Failed(format!(
                    "asked about {choice:?}, the codec answered about {other:?}"
                )));
            }
            (*out).bitrate = encoding.bitrate;
            (*out).packet_frames = encoding.packet_frames;
            (*out).whole_packets = encoding.whole_packets.into();
            (*out).lead_in = encoding.lead_in;
            (*out).lookahead = encoding.lookahead;
            (*out).crossfade = encoding.crossfade;
            (*out).max_packet_bytes = encoding.max_packet_bytes;
            let room = (*out).config.len();
            let config = encoding.config.get(..encoding.config.len().min(room)).unwrap_or_default();
            let field = (&raw mut (*out).config).cast::<u8>();
            field.copy_from_nonoverlapping(config.as_ptr(), config.len());
            (*out).config_len = number(encoding.config.len());
            let end_of_joinable = offset_of!(mn_encoding, joinable) + size_of::<u32>();
            if (*out).struct_size as usize >= end_of_joinable {
                (*out).joinable = encoding.joinable.into();
            } else if encoding.joinable {
                return Err(PluginError::Unsupported(
                    "this codec needs a node with joinable chunks (plugin interface 1.2)".into(),
                ));
            }
            Ok(())
        })
    }
}

unsafe extern "C" fn encoder_new(
    object: *mut c_void,
    choice: *const mn_choice,
    out: *mut *mut c_void,
    error: *mut mn_error,
) -> mn_status {
    // SAFETY: see above.
    unsafe {
        status(error, || {
            let choice = self::choice(choice)?;
            *out = Instance::leak(codec(object).encoder(&choice)?, choice.format.channels);
            Ok(())
        })
    }
}

unsafe extern "C" fn encode(
    encoder: *mut c_void,
    pcm: *const f32,
    frames: u32,
    packet: *mut u8,
    capacity: u32,
    len: *mut u32,
    error: *mut mn_error,
) -> mn_status {
    // SAFETY: see above.
    unsafe {
        Instance::<dyn Encoder>::call(encoder, error, |encoder, channels| {
            let pcm = input(pcm, frames as usize * channels);
            let packet = room(packet, capacity as usize);
            *len = number(encoder.encode(pcm, packet)?);
            Ok(())
        })
    }
}

unsafe extern "C" fn flush(
    encoder: *mut c_void,
    packet: *mut u8,
    capacity: u32,
    len: *mut u32,
    error: *mut mn_error,
) -> mn_status {
    // SAFETY: see above.
    unsafe {
        Instance::<dyn Encoder>::call(encoder, error, |encoder, _| {
            *len = number(encoder.flush(room(packet, capacity as usize))?);
            Ok(())
        })
    }
}

unsafe extern "C" fn encoder_reset(encoder: *mut c_void, error: *mut mn_error) -> mn_status {
    // SAFETY: see above.
    unsafe { Instance::<dyn Encoder>::call(encoder, error, |encoder, _| encoder.reset()) }
}

unsafe extern "C" fn encoder_free(encoder: *mut c_void) {
    // SAFETY: see above.
    unsafe { Instance::<dyn Encoder>::free(encoder) }
}

unsafe extern "C" fn decoder_new(
    object: *mut c_void,
    format: mn_format,
    config: *const u8,
    config_len: u32,
    out: *mut *mut c_void,
    error: *mut mn_error,
) -> mn_status {
    // SAFETY: see above.
    unsafe {
        status(error, || {
            let format = self::format(format)?;
            let decoder = codec(object).decoder(format, input(config, config_len as usize))?;
            *out = Instance::leak(decoder, format.channels);
            Ok(())
        })
    }
}

unsafe extern "C" fn decode(
    decoder: *mut c_void,
    packet: *const u8,
    len: u32,
    pcm: *mut f32,
    capacity: u32,
    frames: *mut u32,
    error: *mut mn_error,
) -> mn_status {
    // SAFETY: see above.
    unsafe {
        Instance::<dyn Decoder>::call(decoder, error, |decoder, channels| {
            let packet = input(packet, len as usize);
            let pcm = room(pcm, capacity as usize * channels);
            *frames = number(decoder.decode(packet, pcm)?);
            Ok(())
        })
    }
}

unsafe extern "C" fn decoder_reset(decoder: *mut c_void, error: *mut mn_error) -> mn_status {
    // SAFETY: see above.
    unsafe { Instance::<dyn Decoder>::call(decoder, error, |decoder, _| decoder.reset()) }
}

unsafe extern "C" fn decoder_free(decoder: *mut c_void) {
    // SAFETY: see above.
    unsafe { Instance::<dyn Decoder>::free(decoder) }
}
