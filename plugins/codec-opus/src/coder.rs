//! Libopus behind the traits. One stream is a multistream of one, with the same bytes.

use media_plugin_sdk::{Decoder, Encoder, PluginError, Result};
use opus::{ErrorCode, MSDecoder, MSEncoder};

use crate::{
    PACKET_FRAMES, RATE,
    layout::Layout,
    params::{Application, Params},
};

/// A packet of one frame is 1275 bytes and a byte before it at most (RFC 6716, section 3.2); in a multistream, two more
/// bytes say how long it is.
pub(crate) fn max_packet_bytes(layout: &Layout) -> u32 {
    u32::from(layout.streams) * (1275 + 3)
}

pub(crate) struct OpusEncoder {
    inner: MSEncoder,
    samples: usize,
    max_packet_bytes: usize,
}

impl OpusEncoder {
    pub(crate) fn new(layout: &Layout, params: &Params) -> Result<Self> {
        let (application, signal) = match params.application {
            Application::Audio => (opus::Application::Audio, opus::Signal::Music),
            Application::Voip => (opus::Application::Voip, opus::Signal::Voice),
        };
        let bitrate = i32::try_from(params.bitrate()).unwrap_or(i32::MAX);
        let set_up = || {
            let mut inner =
                MSEncoder::new(RATE, layout.streams, layout.coupled, &layout.mapping, application)?;
            inner.set_signal(signal)?;
            inner.set_bitrate(opus::Bitrate::Bits(bitrate))?;
            inner.set_complexity(params.complexity.into())?;
            inner.set_vbr(params.vbr)?;
            Ok(inner)
        };
        Ok(Self {
            inner: set_up().map_err(|e| failed(&e))?,
            samples: PACKET_FRAMES as usize * layout.mapping.len(),
            max_packet_bytes: max_packet_bytes(layout) as usize,
        })
    }
}

impl Encoder for OpusEncoder {
    fn encode(&mut self, pcm: &[f32], packet: &mut [u8]) -> Result<usize> {
        if pcm.len() != self.samples {
            let (have, need) = (pcm.len(), self.samples);
            return Err(PluginError::BadArgument(format!(
                "an Opus packet is made of {need} samples, not of {have}"
            )));
        }
        let (have, need) = (packet.len(), self.max_packet_bytes);
        // Never less, as libopus would then encode to a lower rate.
        let packet = packet.get_mut(..need).ok_or(PluginError::NoSpace { have, need })?;
        self.inner.encode_float(pcm, packet).map_err(|e| failed(&e))
    }

    fn reset(&mut self) -> Result<()> {
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
        // Libopus takes an empty packet for a lost one.
        if packet.is_empty() {
            return Err(PluginError::Corrupt("an empty Opus packet".into()));
        }
        let corrupt = |e: opus::Error| PluginError::Corrupt(format!("{} bytes of Opus: {e}", packet.len()));
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
        ErrorCode::BadArg => PluginError::BadArgument(format!("libopus does not take that: {error}")),
        _ => PluginError::Failed(format!("libopus: {error}")),
    }
}
