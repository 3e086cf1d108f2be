//! One track on its way from packets to the sink: decoder, splicer, converter.

use std::sync::Arc;

use media_plugin_host::Registry;
use media_plugin_sdk::{Decoder, PluginError};
use media_protocol::{
    ChunkIndex, FrameIndex, Info, Position, Rendition, TrackId,
    session::client::{DecoderFailed, PlayId},
};

use super::{
    format::format_of,
    sink::Sink,
    splice::{Fading, Splicer},
};
use crate::convert::Converter;

/// Why a voice can't go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// Its decoder failed. Another rendition may begin where it did.
    Decoder(DecoderFailed),
    /// What it decodes can't be converted for the sink.
    Convert(PluginError),
}

/// See the module.
pub(super) struct Voice {
    play: PlayId,
    info: Arc<Info>,
    /// Where it began.
    from: Position,
    registry: Arc<Registry>,
    /// What its present chunk is in, and which that is.
    rendition: Arc<Rendition>,
    index: ChunkIndex,
    /// `None` before the first chunk, and once it has failed.
    decoder: Option<Box<dyn Decoder>>,
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
    /// Packets in a row that could not be decoded.
    in_a_row: u32,
    /// The last of them, which become silence unless the decoder is given up.
    silent: u32,
    /// Packets that became silence since somebody looked.
    pub(super) damaged: u64,
    /// Whether the track is complete.
    pub(super) ended: bool,
}

impl Voice {
    /// The most frames that a packet may decode to.
    const MAX_FRAMES: usize = 65_536;
    /// A decoder that can't decode so many packets in a row is given up.
    const MAX_IN_A_ROW: u32 = 5;

    /// A voice for a track from a frame on, into the sink's present format.
    pub(super) fn new(
        play: PlayId,
        info: Arc<Info>,
        from: FrameIndex,
        registry: &Arc<Registry>,
        sink: &Sink,
    ) -> Result<Self, String> {
        let rendition = Arc::new(info.rendition.clone());
        let format = format_of(&rendition);
        let converter = Converter::new(format, sink.format())
            .map_err(|error| format!("converting {format} to {}: {error}", sink.format()))?;
        Ok(Self {
            play,
            from: Position::of_frame(from, rendition.id.rate),
            registry: Arc::clone(registry),
            index: ChunkIndex(0),
            decoder: None,
            splicer: Splicer::new(&rendition),
            converter,
            fading: Fading::default(),
            unheard: 0,
            had: 0,
            decoded: vec![0.0; format.samples(rendition.packet_frames as usize)],
            joined: Vec::new(),
            in_a_row: 0,
            silent: 0,
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

    /// Begins a chunk, or goes on with one in another rendition, from frame `from` of the track on.
    pub(super) fn start_chunk(
        &mut self,
        index: ChunkIndex,
        from: FrameIndex,
        rendition: Arc<Rendition>,
        sink: &mut Sink,
    ) -> Result<(), Stop> {
        self.fall_silent(sink);
        let switched = rendition.id != self.rendition.id;
        let rate = rendition.id.rate;
        let from = self.from.frame(rate).max(from).max(index.first_frame(rate));
        let decoder = match self.decoder.take().filter(|_| !switched) {
            Some(decoder) if self.splicer.goes_on_with(index) => Ok(decoder),
            Some(mut decoder) => decoder.reset().map(|()| decoder),
            None => decoder(&self.registry, &rendition),
        };
        let decoder = decoder.map_err(|error| self.failed(&rendition, from, &error))?;
        if switched {
            self.switch(rendition, sink).map_err(Stop::Convert)?;
        }
        self.decoder = Some(decoder);
        self.index = index;
        self.unheard = from.0 - index.first_frame(rate).0;
        self.had = self.splicer.start(index, self.rendition.frames_in(index), &mut self.joined);
        self.hand_on(sink);
        Ok(())
    }

    /// Goes on in another rendition. What the old one has beyond a border fades into the new one.
    fn switch(&mut self, to: Arc<Rendition>, sink: &mut Sink) -> Result<(), PluginError> {
        let format = format_of(&to);
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
        self.splicer = Splicer::new(&to);
        self.decoded.resize(format.samples(to.packet_frames as usize), 0.0);
        self.rendition = to;
        Ok(())
    }

    /// Where a packet is damaged silence takes its place, so that nothing shifts. A decoder that panics, that says it can't
    /// go on, or that takes none of several packets in a row has failed, from the first of them on.
    pub(super) fn decode(&mut self, packet: &[u8], sink: &mut Sink) -> Result<(), Stop> {
        let channels = usize::from(self.rendition.id.channels);
        if let Some(left) = self.had.checked_sub(self.rendition.packet_frames as usize) {
            self.had = left;
            return Ok(());
        }
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        let mut result = decoder.decode(packet, &mut self.decoded);
        if let Err(PluginError::NoSpace { need, .. }) = result
            && (self.decoded.len()..=Self::MAX_FRAMES * channels).contains(&need)
        {
            self.decoded.resize(need, 0.0);
            result = decoder.decode(packet, &mut self.decoded);
        }
        let is_damage = matches!(result, Err(PluginError::Corrupt(_) | PluginError::NoSpace { .. }));
        match result {
            Ok(frames) => {
                self.fall_silent(sink);
                self.in_a_row = 0;
                self.splicer.push(&self.decoded[..frames * channels], &mut self.joined);
                self.hand_on(sink);
                Ok(())
            }
            Err(_) if is_damage && self.in_a_row + 1 < Self::MAX_IN_A_ROW => {
                self.in_a_row += 1;
                self.silent += 1;
                Ok(())
            }
            Err(error) => {
                let (rate, index) = (self.rendition.id.rate, self.index);
                let kept = self.rendition.frames_in(index) - self.splicer.owed();
                let at = FrameIndex(index.first_frame(rate).0 + kept + self.unheard);
                let rendition = Arc::clone(&self.rendition);
                Err(self.failed(&rendition, at, &error))
            }
        }
    }

    /// Gives the decoder up. `at` is the first frame that it did not give.
    fn failed(&mut self, rendition: &Arc<Rendition>, at: FrameIndex, error: &PluginError) -> Stop {
        (self.decoder, self.in_a_row, self.silent) = (None, 0, 0);
        let (rendition, reason) = (Arc::clone(rendition), error.to_string());
        Stop::Decoder(DecoderFailed { play: self.play, rendition, at, reason })
    }

    /// Puts silence in the place of the packets that could not be decoded.
    fn fall_silent(&mut self, sink: &mut Sink) {
        let packet = format_of(&self.rendition).samples(self.rendition.packet_frames as usize);
        for _ in 0..std::mem::take(&mut self.silent) {
            self.splicer.push(&vec![0.0; packet], &mut self.joined);
            self.hand_on(sink);
            self.damaged += 1;
        }
    }

    /// Always `Ok`, as its neighbours may not be.
    pub(super) fn end_chunk(&mut self, sink: &mut Sink) -> Result<(), Stop> {
        self.fall_silent(sink);
        self.splicer.end(&mut self.joined);
        self.hand_on(sink);
        Ok(())
    }

    /// Always `Ok`, as its neighbours may not be.
    pub(super) fn end(&mut self, sink: &mut Sink) -> Result<(), Stop> {
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
