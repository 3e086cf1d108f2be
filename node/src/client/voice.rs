//! One track on its way from packets to the sink: decoder, splicer, converter.

use std::sync::Arc;

use media_plugin_host::Registry;
use media_plugin_sdk::{AudioFormat, Decoder, PluginError};
use media_protocol::{ChunkIndex, FrameIndex, Info, Position, TrackId};

use super::{sink::Sink, splice::Splicer};
use crate::convert::Converter;

/// See the module.
pub(super) struct Voice {
    info: Arc<Info>,
    from: FrameIndex,
    decoder: Box<dyn Decoder>,
    splicer: Splicer,
    converter: Converter,
    /// Frames to pass over until `from`.
    unheard: u64,
    /// What the decoder writes into, one packet.
    decoded: Vec<f32>,
    /// What the splicer writes into.
    joined: Vec<f32>,
    /// Packets damaged since somebody looked.
    pub(super) damaged: u64,
    /// Whether the track is complete.
    pub(super) ended: bool,
}

impl Voice {
    /// The most frames that a packet may decode to.
    const MAX_FRAMES: usize = 65_536;

    /// A voice for a track from a frame on, into the sink's present format.
    pub(super) fn new(
        info: Arc<Info>,
        from: FrameIndex,
        registry: &Registry,
        sink: &Sink,
    ) -> Result<Self, String> {
        let rendition = &info.rendition;
        let format = format_of(&info);
        let codec = registry.codec(&rendition.id.codec).map_err(|error| error.to_string())?;
        let decoder = codec
            .decoder(format, &rendition.config)
            .map_err(|error| format!("{} decoder for {}: {error}", rendition.id.codec, info.track.title))?;
        let converter = Converter::new(format, sink.format())
            .map_err(|error| format!("converting {format} to {}: {error}", sink.format()))?;
        Ok(Self {
            decoder,
            splicer: Splicer::new(rendition),
            converter,
            unheard: 0,
            decoded: vec![0.0; format.samples(rendition.packet_frames as usize)],
            joined: Vec::new(),
            damaged: 0,
            ended: false,
            from,
            info,
        })
    }

    /// Goes on into the sink's new format.
    pub(super) fn retarget(&mut self, sink: &Sink) -> Result<(), PluginError> {
        self.converter = Converter::new(format_of(&self.info), sink.format())?;
        Ok(())
    }

    pub(super) fn track(&self) -> TrackId {
        self.info.track.id.clone()
    }

    /// Where it began.
    pub(super) fn from(&self) -> Position {
        Position::of_frame(self.from, self.info.rendition.id.rate)
    }

    pub(super) fn start_chunk(&mut self, index: ChunkIndex) -> Result<(), PluginError> {
        let rendition = &self.info.rendition;
        self.unheard = self.from.0.saturating_sub(index.first_frame(rendition.id.rate).0);
        self.splicer.start(index, rendition.frames_in(index));
        self.decoder.reset()
    }

    /// Where a packet is damaged silence takes its place, so that nothing shifts.
    pub(super) fn decode(&mut self, packet: &[u8], sink: &mut Sink) -> Result<(), PluginError> {
        let channels = usize::from(self.info.rendition.id.channels);
        let mut result = self.decoder.decode(packet, &mut self.decoded);
        if let Err(PluginError::NoSpace { need, .. }) = result
            && (self.decoded.len()..=Self::MAX_FRAMES * channels).contains(&need)
        {
            self.decoded.resize(need, 0.0);
            result = self.decoder.decode(packet, &mut self.decoded);
        }
        let frames = match result {
            Ok(frames) => frames,
            Err(PluginError::Corrupt(_) | PluginError::NoSpace { .. }) => {
                self.damaged += 1;
                let frames = self.info.rendition.packet_frames as usize;
                self.decoded[..frames * channels].fill(0.0);
                frames
            }
            Err(other) => return Err(other),
        };
        self.splicer.push(&self.decoded[..frames * channels], &mut self.joined);
        self.hand_on(sink);
        Ok(())
    }

    /// Always `Ok`, as its neighbours may not be.
    pub(super) fn end_chunk(&mut self, sink: &mut Sink) -> Result<(), PluginError> {
        self.splicer.end(&mut self.joined);
        self.hand_on(sink);
        Ok(())
    }

    /// Always `Ok`, as its neighbours may not be.
    pub(super) fn end(&mut self, sink: &mut Sink) -> Result<(), PluginError> {
        self.ended = true;
        sink.fill(|out| self.converter.flush(out));
        Ok(())
    }

    fn hand_on(&mut self, sink: &mut Sink) {
        let channels = usize::from(self.info.rendition.id.channels);
        let skipped = (self.joined.len() / channels).min(usize::try_from(self.unheard).unwrap_or(usize::MAX));
        self.unheard -= skipped as u64;
        let heard = &self.joined[skipped * channels..];
        sink.fill(|out| self.converter.push(heard, out));
        self.joined.clear();
    }
}

/// What a rendition decodes to.
pub(super) fn format_of(info: &Info) -> AudioFormat {
    AudioFormat { rate: info.rendition.id.rate, channels: info.rendition.id.channels }
}
