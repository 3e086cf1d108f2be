//! Raw PCM: packets of interleaved little-endian samples, without headers.
//!
//! | source | parameters | exact |
//! |---|---|---|
//! | 8 to 16 bits | `s16` | yes |
//! | 17 to 24 bits | `s24`, packed in 3 bytes | yes |
//! | float, lossy (MP3, Vorbis, …), 32 bits | `f32` | as exact as the `f32` frames of the node |
//! | the same, if `f32` is over the bitrate limit | `s24` | to 24 bits; values beyond ±1 clip |
//!
//! Frames decoded from a lossy source are not rounded to 16 bits: their peaks may exceed ±1, and rounding would need dither.
//! The rate is always the source's. The client resamples if its output needs another rate.

mod coder;
mod options;
mod samples;

use coder::PcmCoder;
use media_plugin_sdk::{
    AudioFormat, Choice, Codec, CodecInfo, CodecRegistration, Decoder, Encoder, Encoding, Limits,
    PluginError, Result, SampleType, SourceFormat, inventory,
};
use samples::SampleFormat;

inventory::submit! { CodecRegistration(|| Box::new(Pcm)) }

/// Longest packet, in bytes, at any rate and channel count: the host's limit. Tested by `a_chunk_is_as_long_as_designed`.
const MAX_PACKET_BYTES: usize = 1 << 20;

/// The codec `pcm`.
pub struct Pcm;

impl Codec for Pcm {
    fn info(&self) -> CodecInfo {
        CodecInfo {
            id: "pcm".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            description: "raw PCM in 16 or 24 bits or float, bit-exact".into(),
            lossless: true,
        }
    }

    fn propose(&self, source: &SourceFormat, limits: &Limits, options: &str) -> Result<Choice> {
        options::check(options)?;
        let channels =
            limits.channels.map_or(source.format.channels, |limit| limit.min(source.format.channels));
        let format = AudioFormat { channels, ..source.format };
        let candidates: &[SampleFormat] = match source.sample {
            SampleType::S16 => &[SampleFormat::S16],
            SampleType::S24 => &[SampleFormat::S24],
            SampleType::S32 | SampleType::F32 => &[SampleFormat::F32, SampleFormat::S24],
        };
        let limit = limits.bitrate.unwrap_or(u32::MAX);
        let fitting = candidates.iter().find(|sample| bitrate(format, **sample) <= limit);
        let sample = fitting.ok_or_else(|| {
            let lowest = candidates.iter().map(|sample| bitrate(format, *sample)).min().unwrap_or(0);
            PluginError::Unsupported(format!(
                "PCM at {format} needs {lowest} bit/s and the limit is {limit}; raise the limit or choose another codec"
            ))
        })?;
        Ok(Choice { format, params: sample.name().into() })
    }

    fn encoding(&self, choice: &Choice) -> Result<Encoding> {
        let sample = SampleFormat::named(choice.params.as_bytes())?;
        check_format(choice.format)?;
        let frame_bytes = choice.format.samples(sample.bytes());
        // Packets of 20 ms, or shorter ones if those would exceed the maximum.
        let packet_frames = (choice.format.rate as usize / 50).clamp(1, MAX_PACKET_BYTES / frame_bytes);
        Ok(Encoding {
            choice: choice.clone(),
            bitrate: bitrate(choice.format, sample),
            config: sample.name().into(),
            packet_frames: u32::try_from(packet_frames).unwrap_or(u32::MAX),
            whole_packets: false,
            lead_in: 0,
            lookahead: 0,
            crossfade: 0,
            max_packet_bytes: u32::try_from(packet_frames * frame_bytes).unwrap_or(u32::MAX),
            joinable: true,
        })
    }

    fn encoder(&self, choice: &Choice) -> Result<Box<dyn Encoder>> {
        let sample = SampleFormat::named(choice.params.as_bytes())?;
        check_format(choice.format)?;
        Ok(Box::new(PcmCoder { sample, channels: choice.format.channels.into() }))
    }

    fn decoder(&self, format: AudioFormat, config: &[u8]) -> Result<Box<dyn Decoder>> {
        let sample = SampleFormat::named(config)?;
        check_format(format)?;
        Ok(Box::new(PcmCoder { sample, channels: format.channels.into() }))
    }
}

fn bitrate(format: AudioFormat, sample: SampleFormat) -> u32 {
    let bits = format.samples(sample.bytes()) * 8;
    format.rate.saturating_mul(u32::try_from(bits).unwrap_or(u32::MAX))
}

fn check_format(format: AudioFormat) -> Result<()> {
    if format.is_valid() {
        return Ok(());
    }
    Err(PluginError::BadArgument(format!("codec pcm does not support {format}")))
}
