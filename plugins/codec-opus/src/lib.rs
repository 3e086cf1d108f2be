//! Opus, each chunk encoded afresh and decodable alone.
//!
//! Always at 48 kHz: the node resamples the source, and the listener resamples for an output that takes only other rates.
//! A pair of channels shares a stream, the others have one each, up to 8 channels in the WAVE order; a source with more
//! is offered in stereo.

mod layout;
mod params;
mod stream;

use layout::Layout;
use media_plugin_sdk::{
    AudioFormat, Choice, Codec, CodecInfo, CodecRegistration, Decoder, Encoder, Encoding, Limits,
    PluginError, Result, SourceFormat, inventory,
};
use params::{Options, Params};

inventory::submit! { CodecRegistration(|| Box::new(Opus)) }

/// Frames per second of all that goes in and comes out.
const RATE: u32 = 48_000;
/// Frames in a packet: 20 ms.
const PACKET_FRAMES: u32 = 960;

/// Frames by which libopus delays at 48 kHz: 6.5 ms.
const LOOKAHEAD: u32 = 312;

/// The codec.
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

    /// `limits.rates` is not looked at, as the rate is always 48 kHz.
    fn propose(&self, source: &SourceFormat, limits: &Limits, options: &str) -> Result<Choice> {
        let most = limits.channels.unwrap_or(Layout::MAX_CHANNELS).min(Layout::MAX_CHANNELS);
        let channels = if source.format.channels <= most { source.format.channels } else { most.min(2) };
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
            // On a real song at 96 kbit/s borders lost 0.43 dB to a continuous decode with a crossfade of 10 ms, nothing
            // with one of 20 ms; with that, lead-ins of 40 and 80 ms changed it by less than 0.1 dB and cost more.
            lead_in: PACKET_FRAMES,
            lookahead: LOOKAHEAD,
            crossfade: PACKET_FRAMES,
            max_packet_bytes: stream::max_packet_bytes(&layout),
        })
    }

    fn encoder(&self, choice: &Choice) -> Result<Box<dyn Encoder>> {
        let params: Params = choice.params.parse()?;
        Ok(Box::new(stream::OpusEncoder::new(&layout_at(choice.format)?, &params)?))
    }

    fn decoder(&self, format: AudioFormat, config: &[u8]) -> Result<Box<dyn Decoder>> {
        let layout = Layout::from_config(config)?;
        if format != (AudioFormat { rate: RATE, channels: layout.channels() }) {
            let channels = layout.channels();
            return Err(PluginError::BadArgument(format!(
                "Opus for {RATE} Hz, {channels} channels cannot give {format}"
            )));
        }
        Ok(Box::new(stream::OpusDecoder::new(&layout)?))
    }
}

fn layout_at(format: AudioFormat) -> Result<Layout> {
    if format.rate != RATE {
        return Err(PluginError::BadArgument(format!(
            "Opus is at {RATE} Hz here, not at {} Hz",
            format.rate
        )));
    }
    Layout::of(format.channels)
}
