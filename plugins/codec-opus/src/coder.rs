//! Encoder and decoder of libopus. Mono and stereo use a multistream of one stream, which has the same bytes.

use media_plugin_sdk::{Decoder, Encoder, PluginError, Result};
use opus::{ErrorCode, MSDecoder, MSEncoder};

use crate::{
    layout::Layout,
    params::{Application, Params},
};

/// Rate of all encoders and decoders, in frames per second.
pub(crate) const RATE: u32 = 48_000;
/// Frames in a packet: 20 ms.
pub(crate) const PACKET_FRAMES: u32 = 960;
/// Delay of libopus at 48 kHz, in frames: 6.5 ms (`keeps_to_the_suite`).
pub(crate) const LOOKAHEAD: u32 = 312;

/// Packets before a chunk that the encoder encodes and drops, so that its state at the border is about that of the encoder
/// of the chunk before: 160 ms. 16 packets are no better (tests/borders).
pub(crate) const LEAD_PACKETS: u32 = 8;

/// Longest packet, in bytes. A frame has at most 1275 bytes and one byte before it (RFC 6716, section 3.2). In a multistream
/// packet, two more bytes give the length of each stream's part.
pub(crate) fn max_packet_bytes(layout: &Layout) -> u32 {
    u32::from(layout.streams) * (1275 + 3)
}

/// Encoder of one chunk after another, with a reset between them. It returns no packets for the lead-in.
///
/// The first packet of a chunk follows another encoder's packet in a decoder that plays on. It is therefore encoded without
/// prediction from earlier packets (`OPUS_SET_PREDICTION_DISABLED`), so that the difference of the two encoders' states is
/// not heard.
pub(crate) struct OpusEncoder {
    inner: MSEncoder,
    samples: usize,
    max_packet_bytes: usize,
    /// Packets encoded since the start of the chunk, those of the lead-in included; at most [`LEAD_PACKETS`] + 1.
    encoded: u32,
}

impl OpusEncoder {
    pub(crate) fn new(layout: &Layout, params: &Params) -> Result<Self> {
        let (application, signal) = match params.application {
            Application::Audio => (opus::Application::Audio, opus::Signal::Music),
            Application::Voip => (opus::Application::Voip, opus::Signal::Voice),
        };
        let bitrate = i32::try_from(params.bitrate()).unwrap_or(i32::MAX);
        let new_encoder = || {
            let mut inner =
                MSEncoder::new(RATE, layout.streams, layout.coupled, &layout.mapping, application)?;
            inner.set_signal(signal)?;
            inner.set_bitrate(opus::Bitrate::Bits(bitrate))?;
            inner.set_complexity(params.complexity.into())?;
            inner.set_vbr(params.vbr)?;
            Ok(inner)
        };
        Ok(Self {
            inner: new_encoder().map_err(|e| failed(&e))?,
            samples: PACKET_FRAMES as usize * layout.mapping.len(),
            max_packet_bytes: max_packet_bytes(layout) as usize,
            encoded: 0,
        })
    }
}

impl Encoder for OpusEncoder {
    fn encode(&mut self, pcm: &[f32], packet: &mut [u8]) -> Result<usize> {
        if pcm.len() != self.samples {
            let (have, need) = (pcm.len(), self.samples);
            return Err(PluginError::BadArgument(format!("an Opus packet has {need} samples, not {have}")));
        }
        let (have, need) = (packet.len(), self.max_packet_bytes);
        // Always the maximum: libopus lowers the bitrate for a smaller buffer, which would change the bytes.
        let packet = packet.get_mut(..need).ok_or(PluginError::NoSpace { have, need })?;
        let is_border = self.encoded == LEAD_PACKETS;
        if is_border {
            self.inner.set_prediction_disabled(true).map_err(|e| failed(&e))?;
        }
        let bytes = self.inner.encode_float(pcm, packet).map_err(|e| failed(&e))?;
        if is_border {
            self.inner.set_prediction_disabled(false).map_err(|e| failed(&e))?;
        }
        let is_lead_in = self.encoded < LEAD_PACKETS;
        self.encoded = (self.encoded + 1).min(LEAD_PACKETS + 1);
        Ok(if is_lead_in { 0 } else { bytes })
    }

    fn reset(&mut self) -> Result<()> {
        self.encoded = 0;
        // The reset keeps the settings, and an error between the two calls above may have left this one.
        self.inner.set_prediction_disabled(false).map_err(|e| failed(&e))?;
        self.inner.reset_state().map_err(|e| failed(&e))
    }
}

pub(crate) struct OpusDecoder {
    inner: MSDecoder,
    channels: usize,
}

impl OpusDecoder {
    pub(crate) fn new(layout: &Layout) -> Result<Self> {
        let inner =
            MSDecoder::new(RATE, layout.streams, layout.coupled, &layout.mapping).map_err(|e| failed(&e))?;
        Ok(Self { inner, channels: layout.mapping.len() })
    }
}

impl Decoder for OpusDecoder {
    fn decode(&mut self, packet: &[u8], pcm: &mut [f32]) -> Result<usize> {
        // Libopus would treat an empty packet as a lost one.
        if packet.is_empty() {
            return Err(PluginError::Corrupt("Opus packet of 0 bytes".into()));
        }
        let corrupt =
            |e: opus::Error| PluginError::Corrupt(format!("Opus packet of {} bytes: {e}", packet.len()));
        let need = self.channels * opus::packet::get_nb_samples(packet, RATE).map_err(corrupt)?;
        if pcm.len() < need {
            return Err(PluginError::NoSpace { have: pcm.len(), need });
        }
        self.inner.decode_float(packet, pcm, false).map_err(corrupt)
    }

    fn reset(&mut self) -> Result<()> {
        self.inner.reset_state().map_err(|e| failed(&e))
    }
}

fn failed(error: &opus::Error) -> PluginError {
    match error.code() {
        ErrorCode::BadArg => PluginError::BadArgument(format!("libopus refused an argument: {error}")),
        _ => PluginError::Failed(format!("libopus: {error}")),
    }
}
