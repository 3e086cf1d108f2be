use std::{ffi::c_void, ptr};

use media_plugin_abi::{
    MN_CODEC_LOSSLESS, MN_NO_LIMIT, mn_choice, mn_codec, mn_encoding, mn_limits, mn_source,
};
use media_plugin_sdk::{
    AudioFormat, Choice, Codec, CodecInfo, Decoder, Encoder, Encoding, Limits, PluginError, Result,
    SourceFormat,
};

use super::{
    Checked,
    call::{UNSET, call, flag, frames, from_abi, number, to_abi},
    text,
};
use crate::check;

/// A codec of a library. It stands behind the guard, which checks the lengths that it gives.
#[derive(Clone)]
pub(crate) struct LoadedCodec {
    table: mn_codec,
    pub(crate) info: CodecInfo,
}

// SAFETY: the ABI says that a codec may be called from any thread, at once; the table is constant.
unsafe impl Send for LoadedCodec {}
// SAFETY: as above.
unsafe impl Sync for LoadedCodec {}

impl LoadedCodec {
    /// Checks a table that a plugin gave out.
    ///
    /// # Safety
    /// It is as the ABI says, and stays so.
    pub(super) unsafe fn new(table: mn_codec) -> Checked<Self> {
        // SAFETY: the caller vouches for the three texts.
        let (id, version, description) = unsafe {
            (
                text::bounded("codec's id", table.id)?,
                text::bounded("codec's version", table.version)?,
                text::bounded("codec's description", table.description)?,
            )
        };
        check::id(&id).map_err(|e| e.to_string())?;
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
        if let Some((name, _)) = required.iter().find(|(_, there)| !there) {
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
        let too_long =
            || PluginError::BadArgument(format!("the options of codec {} are too long", self.info.id));
        let options = text::lent(options).ok_or_else(too_long)?;
        let source = mn_source {
            struct_size: size_of::<mn_source>() as u32,
            sample: source.sample.to_abi(),
            format: to_abi(source.format),
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
        let (table, to) = (&self.table, &raw mut choice);
        // SAFETY: structs, texts and arrays of our own that live until the call returns.
        unsafe { call!(table, propose(table.object, &raw const source, &raw const limits, options, to)) }?;
        let bytes = choice.params.map(|c| c as u8);
        let Some(params) = bytes.get(..choice.params_len as usize) else {
            let len = choice.params_len;
            return Err(PluginError::Failed(format!(
                "the plugin claims {len} bytes of parameters, 32 at most"
            )));
        };
        // What is no text is refused by the guard, with what it looks like.
        Ok(Choice { format: from_abi(choice.format), params: String::from_utf8_lossy(params).into() })
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
        };
        let (table, asked) = (&self.table, abi_choice(choice));
        // SAFETY: structs of our own that live until the call returns.
        unsafe { call!(table, encoding(table.object, &raw const asked, &raw mut encoding)) }?;
        let Some(config) = encoding.config.get(..encoding.config_len as usize) else {
            let len = encoding.config_len;
            return Err(PluginError::Failed(format!(
                "the plugin claims {len} bytes of configuration, 4096 at most"
            )));
        };
        Ok(Encoding {
            choice: choice.clone(),
            bitrate: encoding.bitrate,
            config: config.to_vec(),
            packet_frames: encoding.packet_frames,
            whole_packets: flag("packets are whole", encoding.whole_packets)?,
            lead_in: encoding.lead_in,
            lookahead: encoding.lookahead,
            crossfade: encoding.crossfade,
            max_packet_bytes: encoding.max_packet_bytes,
        })
    }

    fn encoder(&self, choice: &Choice) -> Result<Box<dyn Encoder>> {
        let (table, asked, mut instance) = (self.table, abi_choice(choice), ptr::null_mut());
        // SAFETY: structs of our own that live until the call returns.
        unsafe { call!(table, encoder_new(table.object, &raw const asked, &raw mut instance)) }?;
        let instance = made(instance)?;
        Ok(Box::new(LoadedEncoder { table, instance, channels: choice.format.channels }))
    }

    fn decoder(&self, format: AudioFormat, config: &[u8]) -> Result<Box<dyn Decoder>> {
        let (table, mut instance) = (self.table, ptr::null_mut());
        let (len, to) = (number("bytes", config.len())?, &raw mut instance);
        // SAFETY: the configuration and the pointer live until the call returns.
        unsafe { call!(table, decoder_new(table.object, to_abi(format), config.as_ptr(), len, to)) }?;
        let instance = made(instance)?;
        Ok(Box::new(LoadedDecoder { table, instance, channels: format.channels }))
    }
}

/// `params` is at most as long as its field: the guard has seen to it.
fn abi_choice(choice: &Choice) -> mn_choice {
    let mut params = [0; 32];
    for (to, from) in params.iter_mut().zip(choice.params.bytes()) {
        *to = from as _;
    }
    mn_choice {
        struct_size: size_of::<mn_choice>() as u32,
        params_len: choice.params.len() as u32,
        format: to_abi(choice.format),
        params,
    }
}

/// An instance that a constructor says it made.
pub(super) fn made(instance: *mut c_void) -> Result<*mut c_void> {
    if instance.is_null() {
        return Err(PluginError::Failed("the plugin says that it made an instance, and gave none".into()));
    }
    Ok(instance)
}

struct LoadedEncoder {
    table: mn_codec,
    instance: *mut c_void,
    channels: u16,
}

// SAFETY: the ABI says that an instance may be used on any thread, by one at a time.
unsafe impl Send for LoadedEncoder {}

impl Encoder for LoadedEncoder {
    fn encode(&mut self, pcm: &[f32], packet: &mut [u8]) -> Result<usize> {
        let frames = frames(pcm.len(), self.channels)?;
        let (room, mut len) = (number("bytes", packet.len())?, UNSET);
        let (to, have) = (packet.as_mut_ptr(), packet.len());
        // SAFETY: an instance of this table that lives; buffers with their lengths.
        unsafe {
            call!(self.table, encode(self.instance, pcm.as_ptr(), frames, to, room, &raw mut len), have have)
        }?;
        Ok(len as usize)
    }

    fn flush(&mut self, packet: &mut [u8]) -> Result<usize> {
        if self.table.flush.is_none() {
            return Ok(0);
        }
        let (room, mut len) = (number("bytes", packet.len())?, UNSET);
        let (to, have) = (packet.as_mut_ptr(), packet.len());
        // SAFETY: as in `encode`.
        unsafe { call!(self.table, flush(self.instance, to, room, &raw mut len), have have) }?;
        Ok(len as usize)
    }

    fn reset(&mut self) -> Result<()> {
        // SAFETY: an instance of this table that lives.
        unsafe { call!(self.table, encoder_reset(self.instance)) }
    }
}

impl Drop for LoadedEncoder {
    fn drop(&mut self) {
        if let Some(free) = self.table.encoder_free {
            // SAFETY: an instance of this table, which is not used again.
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
        let room = number("frames", pcm.len() / usize::from(self.channels))?;
        let (from, to, mut frames, have) = (packet.as_ptr(), pcm.as_mut_ptr(), UNSET, pcm.len());
        // SAFETY: an instance of this table that lives; buffers with their lengths.
        unsafe { call!(self.table, decode(self.instance, from, len, to, room, &raw mut frames), have have) }?;
        Ok(frames as usize)
    }

    fn reset(&mut self) -> Result<()> {
        // SAFETY: an instance of this table that lives.
        unsafe { call!(self.table, decoder_reset(self.instance)) }
    }
}

impl Drop for LoadedDecoder {
    fn drop(&mut self) {
        if let Some(free) = self.table.decoder_free {
            // SAFETY: an instance of this table, which is not used again.
            unsafe { free(self.instance) }
        }
    }
}
