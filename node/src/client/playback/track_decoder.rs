//! Decoder of one track: packets in, frames in the output's format out. Decodes, joins chunks, and converts.

use std::{sync::Arc, time::Duration};

use media_plugin_host::Registry;
use media_plugin_sdk::{Decoder, PluginError};
use media_protocol::{
    ChunkIndex, FrameIndex, Info, Position, Rendition,
    session::client::{DecoderFailed, PlayId},
};

use super::{
    chunk_joiner::{ChunkJoiner, Crossfade},
    format::format_of,
    output_writer::OutputWriter,
};
use crate::{client::stats::AudioLoss, convert::Converter};

/// Reason why a track cannot continue.
#[derive(Debug)]
pub(crate) enum TrackError {
    /// Its decoder failed. Another rendition can continue at the same frame.
    Decoder(DecoderFailed),
    /// The decoded audio cannot be converted for the output.
    Convert(PluginError),
}

/// Decoder of one track. Used by the playback thread alone.
pub(crate) struct TrackDecoder {
    play: PlayId,
    /// First audible position.
    from: Position,
    registry: Arc<Registry>,
    /// Rendition and index of the present chunk.
    rendition: Arc<Rendition>,
    index: ChunkIndex,
    /// `None` before the first chunk and after a failure.
    decoder: Option<Box<dyn Decoder>>,
    joiner: ChunkJoiner,
    converter: Converter,
    fade: Crossfade,
    /// Frames to skip until the first audible one.
    skip: u64,
    /// Frames at the start of the present chunk that were decoded with the chunk before.
    already_decoded: usize,
    /// Packets of the present chunk before its tail that are still to come.
    own_packets: u64,
    /// Tail of the present chunk. The decoder needs it only if it does not play on with the next chunk.
    tail: Vec<Vec<u8>>,
    /// Output of the decoder for one packet.
    decoded: Vec<f32>,
    /// Output of the joiner.
    joined: Vec<f32>,
    /// Consecutive packets that could not be decoded.
    consecutive_damaged: u32,
    /// Those of them that are not replaced by silence yet. They are dropped if the decoder fails.
    pending_silence: u32,
    /// Packets replaced by silence since the caller last took this count.
    pub(crate) damaged: u64,
    /// Audio that was silence, on either machine, since the caller last took this.
    pub(crate) loss: AudioLoss,
    /// Audible frames of the present chunk.
    audible: u64,
    /// True if the track has ended.
    pub(crate) ended: bool,
}

impl TrackDecoder {
    /// Largest number of frames in a packet.
    const MAX_FRAMES: usize = 65_536;
    /// Number of consecutive damaged packets after which the decoder has failed.
    /// Tested by `a_damaged_packet_becomes_silence_of_its_length`.
    const MAX_DAMAGED: u32 = 5;
    /// Fraction of a second over which a joinable chunk fades in after a seek: 5 ms. Tested by
    /// `a_seek_to_the_border_of_a_joinable_chunk_fades_in`.
    const FADE_IN_PER_SECOND: u32 = 200;

    /// Creates a decoder for a track from frame `from` on, into the output's present format.
    pub(crate) fn new(
        play: PlayId,
        info: &Info,
        from: FrameIndex,
        registry: &Arc<Registry>,
        output: &OutputWriter,
    ) -> Result<Self, String> {
        let rendition = Arc::new(info.rendition.clone());
        let format = format_of(&rendition);
        let converter = Converter::new(format, output.format())
            .map_err(|error| format!("converting {format} to {}: {error}", output.format()))?;
        Ok(Self {
            play,
            from: Position::of_frame(from, rendition.id.rate),
            registry: Arc::clone(registry),
            index: ChunkIndex(0),
            decoder: None,
            joiner: ChunkJoiner::new(&rendition),
            converter,
            fade: Crossfade::default(),
            skip: 0,
            already_decoded: 0,
            own_packets: 0,
            tail: Vec::new(),
            decoded: vec![0.0; format.samples(rendition.packet_frames as usize)],
            joined: Vec::new(),
            consecutive_damaged: 0,
            pending_silence: 0,
            damaged: 0,
            loss: AudioLoss::default(),
            audible: 0,
            ended: false,
            rendition,
        })
    }

    /// Continues in the output's new format.
    pub(crate) fn retarget(&mut self, output: &OutputWriter) -> Result<(), PluginError> {
        self.converter = Converter::new(format_of(&self.rendition), output.format())?;
        Ok(())
    }

    pub(crate) fn play(&self) -> PlayId {
        self.play
    }

    /// First audible position.
    pub(crate) fn from(&self) -> Position {
        self.from
    }

    /// Begins a chunk, or continues one in another rendition, at frame `from` of the track.
    pub(crate) fn start_chunk(
        &mut self,
        index: ChunkIndex,
        from: FrameIndex,
        rendition: Arc<Rendition>,
        output: &mut OutputWriter,
    ) -> Result<(), TrackError> {
        self.insert_silence(output);
        let switched = rendition.id != self.rendition.id;
        let plays_on = !switched && self.decoder.is_some() && self.joiner.continues_with(index);
        let follows = self.joiner.is_next(index);
        if !plays_on {
            self.decode_tail(output);
        }
        self.tail.clear();
        let rate = rendition.id.rate;
        let from = self.from.frame(rate).max(from).max(index.first_frame(rate));
        let decoder = match self.decoder.take().filter(|_| !switched) {
            Some(decoder) if plays_on => Ok(decoder),
            Some(mut decoder) => decoder.reset().map(|()| decoder),
            None => decoder(&self.registry, &rendition),
        };
        let decoder = decoder.map_err(|error| self.failed(&rendition, from, &error))?;
        if switched {
            self.switch(rendition, output).map_err(TrackError::Convert)?;
        }
        self.decoder = Some(decoder);
        self.index = index;
        self.skip = from.0 - index.first_frame(rate).0;
        self.audible = self.rendition.frames_in(index).saturating_sub(self.skip);
        self.own_packets = self.rendition.own_packets(index);
        if !plays_on && !follows && index.0 > 0 && self.skip < u64::from(self.rendition.packet_frames) {
            self.fade_in(output);
        }
        self.already_decoded = self.joiner.start(index, self.rendition.frames_in(index), &mut self.joined);
        self.deliver(output);
        Ok(())
    }

    /// Decodes the tail of the present chunk, which completes the chunk and gives the frames that fade into the next one.
    /// Silence replaces the tail if it cannot be decoded.
    fn decode_tail(&mut self, output: &mut OutputWriter) {
        let tail = std::mem::take(&mut self.tail);
        if tail.is_empty() {
            return;
        }
        let channels = usize::from(self.rendition.id.channels);
        for packet in tail {
            let Some(decoder) = &mut self.decoder else { break };
            let Ok(frames) = decoder.decode(&packet, &mut self.decoded) else { break };
            self.joiner.push(&self.decoded[..frames * channels], &mut self.joined);
        }
        self.joiner.end(&mut self.joined);
        self.deliver(output);
    }

    /// Fades in from silence if a decoder that starts at this border is not exact at once.
    fn fade_in(&mut self, output: &OutputWriter) {
        if self.rendition.has_tail() {
            let frames = (output.rate() / Self::FADE_IN_PER_SECOND) as usize;
            let silence = vec![0.0; output.format().samples(frames)];
            self.fade = Crossfade::new(silence, usize::from(output.format().channels));
        }
    }

    /// Continues in another rendition. The old rendition's audio behind the chunk border fades into the new rendition.
    fn switch(&mut self, to: Arc<Rendition>, output: &mut OutputWriter) -> Result<(), PluginError> {
        let format = format_of(&to);
        let converter = Converter::new(format, output.format())?;
        let mut old = std::mem::replace(&mut self.converter, converter);
        let tail = self.joiner.take_tail();
        let beyond = tail.len() as u64 / u64::from(self.rendition.id.channels) * u64::from(output.rate());
        let beyond = usize::try_from(beyond / u64::from(self.rendition.id.rate)).unwrap_or(0);
        let mut rest = Vec::new();
        old.push(&tail, &mut rest);
        old.flush(&mut rest);
        let fade = rest.split_off(rest.len() - output.format().samples(beyond).min(rest.len()));
        output.fill(|out| out.append(&mut rest));
        self.fade = Crossfade::new(fade, usize::from(output.format().channels));
        self.joiner = ChunkJoiner::new(&to);
        self.decoded.resize(format.samples(to.packet_frames as usize), 0.0);
        self.rendition = to;
        Ok(())
    }

    /// Decodes a packet. Silence replaces a damaged one, so that no frame shifts. A decoder has failed if it panics, reports a
    /// failure, or rejects several packets in a row; it failed at the first of those.
    pub(crate) fn decode(&mut self, packet: &[u8], output: &mut OutputWriter) -> Result<(), TrackError> {
        let channels = usize::from(self.rendition.id.channels);
        if let Some(rest) = self.already_decoded.checked_sub(self.rendition.packet_frames as usize) {
            self.already_decoded = rest;
            return Ok(());
        }
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        if self.own_packets == 0 {
            self.tail.push(packet.to_vec());
            return Ok(());
        }
        self.own_packets -= 1;
        let mut result = decoder.decode(packet, &mut self.decoded);
        if let Err(PluginError::NoSpace { need, .. }) = result
            && (self.decoded.len()..=Self::MAX_FRAMES * channels).contains(&need)
        {
            self.decoded.resize(need, 0.0);
            result = decoder.decode(packet, &mut self.decoded);
        }
        let is_damaged = matches!(result, Err(PluginError::Corrupt(_) | PluginError::NoSpace { .. }));
        match result {
            Ok(frames) => {
                self.insert_silence(output);
                self.consecutive_damaged = 0;
                self.joiner.push(&self.decoded[..frames * channels], &mut self.joined);
                self.deliver(output);
                Ok(())
            }
            Err(_) if is_damaged && self.consecutive_damaged + 1 < Self::MAX_DAMAGED => {
                self.consecutive_damaged += 1;
                self.pending_silence += 1;
                Ok(())
            }
            Err(error) => {
                let first = self.index.first_frame(self.rendition.id.rate).0;
                // The missing frames of a joinable chunk can begin in the chunk before.
                let end = first + self.rendition.frames_in(self.index);
                let at = FrameIndex(end.saturating_sub(self.joiner.missing()) + self.skip);
                let rendition = Arc::clone(&self.rendition);
                Err(self.failed(&rendition, at, &error))
            }
        }
    }

    /// Drops the decoder. `at` is the first frame that it did not decode.
    fn failed(&mut self, rendition: &Arc<Rendition>, at: FrameIndex, error: &PluginError) -> TrackError {
        self.decoder = None;
        self.tail.clear();
        self.consecutive_damaged = 0;
        self.pending_silence = 0;
        let rendition = Arc::clone(rendition);
        TrackError::Decoder(DecoderFailed { play: self.play, rendition, at, reason: error.to_string() })
    }

    /// Replaces the damaged packets by silence.
    fn insert_silence(&mut self, output: &mut OutputWriter) {
        let packet = format_of(&self.rendition).samples(self.rendition.packet_frames as usize);
        for _ in 0..std::mem::take(&mut self.pending_silence) {
            self.joiner.push(&vec![0.0; packet], &mut self.joined);
            self.deliver(output);
            self.damaged += 1;
            self.loss.this_machine += self.time(u64::from(self.rendition.packet_frames));
        }
    }

    /// Duration of `frames` frames of the rendition.
    fn time(&self, frames: u64) -> Duration {
        Position::of_frame(FrameIndex(frames), self.rendition.id.rate).into()
    }

    /// Ends the chunk, of which the node reports that many frames as silence. Always `Ok`; the type matches
    /// [`TrackDecoder::decode`].
    pub(crate) fn end_chunk(&mut self, silenced: u32, output: &mut OutputWriter) -> Result<(), TrackError> {
        self.insert_silence(output);
        self.loss.node += self.time(u64::from(silenced).min(self.audible));
        if self.own_packets == 0 && self.joiner.end_before_tail() {
            return Ok(());
        }
        self.tail.clear();
        self.joiner.end(&mut self.joined);
        self.deliver(output);
        Ok(())
    }

    /// Ends the track. Always `Ok`; the type matches [`TrackDecoder::decode`].
    pub(crate) fn end(&mut self, output: &mut OutputWriter) -> Result<(), TrackError> {
        self.decode_tail(output);
        self.ended = true;
        output.fill(|out| self.converter.flush(out));
        Ok(())
    }

    /// Converts the joined frames into the pending frames of the output.
    fn deliver(&mut self, output: &mut OutputWriter) {
        let channels = usize::from(self.rendition.id.channels);
        let skipped = (self.joined.len() / channels).min(usize::try_from(self.skip).unwrap_or(usize::MAX));
        self.skip -= skipped as u64;
        let heard = &self.joined[skipped * channels..];
        output.fill(|out| {
            let first = out.len();
            self.converter.push(heard, out);
            self.fade.apply(&mut out[first..]);
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
