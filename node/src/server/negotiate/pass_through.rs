//! Opus that goes out as it lies in the file: nothing is decoded, encoded or lost.

use std::{ops::Range, sync::Arc};

use media_plugin_sdk::{AudioFormat, Choice, Codec, Encoding, Limits};
use media_protocol::{CHUNK_SECONDS, ChunkIndex, Rendition, RenditionId, TrackId};

use super::{Material, Plan};
use crate::source::OpusStream;

/// What stands in a rendition's id in place of a codec's parameters.
const PARAMS: &str = "copy";
/// The codec whose packets (RFC 6716) these are.
const CODEC: &str = "opus";
/// The most that a stereo stream of it takes, in bit/s (RFC 6716, section 2.1.1).
pub(super) const MOST: u32 = 510_000;
const RATE: u32 = 48_000;
/// Frames before a chunk that a decoder has to have gone through at least: 80 ms (RFC 7845, section 4.6). They matter only
/// where it begins: after a seek or a change of rendition.
const LEAD_IN: u32 = 3840;
/// Frames after a chunk at least, to fade into another rendition.
const TAIL: u32 = 960;

/// How a stream is cut into chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct Cut {
    pub(in crate::server) stream: OpusStream,
    /// Frames of a chunk's packets before and after its own.
    lead_in: u32,
    tail: u32,
}

impl Cut {
    /// A chunk is a whole number of packets long, so all borders lie at the same place within a packet. The lead-in holds
    /// all that comes before the track, so that the first chunk begins as the stream does.
    fn of(stream: OpusStream) -> Self {
        let OpusStream { packet_frames, skip, .. } = stream;
        let before = skip % packet_frames;
        let lead_in = before.saturating_add((skip.max(LEAD_IN) - before).next_multiple_of(packet_frames));
        let after = (packet_frames - before) % packet_frames;
        let tail = after + TAIL.saturating_sub(after).next_multiple_of(packet_frames);
        Self { stream, lead_in, tail }
    }

    /// The packets of chunk `index` by their numbers; those before the first are [`OpusStream::nothing`].
    pub(in crate::server) fn packets(&self, index: ChunkIndex) -> Range<i64> {
        let step = i64::from(self.stream.packet_frames);
        let chunk = i64::from(RATE * CHUNK_SECONDS);
        let border = i64::from(index.0) * chunk + i64::from(self.stream.skip);
        let last = i64::try_from(self.stream.packets).unwrap_or(i64::MAX);
        let end = (border + chunk + i64::from(self.tail)) / step;
        (border - i64::from(self.lead_in)).div_euclid(step)..end.min(last)
    }

    fn encoding(&self, config: Vec<u8>, format: AudioFormat) -> Encoding {
        Encoding {
            choice: Choice { format, params: PARAMS.into() },
            bitrate: self.stream.bitrate,
            config,
            packet_frames: self.stream.packet_frames,
            whole_packets: true,
            lead_in: self.lead_in,
            lookahead: 0,
            crossfade: self.tail,
            max_packet_bytes: OpusStream::MAX_PACKET as u32,
        }
    }
}

/// Whether `id` is that of a pass-through.
pub(super) fn is_meant(id: &RenditionId) -> bool {
    id.codec == CODEC && id.params == PARAMS
}

/// The pass-through that `id` names.
pub(super) fn plan(codec: Arc<dyn Codec>, id: &RenditionId, material: Material) -> Result<Plan, String> {
    let format = AudioFormat { rate: id.rate, channels: id.channels };
    match material.opus {
        Some(stream) if format == material.source.format => make(codec, stream, id.track.clone(), material),
        _ => Err("the file holds no Opus of this format that could pass through".into()),
    }
}

/// The pass-through of a track, where the source is within `limits` and `options`.
pub(super) fn propose(
    codec: &Arc<dyn Codec>,
    limits: &Limits,
    options: &str,
    track: &TrackId,
    material: Material,
) -> Option<Plan> {
    let stream = material.opus.filter(|_| codec.info().id == CODEC)?;
    // What the codec would be allowed to take, as near to the source as it comes.
    let limits = Limits { bitrate: limits.bitrate.or(Some(u32::MAX)), ..limits.clone() };
    let choice = codec.propose(&material.source, &limits, options).ok()?;
    let most = codec.encoding(&choice).ok()?.bitrate;
    // At a variable bitrate an encoder comes out a little over what it was asked for.
    let fits = stream.bitrate <= most.saturating_add(most / 10) && choice.format == material.source.format;
    fits.then(|| make(Arc::clone(codec), stream, track.clone(), material).ok()).flatten()
}

fn make(
    codec: Arc<dyn Codec>,
    stream: OpusStream,
    track: TrackId,
    material: Material,
) -> Result<Plan, String> {
    let cut = Cut::of(stream);
    // The decoder needs to know the channels, whatever it was encoded with.
    let any = codec.propose(&material.source, &Limits::default(), "").and_then(|it| codec.encoding(&it));
    let encoding = cut.encoding(any.map_err(|it| it.to_string())?.config, material.source.format);
    let rendition = super::rendition(codec.as_ref(), &encoding, true, track, material)?;
    let rendition = Rendition { continuous: true, ..rendition };
    rendition.check().map_err(|it| it.to_string())?;
    Ok(Plan { codec, encoding, rendition, passes: Some(cut) })
}

/// Puts a pass-through first. It is what a lossless codec would send, in fewer bytes, so those are left out then.
pub(super) fn prefer(plans: &mut Vec<(usize, Plan)>) {
    let Some(place) = plans.iter().position(|(_, it)| it.passes.is_some()) else { return };
    plans[..=place].rotate_right(1);
    plans.retain(|(_, it)| it.passes.is_some() || !it.rendition.lossless);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(packet_frames: u32, skip: u32, packets: u64) -> Cut {
        Cut::of(OpusStream { packet_frames, packets, skip, bitrate: 96_000, silent_packet: [3, 1] })
    }

    #[test]
    fn packets_cover_lead_in_chunk_and_tail() {
        for packet_frames in [120, 240, 480, 960, 1920, 2880, 4800, 5760] {
            for skip in [0, 1, 120, 312, 960, 3840, 3841, 6000] {
                let cut = cut(packet_frames, skip, 10_000_000);
                for index in [0, 1, 7, 1000] {
                    let step = i64::from(packet_frames);
                    let first = i64::from(index) * 144_000;
                    let Range { start, end } = cut.packets(ChunkIndex(index));
                    let at = |packet: i64| packet * step - i64::from(skip);
                    assert_eq!(at(start), first - i64::from(cut.lead_in));
                    assert_eq!(at(end), first + 144_000 + i64::from(cut.tail));
                    assert!(index > 0 || start <= 0, "the first chunk has all that comes before it");
                }
                let least = skip.max(LEAD_IN);
                assert!((least..least + packet_frames).contains(&cut.lead_in), "{packet_frames} {skip}");
                assert!((TAIL..TAIL + packet_frames).contains(&cut.tail), "{packet_frames} {skip}");
            }
        }
    }

    #[test]
    fn the_usual_file_takes_six_packets_more_per_chunk() {
        let cut = cut(960, 312, 158);
        assert_eq!((cut.lead_in, cut.tail), (4152, 1608));
        assert_eq!(cut.packets(ChunkIndex(0)), -4..152);
        assert_eq!(cut.packets(ChunkIndex(1)), 146..158);
    }
}
