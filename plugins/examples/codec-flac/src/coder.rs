use std::{
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use flac_codec::encode::{FlacStreamWriter, Options};
use media_plugin_sdk::{Decoder, Encoder, PluginError, Result};

use crate::{
    frame,
    stream_info::{PACKET_FRAMES, StreamInfo},
};

/// Encoder. Numbers its frames from 0, as in a file.
pub(crate) struct FlacEncoder {
    info: StreamInfo,
    writer: FlacStreamWriter<PacketBuffer>,
    packet: PacketBuffer,
    samples: Vec<i32>,
}

/// Destination of the writer, shared with the encoder because the writer owns its destination.
#[derive(Clone, Default)]
struct PacketBuffer(Arc<Mutex<Vec<u8>>>);

impl PacketBuffer {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for PacketBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl FlacEncoder {
    pub(crate) fn new(info: StreamInfo) -> Self {
        let packet = PacketBuffer::default();
        // Trying all four channel assignments saved 0.1 % of the bytes on a song and took 1.7 times as long.
        let options = Options::default().fast_channel_correlation(true);
        Self { info, writer: FlacStreamWriter::new(packet.clone(), options), packet, samples: Vec::new() }
    }
}

impl Encoder for FlacEncoder {
    fn encode(&mut self, pcm: &[f32], packet: &mut [u8]) -> Result<usize> {
        let StreamInfo { format, depth } = self.info;
        let channels = usize::from(format.channels);
        let frames = pcm.len() / channels;
        if !(1..=usize::from(PACKET_FRAMES)).contains(&frames) || !pcm.len().is_multiple_of(channels) {
            let samples = pcm.len();
            return Err(PluginError::BadArgument(format!(
                "{samples} samples are not 1 to {PACKET_FRAMES} frames of {channels} channels"
            )));
        }
        self.samples.clear();
        self.samples.extend(pcm.iter().map(|sample| depth.integer(*sample)));
        self.packet.bytes().clear();
        self.writer
            .write(format.rate, channels as u8, depth.bits().into(), &self.samples)
            .map_err(|e| PluginError::Failed(format!("encoding {frames} frames of FLAC: {e}")))?;
        let bytes = self.packet.bytes();
        let (have, need) = (packet.len(), bytes.len());
        packet.get_mut(..need).ok_or(PluginError::NoSpace { have, need })?.copy_from_slice(&bytes);
        Ok(need)
    }

    fn reset(&mut self) -> Result<()> {
        *self = Self::new(self.info);
        Ok(())
    }
}

pub(crate) struct FlacDecoder {
    info: StreamInfo,
    /// Decoded samples, [`PACKET_FRAMES`] of each channel in turn.
    planes: Vec<i32>,
}

impl FlacDecoder {
    pub(crate) fn new(info: StreamInfo) -> Self {
        Self { info, planes: vec![0; info.format.samples(PACKET_FRAMES.into())] }
    }
}

impl Decoder for FlacDecoder {
    fn decode(&mut self, packet: &[u8], pcm: &mut [f32]) -> Result<usize> {
        let StreamInfo { format, depth } = self.info;
        let frames = frame::decode(packet, self.info, &mut self.planes)
            .map_err(|why| PluginError::Corrupt(format!("FLAC packet of {} bytes: {why}", packet.len())))?;
        let (have, need) = (pcm.len(), format.samples(frames));
        let pcm = pcm.get_mut(..need).ok_or(PluginError::NoSpace { have, need })?;
        for (channel, plane) in self.planes.chunks_exact(PACKET_FRAMES.into()).enumerate() {
            let samples = pcm.iter_mut().skip(channel).step_by(format.channels.into());
            samples.zip(plane).for_each(|(sample, integer)| *sample = *integer as f32 / depth.scale());
        }
        Ok(frames)
    }

    /// Does nothing: frames are independent.
    fn reset(&mut self) -> Result<()> {
        Ok(())
    }
}
