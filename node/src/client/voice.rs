//! One track on its way from packets to the sink: decoder, splicer, converter.

use std::sync::Arc;

use media_plugin_host::Registry;
use media_plugin_sdk::{Decoder, PluginError};
use media_protocol::{ChunkIndex, FrameIndex, Info, Position, Rendition, TrackId};

use super::{
    format::format_of,
    sink::Sink,
    splice::{Fading, Splicer},
};
use crate::convert::Converter;

/// See the module.
pub(super) struct Voice {
    info: Arc<Info>,
    /// Where it began.
    from: Position,
    registry: Arc<Registry>,
    /// What its present chunk is in.
    rendition: Arc<Rendition>,
    decoder: Box<dyn Decoder>,
    splicer: Splicer,
    converter: Converter,
    fading: Fading,
    /// Frames to pass over until `from`.
    unheard: u64,
    /// Frames of the present chunk, from its first packet on, that were decoded with the chunk before.
    had: usize,
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
        registry: &Arc<Registry>,
        sink: &Sink,
    ) -> Result<Self, String> {
        let rendition = Arc::new(info.rendition.clone());
        let format = format_of(&rendition);
        let decoder = decoder(registry, &rendition)
            .map_err(|error| format!("{} decoder for {}: {error}", rendition.id.codec, info.track.title))?;
        let converter = Converter::new(format, sink.format())
            .map_err(|error| format!("converting {format} to {}: {error}", sink.format()))?;
        Ok(Self {
            from: Position::of_frame(from, rendition.id.rate),
            registry: Arc::clone(registry),
            decoder,
            splicer: Splicer::new(&rendition),
            converter,
            fading: Fading::default(),
            unheard: 0,
            had: 0,
            decoded: vec![0.0; format.samples(rendition.packet_frames as usize)],
            joined: Vec::new(),
            damaged: 0,
            ended: false,
            rendition,
            info,
        })
    }

    /// Goes on into the sink's new format.
    pub(super) fn retarget(&mut self, sink: &Sink) -> Result<(), PluginError> {
        self.converter = Converter::new(format_of(&self.rendition), sink.format())?;
        Ok(())
    }

    pub(super) fn track(&self) -> TrackId {
        self.info.track.id.clone()
    }

    /// Where it began.
    pub(super) fn from(&self) -> Position {
        self.from
    }

    pub(super) fn start_chunk(
        &mut self,
        index: ChunkIndex,
        from: FrameIndex,
        rendition: Arc<Rendition>,
        sink: &mut Sink,
    ) -> Result<(), PluginError> {
        let switched = rendition.id != self.rendition.id;
        if switched {
            self.switch(rendition, sink)?;
        }
        let rate = self.rendition.id.rate;
        self.unheard = self.from.frame(rate).max(from).0.saturating_sub(index.first_frame(rate).0);
        let had = self.splicer.start(index, self.rendition.frames_in(index), &mut self.joined);
        if had.is_none() && !switched {
            self.decoder.reset()?;
        }
        self.had = had.unwrap_or(0);
        Ok(())
    }

    /// Goes on in another rendition. What the old one has beyond a border fades into the new one.
    fn switch(&mut self, to: Arc<Rendition>, sink: &mut Sink) -> Result<(), PluginError> {
        let format = format_of(&to);
        let decoder = decoder(&self.registry, &to)?;
        let converter = Converter::new(format, sink.format())?;
        let mut old = std::mem::replace(&mut self.converter, converter);
        let tail = self.splicer.take_tail();
        let beyond = tail.len() as u64 / u64::from(self.rendition.id.channels) * u64::from(sink.rate());
        let beyond = usize::try_from(beyond / u64::from(self.rendition.id.rate)).unwrap_or(0);
        let mut rest = Vec::new();
        old.push(&tail, &mut rest);
        old.flush(&mut rest);
        let fade = rest.split_off(rest.len() - sink.format().samples(beyond).min(rest.len()));
        sink.fill(|out| out.append(&mut rest));
        self.fading = Fading::new(fade, usize::from(sink.format().channels));
        self.decoder = decoder;
        self.splicer = Splicer::new(&to);
        self.decoded.resize(format.samples(to.packet_frames as usize), 0.0);
        self.rendition = to;
        Ok(())
    }

    /// Where a packet is damaged silence takes its place, so that nothing shifts.
    pub(super) fn decode(&mut self, packet: &[u8], sink: &mut Sink) -> Result<(), PluginError> {
        let channels = usize::from(self.rendition.id.channels);
        if let Some(left) = self.had.checked_sub(self.rendition.packet_frames as usize) {
            self.had = left;
            return Ok(());
        }
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
                let frames = self.rendition.packet_frames as usize;
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
        let channels = usize::from(self.rendition.id.channels);
        let skipped = (self.joined.len() / channels).min(usize::try_from(self.unheard).unwrap_or(usize::MAX));
        self.unheard -= skipped as u64;
        let heard = &self.joined[skipped * channels..];
        sink.fill(|out| {
            let first = out.len();
            self.converter.push(heard, out);
            self.fading.apply(&mut out[first..]);
        });
        self.joined.clear();
    }
}

fn decoder(registry: &Registry, rendition: &Rendition) -> Result<Box<dyn Decoder>, PluginError> {
    let codec =
        registry.codec(&rendition.id.codec).map_err(|error| PluginError::Failed(error.to_string()))?;
    codec.decoder(format_of(rendition), &rendition.config)
}

#[cfg(test)]
#[cfg(feature = "opus")]
mod tests;
