use std::{ffi::c_void, ptr};

use media_plugin_abi::{
    MN_CODEC_LOSSLESS, MN_MAX_STRING, MN_NO_LIMIT, mn_choice, mn_codec, mn_encoding, mn_limits, mn_source,
};
use media_plugin_sdk::{
    AudioFormat, Choice, Codec, CodecInfo, Decoder, Encoder, Encoding, Limits, PluginError, Result,
    SourceFormat,
};

use super::{
    call::{UNSET, call, flag, format_from_abi, format_to_abi, frames, not_null, number},
    text,
};
use crate::bounds::{self, Checked};

/// Codec of a library. The guard in front of it checks the lengths that it returns.
#[derive(Clone)]
pub(crate) struct LoadedCodec {
    table: mn_codec,
    pub(crate) info: CodecInfo,
}

// SAFETY: the ABI allows calls of a codec from several threads at once; the table is constant.
unsafe impl Send for LoadedCodec {}
// SAFETY: as above.
unsafe impl Sync for LoadedCodec {}

impl LoadedCodec {
    /// Checks the table of a plugin's codec.
    ///
    /// # Safety
    /// `table` is as the ABI defines it and never changes.
    pub(super) unsafe fn new(table: mn_codec) -> Checked<Self> {
        // SAFETY: the caller vouches for the three texts.
        let (id, version, description) = unsafe {
            (
                text::one_line_of("codec's id", table.id)?,
                text::one_line_of("codec's version", table.version)?,
                text::one_line_of("codec's description", table.description)?,
            )
        };
        bounds::check_id(&id).map_err(|e| e.to_string())?;
        let required = [
            ("propose", table.propose.is_some()),
            ("encoding", table.encoding.is_some()),
            ("encoder_new", table.encoder_new.is_some()),
            ("encode", table.encode.is_some()),
            ("encoder_reset", table.encoder_reset.is_some()),
            ("encoder_free", table.encoder_free.is_some()),
            ("decoder_new", table.decoder_new.is_some()),
            ("decode", table.decode.is_some()),
            ("decoder_reset", table.decoder_reset.is_some()),
            ("decoder_free", table.decoder_free.is_some()),
        ];
        if let Some((name, _)) = required.iter().find(|(_, present)| !present) {
            return Err(format!("its codec {id} has no function {name}"));
        }
        let lossless = table.flags & MN_CODEC_LOSSLESS != 0;
        Ok(Self { table, info: CodecInfo { id, version, description, lossless } })
    }
}

impl Codec for LoadedCodec {
    fn info(&self) -> CodecInfo {
        self.info.clone()
    }

    fn propose(&self, source: &SourceFormat, limits: &Limits, options: &str) -> Result<Choice> {
        let too_long = || {
            let (id, most) = (&self.info.id, MN_MAX_STRING);
            PluginError::BadArgument(format!("the options of codec {id} have more than {most} bytes"))
        };
        let options = text::to_abi(options).ok_or_else(too_long)?;
        let source = mn_source {
            struct_size: size_of::<mn_source>() as u32,
            sample: source.sample.to_abi(),
            format: format_to_abi(source.format),
        };
        let limits = mn_limits {
            struct_size: size_of::<mn_limits>() as u32,
            bitrate: limits.bitrate.unwrap_or(MN_NO_LIMIT),
            channels: limits.channels.map_or(MN_NO_LIMIT, u32::from),
            rate_count: number("rates", limits.rates.len())?,
            rates: limits.rates.as_ptr(),
        };
        let format = AudioFormat { rate: UNSET, channels: 0 };
        let mut choice = abi_choice(&Choice { format, params: String::new() });
        choice.params_len = UNSET;
        let table = &self.table;
        let choice_out = &raw mut choice;
        // SAFETY: the host owns the structs, the text and the array, which live until the call returns.
        unsafe {
            call!(table, propose(table.object, &raw const source, &raw const limits, options, choice_out))
        }?;
        let bytes = choice.params.map(|c| c as u8);
        let Some(params) = bytes.get(..choice.params_len as usize) else {
            let len = choice.params_len;
            return Err(PluginError::Failed(format!(
                "the plugin wrote {len} bytes of parameters, more than 32"
            )));
        };
        // The guard refuses parameters that are not UTF-8, because of the replacement character.
        Ok(Choice { format: format_from_abi(choice.format), params: String::from_utf8_lossy(params).into() })
    }

    fn encoding(&self, choice: &Choice) -> Result<Encoding> {
        let mut encoding = mn_encoding {
            struct_size: size_of::<mn_encoding>() as u32,
            bitrate: UNSET,
            packet_frames: UNSET,
            whole_packets: UNSET,
            lead_in: UNSET,
            lookahead: UNSET,
            crossfade: UNSET,
            max_packet_bytes: UNSET,
            config_len: UNSET,
            config: [0; 4096],
            // Plugins of version 1.0 and 1.1 do not set it.
            joinable: 0,
        };
        let table = &self.table;
        let requested = abi_choice(choice);
        // SAFETY: the host owns the structs, which live until the call returns.
        unsafe { call!(table, encoding(table.object, &raw const requested, &raw mut encoding)) }?;
        let Some(config) = encoding.config.get(..encoding.config_len as usize) else {
            let len = encoding.config_len;
            return Err(PluginError::Failed(format!(
                "the plugin wrote {len} bytes of configuration, more than 4096"
            )));
        };
        Ok(Encoding {
            choice: choice.clone(),
            bitrate: encoding.bitrate,
            config: config.to_vec(),
            packet_frames: encoding.packet_frames,
            whole_packets: flag("whole_packets", encoding.whole_packets)?,
            lead_in: encoding.lead_in,
            lookahead: encoding.lookahead,
            crossfade: encoding.crossfade,
            max_packet_bytes: encoding.max_packet_bytes,
            joinable: flag("joinable", encoding.joinable)?,
        })
    }

    fn encoder(&self, choice: &Choice) -> Result<Box<dyn Encoder>> {
        let table = self.table;
        let requested = abi_choice(choice);
        let mut instance = ptr::null_mut();
        // SAFETY: the host owns the structs, which live until the call returns.
        unsafe { call!(table, encoder_new(table.object, &raw const requested, &raw mut instance)) }?;
        let instance = not_null(instance)?;
        Ok(Box::new(LoadedEncoder { table, instance, channels: choice.format.channels }))
    }

    fn decoder(&self, format: AudioFormat, config: &[u8]) -> Result<Box<dyn Decoder>> {
        let table = self.table;
        let len = number("bytes", config.len())?;
        let mut instance = ptr::null_mut();
        let out = &raw mut instance;
        // SAFETY: the configuration and the pointer live until the call returns.
        unsafe { call!(table, decoder_new(table.object, format_to_abi(format), config.as_ptr(), len, out)) }?;
        let instance = not_null(instance)?;
        Ok(Box::new(LoadedDecoder { table, instance, channels: format.channels }))
    }
}

/// Converts a choice whose parameters fit their field, as the guard has checked.
fn abi_choice(choice: &Choice) -> mn_choice {
    let mut params = [0; 32];
    for (to, from) in params.iter_mut().zip(choice.params.bytes()) {
        *to = from as _;
    }
    mn_choice {
        struct_size: size_of::<mn_choice>() as u32,
        params_len: choice.params.len() as u32,
        format: format_to_abi(choice.format),
        params,
    }
}

struct LoadedEncoder {
    table: mn_codec,
    instance: *mut c_void,
    channels: u16,
}

// SAFETY: the ABI allows calls of an instance from any thread, one at a time.
unsafe impl Send for LoadedEncoder {}

impl Encoder for LoadedEncoder {
    fn encode(&mut self, pcm: &[f32], packet: &mut [u8]) -> Result<usize> {
        let frames = frames(pcm.len(), self.channels)?;
        let capacity = number("bytes", packet.len())?;
        let mut len = UNSET;
        let (bytes, have) = (packet.as_mut_ptr(), packet.len());
        // SAFETY: a live instance of this table; buffers with their lengths.
        unsafe {
            call!(
                self.table,
                encode(self.instance, pcm.as_ptr(), frames, bytes, capacity, &raw mut len),
                have have
            )
        }?;
        Ok(len as usize)
    }

    fn flush(&mut self, packet: &mut [u8]) -> Result<usize> {
        if self.table.flush.is_none() {
            return Ok(0);
        }
        let capacity = number("bytes", packet.len())?;
        let mut len = UNSET;
        let (bytes, have) = (packet.as_mut_ptr(), packet.len());
        // SAFETY: as in `encode`.
        unsafe { call!(self.table, flush(self.instance, bytes, capacity, &raw mut len), have have) }?;
        Ok(len as usize)
    }

    fn reset(&mut self) -> Result<()> {
        // SAFETY: a live instance of this table.
        unsafe { call!(self.table, encoder_reset(self.instance)) }
    }
}

impl Drop for LoadedEncoder {
    fn drop(&mut self) {
        if let Some(free) = self.table.encoder_free {
            // SAFETY: an instance of this table, freed once and not used again.
            unsafe { free(self.instance) }
        }
    }
}

struct LoadedDecoder {
    table: mn_codec,
    instance: *mut c_void,
    channels: u16,
}

// SAFETY: as for the encoder.
unsafe impl Send for LoadedDecoder {}

impl Decoder for LoadedDecoder {
    fn decode(&mut self, packet: &[u8], pcm: &mut [f32]) -> Result<usize> {
        let len = number("bytes", packet.len())?;
        let capacity = number("frames", pcm.len() / usize::from(self.channels))?;
        let mut frames = UNSET;
        let (bytes, samples, have) = (packet.as_ptr(), pcm.as_mut_ptr(), pcm.len());
        // SAFETY: a live instance of this table; buffers with their lengths.
        unsafe {
            call!(self.table, decode(self.instance, bytes, len, samples, capacity, &raw mut frames), have have)
        }?;
        Ok(frames as usize)
    }

    fn reset(&mut self) -> Result<()> {
        // SAFETY: a live instance of this table.
        unsafe { call!(self.table, decoder_reset(self.instance)) }
    }
}

impl Drop for LoadedDecoder {
    fn drop(&mut self) {
        if let Some(free) = self.table.decoder_free {
            // SAFETY: an instance of this table, freed once and not used again.
            unsafe { free(self.instance) }
        }
    }
}
