//! Raw PCM: interleaved little-endian samples with nothing around them.
//!
//! | source | parameters | exact |
//! |---|---|---|
//! | 8 to 16 bits | `s16` | yes |
//! | 17 to 24 bits | `s24`, packed in 3 bytes | yes |
//! | float, lossy (MP3, Vorbis, …), 32 bits | `f32` | as exact as the `f32` of the node's own path |
//! | the same, where `f32` is over the bitrate limit | `s24` | to 24 bits; beyond ±1 it clips |
//!
//! A lossy decode is not rounded to 16 bits, because its peaks may pass ±1 and its rounding would have to be dithered.
//! The rate is always the source's: the listener resamples if its output does not take it.

mod sample;

use media_plugin_sdk::{
    AudioFormat, Choice, Codec, CodecInfo, CodecRegistration, Decoder, Encoder, Encoding, Limits,
    PluginError, Result, SampleType, SourceFormat, inventory,
};
use sample::Sample;

inventory::submit! { CodecRegistration(|| Box::new(Pcm)) }

/// The longest packet, in bytes, whatever the rate and channels.
const MAX_PACKET_BYTES: usize = 1 << 20;

/// The codec.
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
        no_options(options)?;
        let channels =
            limits.channels.map_or(source.format.channels, |most| most.min(source.format.channels));
        let format = AudioFormat { channels, ..source.format };
        let wide_enough: &[Sample] = match source.sample {
            SampleType::S16 => &[Sample::S16],
            SampleType::S24 => &[Sample::S24],
            SampleType::S32 | SampleType::F32 => &[Sample::F32, Sample::S24],
        };
        let most = limits.bitrate.unwrap_or(u32::MAX);
        let fits = wide_enough.iter().find(|sample| bitrate(format, **sample) <= most);
        let sample = fits.ok_or_else(|| {
            let least = wide_enough.iter().map(|sample| bitrate(format, *sample)).min().unwrap_or(0);
            PluginError::Unsupported(format!(
                "PCM at {format} takes {least} bit/s and the limit is {most}; raise the limit or take another codec"
            ))
        })?;
        Ok(Choice { format, params: sample.name().into() })
    }

    fn encoding(&self, choice: &Choice) -> Result<Encoding> {
        let sample = Sample::named(choice.params.as_bytes())?;
        valid(choice.format)?;
        let frame_bytes = choice.format.samples(sample.bytes());
        // 20 ms, as with other codecs, unless the packet would be too long.
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
        })
    }

    fn encoder(&self, choice: &Choice) -> Result<Box<dyn Encoder>> {
        let sample = Sample::named(choice.params.as_bytes())?;
        valid(choice.format)?;
        Ok(Box::new(Packer { sample, channels: choice.format.channels.into() }))
    }

    fn decoder(&self, format: AudioFormat, config: &[u8]) -> Result<Box<dyn Decoder>> {
        let sample = Sample::named(config)?;
        valid(format)?;
        Ok(Box::new(Packer { sample, channels: format.channels.into() }))
    }
}

fn bitrate(format: AudioFormat, sample: Sample) -> u32 {
    let bits = format.samples(sample.bytes()) * 8;
    format.rate.saturating_mul(u32::try_from(bits).unwrap_or(u32::MAX))
}

fn valid(format: AudioFormat) -> Result<()> {
    if format.is_valid() {
        return Ok(());
    }
    Err(PluginError::BadArgument(format!("PCM cannot be at {format}")))
}

fn no_options(options: &str) -> Result<()> {
    let options: serde_json::Map<String, serde_json::Value> = match options {
        "" => return Ok(()),
        json => serde_json::from_str(json).map_err(|e| {
            PluginError::BadArgument(format!("the options of codec pcm are no JSON object: {e}"))
        })?,
    };
    match options.keys().next() {
        None => Ok(()),
        Some(key) => {
            Err(PluginError::BadArgument(format!("codec pcm has no option \"{key}\", nor any other")))
        }
    }
}

/// Both directions: PCM keeps no state between packets.
struct Packer {
    sample: Sample,
    channels: usize,
}

impl Encoder for Packer {
    fn encode(&mut self, pcm: &[f32], packet: &mut [u8]) -> Result<usize> {
        if !pcm.len().is_multiple_of(self.channels) {
            let (samples, channels) = (pcm.len(), self.channels);
            return Err(PluginError::BadArgument(format!(
                "{samples} samples are no whole frames of {channels}"
            )));
        }
        let (have, need) = (packet.len(), pcm.len() * self.sample.bytes());
        let packet = packet.get_mut(..need).ok_or(PluginError::NoSpace { have, need })?;
        self.sample.write(pcm, packet);
        Ok(need)
    }

    fn reset(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Decoder for Packer {
    fn decode(&mut self, packet: &[u8], pcm: &mut [f32]) -> Result<usize> {
        let frame_bytes = self.channels * self.sample.bytes();
        if !packet.len().is_multiple_of(frame_bytes) {
            let bytes = packet.len();
            return Err(PluginError::Corrupt(format!(
                "{bytes} bytes of PCM are no whole frames of {frame_bytes}"
            )));
        }
        let (have, need) = (pcm.len(), packet.len() / self.sample.bytes());
        let pcm = pcm.get_mut(..need).ok_or(PluginError::NoSpace { have, need })?;
        self.sample.read(packet, pcm);
        Ok(need / self.channels)
    }

    fn reset(&mut self) -> Result<()> {
        Ok(())
    }
}
