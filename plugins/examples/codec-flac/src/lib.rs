//! FLAC (RFC 9639): the same samples as PCM, in about half of the bytes.
//!
//! | source | parameters | exact |
//! |---|---|---|
//! | 8 to 16 bits | `s16` | yes |
//! | 17 to 24 bits | `s24` | yes |
//! | float, lossy (MP3, Vorbis, …), 32 bits | refused: FLAC would round them | |
//!
//! A packet is one FLAC frame of 4096 samples per channel; the last packet of a chunk may be shorter. The configuration is
//! the STREAMINFO block. A chunk with `fLaC` and that block before it is a FLAC file.
//!
//! The encoder is the crate `flac-codec`: safe Rust that writes single frames, the same on every machine. The decoder is
//! written here, because packets come from a peer: it must neither panic nor allocate.

mod bit_reader;
mod coder;
mod crc;
mod frame;
mod options;
mod stream_info;

use coder::{FlacDecoder, FlacEncoder};
use media_plugin_sdk::{
    AudioFormat, Choice, Codec, CodecInfo, CodecRegistration, Decoder, Encoder, Encoding, Limits,
    PluginError, Result, SampleType, SourceFormat, inventory,
};
use stream_info::{Depth, PACKET_FRAMES, StreamInfo};

inventory::submit! { CodecRegistration(|| Box::new(Flac)) }

media_plugin_sdk::export_plugin! {
    id: "codec-flac",
    version: env!("CARGO_PKG_VERSION"),
    provides: "codec:flac",
}

/// The codec `flac`.
pub struct Flac;

impl Codec for Flac {
    fn info(&self) -> CodecInfo {
        CodecInfo {
            id: "flac".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            description: "FLAC in 16 or 24 bits, bit-exact, in about half of PCM's bytes".into(),
            lossless: true,
        }
    }

    fn propose(&self, source: &SourceFormat, limits: &Limits, options: &str) -> Result<Choice> {
        options::check(options)?;
        let depth = match source.sample {
            SampleType::S16 => Depth::S16,
            SampleType::S24 => Depth::S24,
            SampleType::S32 | SampleType::F32 => {
                return Err(PluginError::Unsupported(
                    "FLAC would round a source that is lossy, in floating point or in 32 bits; choose another codec"
                        .into(),
                ));
            }
        };
        let channels = limits.channels.unwrap_or(u16::MAX).min(source.format.channels);
        let info = StreamInfo::new(AudioFormat { channels, ..source.format }, depth)?;
        let (nominal, limit) = (info.bitrate(), limits.bitrate.unwrap_or(u32::MAX));
        if nominal > limit {
            return Err(PluginError::Unsupported(format!(
                "FLAC at {} needs about {nominal} bit/s and the limit is {limit}; raise the limit or choose another codec",
                info.format
            )));
        }
        Ok(Choice { format: info.format, params: depth.name().into() })
    }

    fn encoding(&self, choice: &Choice) -> Result<Encoding> {
        let info = stream_info(choice)?;
        Ok(Encoding {
            choice: choice.clone(),
            bitrate: info.bitrate(),
            config: info.to_block().into(),
            packet_frames: PACKET_FRAMES.into(),
            whole_packets: false,
            lead_in: 0,
            lookahead: 0,
            crossfade: 0,
            max_packet_bytes: info.max_packet_bytes(),
            joinable: true,
        })
    }

    fn encoder(&self, choice: &Choice) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(FlacEncoder::new(stream_info(choice)?)))
    }

    fn decoder(&self, format: AudioFormat, config: &[u8]) -> Result<Box<dyn Decoder>> {
        let info = StreamInfo::from_block(config)?;
        if info.format != format {
            return Err(PluginError::BadArgument(format!(
                "the FLAC configuration is for {}, not for {format}",
                info.format
            )));
        }
        Ok(Box::new(FlacDecoder::new(info)))
    }
}

fn stream_info(choice: &Choice) -> Result<StreamInfo> {
    StreamInfo::new(choice.format, Depth::named(&choice.params)?)
}
