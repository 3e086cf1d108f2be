use media_plugin_sdk::{Decoder, Encoder, PluginError, Result};

use crate::samples::SampleFormat;

/// Encoder and decoder. PCM has no state between packets.
pub(crate) struct PcmCoder {
    pub(crate) sample: SampleFormat,
    pub(crate) channels: usize,
}

impl Encoder for PcmCoder {
    fn encode(&mut self, pcm: &[f32], packet: &mut [u8]) -> Result<usize> {
        if !pcm.len().is_multiple_of(self.channels) {
            let (samples, channels) = (pcm.len(), self.channels);
            return Err(PluginError::BadArgument(format!(
                "{samples} samples are not a whole number of frames of {channels} channels"
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

impl Decoder for PcmCoder {
    fn decode(&mut self, packet: &[u8], pcm: &mut [f32]) -> Result<usize> {
        let frame_bytes = self.channels * self.sample.bytes();
        if !packet.len().is_multiple_of(frame_bytes) {
            let bytes = packet.len();
            return Err(PluginError::Corrupt(format!(
                "{bytes} bytes of PCM are not a whole number of frames of {frame_bytes} bytes"
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
