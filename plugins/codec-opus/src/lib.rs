//! Opus. A new encoder encodes each chunk, so each chunk can be decoded alone. The chunks are joinable: one decoder can
//! also play them one after another.
//!
//! The rate is always 48 kHz. The node resamples the source, and the client resamples for an output of another rate.
//! Up to 8 channels, in the WAVE order: a pair shares a coupled stream, each other channel has a mono stream. A source with
//! more channels is offered in stereo.

mod coder;
mod layout;
mod options;
mod params;

use coder::{LEAD_PACKETS, LOOKAHEAD, OpusDecoder, OpusEncoder, PACKET_FRAMES, RATE, max_packet_bytes};
use layout::Layout;
use media_plugin_sdk::{
    AudioFormat, Choice, Codec, CodecInfo, CodecRegistration, Decoder, Encoder, Encoding, Limits,
    PluginError, Result, SourceFormat, inventory,
};
use options::Options;
use params::Params;

inventory::submit! { CodecRegistration(|| Box::new(Opus)) }

/// Frames after a chunk that fade into the next one if another decoder plays that: 13.3 ms. They hide the first milliseconds of
/// a decoder that starts at a border (tests/borders). The most that fits into the packet of the lookahead, and a whole
/// number of frames at 44.1 kHz too.
const CROSSFADE: u32 = 640;

/// The codec `opus`.
pub struct Opus;

impl Codec for Opus {
    fn info(&self) -> CodecInfo {
        CodecInfo {
            id: "opus".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            description: format!("Opus at 6 to 510 kbit/s, by {}", opus::version()),
            lossless: false,
        }
    }

    /// Ignores `limits.rates`, because the rate is always 48 kHz.
    fn propose(&self, source: &SourceFormat, limits: &Limits, options: &str) -> Result<Choice> {
        let limit = limits.channels.unwrap_or(Layout::MAX_CHANNELS).min(Layout::MAX_CHANNELS);
        let channels = if source.format.channels <= limit { source.format.channels } else { limit.min(2) };
        let layout = Layout::of(channels)?;
        let params = Options::parse(options)?.params(layout.channels(), limits.bitrate)?;
        Ok(Choice { format: AudioFormat { rate: RATE, channels }, params: params.to_string() })
    }

    fn encoding(&self, choice: &Choice) -> Result<Encoding> {
        let params: Params = choice.params.parse()?;
        let layout = layout_at(choice.format)?;
        Ok(Encoding {
            choice: choice.clone(),
            bitrate: params.bitrate(),
            config: layout.config(),
            packet_frames: PACKET_FRAMES,
            whole_packets: true,
            lead_in: LEAD_PACKETS * PACKET_FRAMES,
            lookahead: LOOKAHEAD,
            crossfade: CROSSFADE,
            max_packet_bytes: max_packet_bytes(&layout),
            joinable: true,
        })
    }

    fn encoder(&self, choice: &Choice) -> Result<Box<dyn Encoder>> {
        let params: Params = choice.params.parse()?;
        Ok(Box::new(OpusEncoder::new(&layout_at(choice.format)?, &params)?))
    }

    fn decoder(&self, format: AudioFormat, config: &[u8]) -> Result<Box<dyn Decoder>> {
        let layout = Layout::from_config(config)?;
        if format != (AudioFormat { rate: RATE, channels: layout.channels() }) {
            let channels = layout.channels();
            return Err(PluginError::BadArgument(format!(
                "the Opus configuration is for {RATE} Hz, {channels} channels, not for {format}"
            )));
        }
        Ok(Box::new(OpusDecoder::new(&layout)?))
    }
}

fn layout_at(format: AudioFormat) -> Result<Layout> {
    if format.rate != RATE {
        return Err(PluginError::BadArgument(format!(
            "codec opus works at {RATE} Hz, not at {} Hz",
            format.rate
        )));
    }
    Layout::of(format.channels)
}
