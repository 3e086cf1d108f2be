use data_encoding::BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{ChunkIndex, Position, RenditionId, chunk_count, frames_per_chunk};

/// One track in one codec format, with the data that a client needs to request chunks and to decode them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendition {
    /// The id, which requests name.
    pub id: RenditionId,
    /// Nominal bitrate, in bit/s.
    pub bitrate: u32,
    /// True if the listener gets exactly the samples that the source's own decoder gives.
    pub lossless: bool,
    /// Configuration of the decoder, at most 4096 bytes; base64 on the wire.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64", default)]
    pub config: Vec<u8>,
    /// Length of the track, in frames at the rendition's rate.
    pub frames: u64,
    /// Number of chunks.
    pub chunks: u32,
    /// Number of frames in each chunk but the last.
    pub frames_per_chunk: u64,
    /// Number of frames in a packet, 1 to 65,536. The last packet of a chunk can have fewer.
    pub packet_frames: u32,
    /// Number of decoded frames to drop at the start of each chunk.
    pub lead_in: u32,
    /// Number of decoded frames after each chunk's end that crossfade into the next chunk. The last chunk has
    /// none.
    pub crossfade: u32,
    /// Tells if the chunks are cut from one stream of packets, each of `packet_frames`. Then a decoder that
    /// played the previous chunk skips the packets that it has decoded already and continues without a
    /// crossfade.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continuous: bool,
    /// Tells if one decoder can play the chunks one after another without a reset. It drops no frame but the
    /// `lead_in` of its first chunk. With `lead_in` or `crossfade`, the first `frames_per_chunk / packet_frames`
    /// packets of a chunk are its own, and the others are its tail. A decoder that plays on skips the tail. The last
    /// chunk of a track has no tail.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joinable: bool,
}

/// Reason why a client refuses a rendition from a peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the node sent an invalid rendition: {0}")]
pub struct RenditionError(&'static str);

impl Rendition {
    /// Highest rate, in frames per second.
    pub const MAX_RATE: u32 = 768_000;
    /// Greatest number of channels.
    pub const MAX_CHANNELS: u16 = 32;
    /// Greatest number of frames in a packet.
    pub const MAX_PACKET_FRAMES: u32 = 65_536;
    /// Greatest length of a decoder configuration, in bytes.
    pub const MAX_CONFIG: usize = 4096;

    /// Checks a rendition from a peer: every number must be within its bounds and consistent with the others.
    ///
    /// # Errors
    /// Names the first wrong field.
    pub fn check(&self) -> Result<(), RenditionError> {
        let RenditionId { rate, channels, .. } = self.id;
        let fits = |ok, what| if ok { Ok(()) } else { Err(RenditionError(what)) };
        fits((1..=Self::MAX_RATE).contains(&rate), "rate out of range")?;
        fits((1..=Self::MAX_CHANNELS).contains(&channels), "number of channels out of range")?;
        fits(self.config.len() <= Self::MAX_CONFIG, "configuration too long")?;
        fits(self.frames_per_chunk == frames_per_chunk(rate), "chunks are not 3 s long")?;
        fits(Some(self.chunks) == chunk_count(self.frames, rate), "wrong number of chunks")?;
        fits((1..=Self::MAX_PACKET_FRAMES).contains(&self.packet_frames), "packet length out of range")?;
        fits(u64::from(self.lead_in) <= u64::from(rate), "lead-in over 1 s")?;
        fits(u64::from(self.crossfade) <= u64::from(rate) / 2, "crossfade over 0.5 s")?;
        let shared = u64::from(self.lead_in) + u64::from(self.crossfade);
        let whole = |frames: u64| frames.is_multiple_of(u64::from(self.packet_frames));
        let meet = !self.continuous || whole(shared) && whole(self.frames_per_chunk);
        fits(meet, "chunks do not meet between packets")?;
        let joins = !self.joinable || !self.continuous && (!self.has_tail() || whole(self.frames_per_chunk));
        fits(joins, "chunks cannot be joined")
    }

    /// True if joinable chunks have a tail. Their decoder then needs some milliseconds to become exact after a reset.
    #[must_use]
    pub fn has_tail(&self) -> bool {
        self.joinable && (self.lead_in > 0 || self.crossfade > 0)
    }

    /// Number of packets of chunk `index` before its tail. [`u64::MAX`] if it has no tail.
    #[must_use]
    pub fn own_packets(&self, index: ChunkIndex) -> u64 {
        if self.has_tail() && !self.is_last(index) {
            self.frames_per_chunk / u64::from(self.packet_frames.max(1))
        } else {
            u64::MAX
        }
    }

    /// Returns the chunk that contains an instant; `None` past the end.
    #[must_use]
    pub fn chunk_at(&self, at: Position) -> Option<ChunkIndex> {
        let rate = self.id.rate;
        at.frame(rate).chunk(rate).filter(|index| index.0 < self.chunks)
    }

    /// Returns the number of frames in chunk `index`; 0 past the end.
    #[must_use]
    pub fn frames_in(&self, index: ChunkIndex) -> u64 {
        let first = u64::from(index.0).saturating_mul(self.frames_per_chunk);
        self.frames.saturating_sub(first).min(self.frames_per_chunk)
    }

    /// True if chunk `index` is the last one, or past it.
    #[must_use]
    pub fn is_last(&self, index: ChunkIndex) -> bool {
        index.0.saturating_add(1) >= self.chunks
    }

    /// Returns an upper bound for the bytes of a chunk of this rendition: its frames as `f32`, 4 bytes more a
    /// frame for packet lengths, and 64 KiB. It never exceeds 64 MiB.
    #[must_use]
    pub fn max_chunk_bytes(&self) -> usize {
        let spare = u64::from(self.lead_in) + u64::from(self.crossfade) + 65_536;
        let frames = self.frames_per_chunk.saturating_add(spare);
        let bytes = frames.saturating_mul(u64::from(self.id.channels) * 4 + 4).saturating_add(65_536);
        usize::try_from(bytes).unwrap_or(usize::MAX).min(64 * 1024 * 1024)
    }
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64.decode(text.as_bytes()).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendition() -> Rendition {
        Rendition {
            id: "t.opus.48000.2.k96".parse().unwrap(),
            bitrate: 96_000,
            lossless: false,
            config: vec![1, 2],
            frames: 144_001,
            chunks: 2,
            frames_per_chunk: 144_000,
            packet_frames: 960,
            lead_in: 1272,
            crossfade: 240,
            continuous: false,
            joinable: false,
        }
    }

    #[test]
    fn each_bad_field_is_refused() {
        assert_eq!(rendition().check(), Ok(()));
        type Spoil = fn(&mut Rendition);
        let bad: [(&str, Spoil); 16] = [
            ("rate out of range", |it| it.id.rate = 0),
            ("rate out of range", |it| it.id.rate = 768_001),
            ("number of channels out of range", |it| it.id.channels = 0),
            ("number of channels out of range", |it| it.id.channels = 33),
            ("configuration too long", |it| it.config = vec![0; 4097]),
            ("chunks are not 3 s long", |it| it.frames_per_chunk = 144_001),
            ("wrong number of chunks", |it| it.chunks = 1),
            ("wrong number of chunks", |it| it.frames = u64::MAX),
            ("packet length out of range", |it| it.packet_frames = 0),
            ("packet length out of range", |it| it.packet_frames = 65_537),
            ("lead-in over 1 s", |it| it.lead_in = 48_001),
            ("crossfade over 0.5 s", |it| it.crossfade = 24_001),
            ("chunks do not meet between packets", |it| it.continuous = true),
            ("chunks cannot be joined", |it| {
                it.joinable = true;
                it.packet_frames = 1024;
            }),
            ("chunks cannot be joined", |it| {
                it.joinable = true;
                it.continuous = true;
                it.crossfade = 648;
            }),
            ("chunks do not meet between packets", |it| {
                it.continuous = true;
                it.packet_frames = 3840;
                it.crossfade = 2568;
            }),
        ];
        for (what, spoil) in bad {
            let mut rendition = rendition();
            spoil(&mut rendition);
            assert_eq!(rendition.check(), Err(RenditionError(what)));
        }
    }

    #[test]
    fn each_field_may_reach_its_bound() {
        type Stretch = fn(&mut Rendition);
        let at_the_bound: [Stretch; 6] = [
            |it| it.id.channels = Rendition::MAX_CHANNELS,
            |it| it.config = vec![0; Rendition::MAX_CONFIG],
            |it| it.packet_frames = 65_536,
            |it| it.lead_in = 48_000,
            |it| it.crossfade = 24_000,
            |it| {
                it.id.rate = Rendition::MAX_RATE;
                it.frames_per_chunk = frames_per_chunk(Rendition::MAX_RATE);
                it.chunks = 1;
            },
        ];
        for stretch in at_the_bound {
            let mut rendition = rendition();
            stretch(&mut rendition);
            assert_eq!(rendition.check(), Ok(()), "{rendition:?}");
        }
    }

    #[test]
    fn chunks_of_one_stream_meet_between_packets() {
        let rendition = Rendition { continuous: true, crossfade: 648, ..rendition() };
        assert_eq!(rendition.check(), Ok(()));
    }

    #[test]
    fn the_own_packets_of_a_joinable_chunk_cover_its_three_seconds() {
        let rendition = Rendition { joinable: true, ..rendition() };
        assert_eq!(rendition.check(), Ok(()));
        assert_eq!(rendition.own_packets(ChunkIndex(0)), 150);
        assert_eq!(rendition.own_packets(ChunkIndex(1)), u64::MAX, "the last chunk has no tail");
        let flac = Rendition { lead_in: 0, crossfade: 0, packet_frames: 4096, ..rendition.clone() };
        assert_eq!(flac.check(), Ok(()));
        assert_eq!(flac.own_packets(ChunkIndex(0)), u64::MAX, "without lookahead there is no tail");
        let alone = Rendition { joinable: false, ..rendition };
        assert_eq!(alone.own_packets(ChunkIndex(0)), u64::MAX);
    }

    #[test]
    fn the_last_chunk_holds_what_is_left() {
        let rendition = rendition();
        let frames = [0, 1, 2, u32::MAX].map(|index| rendition.frames_in(ChunkIndex(index)));
        assert_eq!(frames, [144_000, 1, 0, 0]);
        let last = [0, 1, u32::MAX].map(|index| rendition.is_last(ChunkIndex(index)));
        assert_eq!(last, [false, true, true]);
        assert_eq!(Rendition { frames: 288_000, ..rendition }.frames_in(ChunkIndex(1)), 144_000);
    }

    #[test]
    fn a_chunk_of_pcm_fits_into_what_is_taken_for_one() {
        for (rate, channels) in [(8000, 1), (44_100, 2), (192_000, 8)] {
            let mut rendition = rendition();
            rendition.id.rate = rate;
            rendition.id.channels = channels;
            rendition.frames_per_chunk = frames_per_chunk(rate);
            let pcm = 3 * rate as usize * usize::from(channels) * 4;
            assert!((pcm + 16 + 150 * 4 + 36..64 * 1024 * 1024).contains(&rendition.max_chunk_bytes()));
        }
    }

    #[test]
    fn a_chunk_has_room_for_f32_with_a_length_for_each_frame() {
        let frames = 144_000 + 1272 + 240 + 65_536;
        assert_eq!(rendition().max_chunk_bytes(), frames * (2 * 4 + 4) + 65_536);
    }

    #[test]
    fn the_configuration_is_base64() {
        let json = serde_json::to_value(rendition()).unwrap();
        assert_eq!(json["config"], "AQI=");
        assert_eq!(serde_json::from_value::<Rendition>(json.clone()).unwrap(), rendition());
        let mut json = json;
        json["config"] = "A".into();
        assert!(serde_json::from_value::<Rendition>(json).is_err());
    }
}
