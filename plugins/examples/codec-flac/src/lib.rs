//! FLAC (RFC 9639): what PCM carries, bit for bit, in about half of the bytes.
//!
//! | source | parameters | exact |
//! |---|---|---|
//! | 8 to 16 bits | `s16` | yes |
//! | 17 to 24 bits | `s24` | yes |
//! | float, lossy (MP3, Vorbis, …), 32 bits | refused: FLAC would round them | |
//!
//! A packet is one FLAC frame of 4096 samples a channel, the last of a chunk maybe shorter, and the configuration is the
//! STREAMINFO block, so a chunk with `fLaC` and that block before it is a FLAC file.
//!
//! The encoder is the crate `flac-codec`, which is safe Rust, writes single frames, and writes the same ones on every
//! machine. The decoder is our own, because what it is given comes from a peer: it must not panic, nor allocate.

mod bits;
mod frame;
mod shape;
mod stream;

use media_plugin_sdk::{
    AudioFormat, Choice, Codec, CodecInfo, CodecRegistration, Decoder, Encoder, Encoding, Limits,
    PluginError, Result, SampleType, SourceFormat, inventory,
};
use shape::{Depth, Shape};

inventory::submit! { CodecRegistration(|| Box::new(Flac)) }

media_plugin_sdk::export_plugin! {
    id: "codec-flac",
    version: env!("CARGO_PKG_VERSION"),
    provides: "codec:flac",
}

/// Frames in a packet: the most common block size of FLAC files, 85 ms at 48 kHz.
const PACKET_FRAMES: u16 = 4096;

/// The codec.
pub struct Flac;

impl Codec for Flac {
    fn info(&self) -> CodecInfo {
        CodecInfo {
            id: "flac".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            description: "FLAC in 16 or 24 bits, bit-exact, at about half of PCM's bytes".into(),
            lossless: true,
        }
    }

    fn propose(&self, source: &SourceFormat, limits: &Limits, options: &str) -> Result<Choice> {
        no_options(options)?;
        let depth = match source.sample {
            SampleType::S16 => Depth::S16,
            SampleType::S24 => Depth::S24,
            SampleType::S32 | SampleType::F32 => {
                return Err(PluginError::Unsupported(
                    "FLAC would round a source that is lossy, in floating point or in 32 bits; take another codec"
                        .into(),
                ));
            }
        };
        let channels = limits.channels.unwrap_or(u16::MAX).min(source.format.channels);
        let shape = Shape::new(AudioFormat { channels, ..source.format }, depth)?;
        let (nominal, most) = (shape.bitrate(), limits.bitrate.unwrap_or(u32::MAX));
        if nominal > most {
            return Err(PluginError::Unsupported(format!(
                "FLAC at {} takes about {nominal} bit/s and the limit is {most}; raise the limit or take another codec",
                shape.format
            )));
        }
        Ok(Choice { format: shape.format, params: depth.name().into() })
    }

    fn encoding(&self, choice: &Choice) -> Result<Encoding> {
        let shape = shape_of(choice)?;
        Ok(Encoding {
            choice: choice.clone(),
            bitrate: shape.bitrate(),
            config: shape.streaminfo().into(),
            packet_frames: PACKET_FRAMES.into(),
            whole_packets: false,
            lead_in: 0,
            lookahead: 0,
            crossfade: 0,
            max_packet_bytes: shape.max_packet_bytes(),
        })
    }

    fn encoder(&self, choice: &Choice) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(stream::FlacEncoder::new(shape_of(choice)?)))
    }

    fn decoder(&self, format: AudioFormat, config: &[u8]) -> Result<Box<dyn Decoder>> {
        let shape = Shape::of_streaminfo(config)?;
        if shape.format != format {
            return Err(PluginError::BadArgument(format!("FLAC of {} cannot give {format}", shape.format)));
        }
        Ok(Box::new(stream::FlacDecoder::new(shape)))
    }
}

fn shape_of(choice: &Choice) -> Result<Shape> {
    Shape::new(choice.format, Depth::named(&choice.params)?)
}

fn no_options(options: &str) -> Result<()> {
    let options: serde_json::Map<String, serde_json::Value> = match options {
        "" => return Ok(()),
        json => serde_json::from_str(json).map_err(|e| {
            PluginError::BadArgument(format!("the options of codec flac are no JSON object: {e}"))
        })?,
    };
    match options.keys().next() {
        None => Ok(()),
        Some(key) => {
            Err(PluginError::BadArgument(format!("codec flac has no option \"{key}\", nor any other")))
        }
    }
}
