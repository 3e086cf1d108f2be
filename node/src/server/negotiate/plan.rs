use std::sync::Arc;

use media_plugin_sdk::{AudioFormat, Choice, Codec, Encoding, Limits, PluginError, SampleType, SourceFormat};
use media_protocol::{ErrorCode, Rendition, RenditionId, TrackId, WireError, chunk_count, frames_per_chunk};

use super::packet_cut::PacketCut;
use crate::{library::SourceFacts, source::Window};

/// Largest chunk, in bytes of its `f32` samples. Bounds the memory of an encoder thread. Tested by
/// `formats_over_a_bound_are_refused`.
pub(super) const MAX_CHUNK_BYTES: u64 = 64 * 1024 * 1024;
/// Rates, in Hz, to which this node converts a track, besides the source's own. A peer chooses the rate, and a
/// resampler between two rates without a common divisor would need much memory.
pub(super) const RATES: [u32; 16] = [
    8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000, 176_400,
    192_000, 352_800, 384_000,
];
/// Highest rate, in Hz, to which this node converts for any codec. A rate above it and above the source's own
/// adds bytes without audio, so it is accepted only if the codec's own `propose` returns it.
/// Tested by `formats_over_a_bound_are_refused`.
pub(super) const USUAL_RATE: u32 = 48_000;

/// A rendition that this node can make, with the means to make it.
pub(in crate::server) struct RenditionPlan {
    pub(in crate::server) codec: Arc<dyn Codec>,
    pub(in crate::server) encoding: Encoding,
    pub(in crate::server) rendition: Rendition,
    /// The packets to send, if the node sends the source's own packets and encodes nothing.
    pub(in crate::server) passthrough: Option<PacketCut>,
}

impl RenditionPlan {
    /// The plan for `choice` of `codec`.
    ///
    /// # Errors
    /// `CodecFailed` if the plugin panics or reports a failure, or else `UnknownRendition`. The message is the reason.
    pub(super) fn new(
        codec: Arc<dyn Codec>,
        choice: &Choice,
        track: TrackId,
        facts: SourceFacts,
    ) -> Result<Self, WireError> {
        let unknown = |why: String| WireError::new(ErrorCode::UnknownRendition, why);
        check(codec.as_ref(), choice.format, facts.source).map_err(unknown)?;
        let encoding = codec.encoding(choice).map_err(|error| match error {
            PluginError::Panicked(_) | PluginError::Failed(_) => {
                WireError::new(ErrorCode::CodecFailed, error.to_string())
            }
            _ => unknown(error.to_string()),
        })?;
        let lossless = codec.info().lossless && is_exact(codec.as_ref(), &encoding, facts.source);
        let rendition = describe(codec.as_ref(), &encoding, lossless, track, facts).map_err(unknown)?;
        rendition.check().map_err(|error| unknown(error.to_string()))?;
        Ok(Self { codec, encoding, rendition, passthrough: None })
    }

    /// True if a cache should prefer these chunks, since they are lossy. Lossy encoding takes far more time than
    /// lossless, and gives a tenth of the bytes. Packets that pass through are not encoded at all.
    pub(in crate::server) fn is_costly(&self) -> bool {
        self.passthrough.is_none() && !self.codec.info().lossless
    }
}

/// The codec's choice that a rendition's id names.
pub(super) fn choice_of(id: &RenditionId) -> Choice {
    Choice { format: AudioFormat { rate: id.rate, channels: id.channels }, params: id.params.clone() }
}

/// The rendition as a client sees it, for an encoding of a track.
pub(super) fn describe(
    codec: &dyn Codec,
    encoding: &Encoding,
    lossless: bool,
    track: TrackId,
    facts: SourceFacts,
) -> Result<Rendition, String> {
    let AudioFormat { rate, channels } = encoding.choice.format;
    let frames = Window::frames(facts.frames, facts.source.format.rate, rate);
    let params = encoding.choice.params.clone();
    Ok(Rendition {
        id: RenditionId { track, codec: codec.info().id, rate, channels, params },
        bitrate: encoding.bitrate,
        lossless,
        config: encoding.config.clone(),
        frames,
        chunks: chunk_count(frames, rate).ok_or("it is too long")?,
        frames_per_chunk: frames_per_chunk(rate),
        packet_frames: encoding.packet_frames,
        lead_in: encoding.dropped_frames(),
        crossfade: encoding.crossfade,
        continuous: false,
        joinable: encoding.joinable,
    })
}

/// Checks that this node converts `source` to `format`, and that a chunk of it is not too large. The node applies
/// this check to its own choice as well as to a rendition that a peer names. So it never refuses its own choice.
fn check(codec: &dyn Codec, format: AudioFormat, source: SourceFormat) -> Result<(), String> {
    let bytes = frames_per_chunk(format.rate) * u64::from(format.channels) * 4;
    let AudioFormat { rate, channels } = format;
    let own = source.format;
    if rate != own.rate && !RATES.contains(&rate) {
        return Err(format!("{rate} Hz is neither the source's rate nor a common one"));
    }
    if rate > own.rate.max(USUAL_RATE) && !would_choose(codec, rate, source) {
        return Err(format!("{rate} Hz are more than the source has, and than this codec asks for"));
    }
    if channels > own.channels.max(2) {
        return Err(format!("{channels} channels are more than the source has"));
    }
    if !format.is_valid() || bytes > MAX_CHUNK_BYTES {
        return Err(format!("a chunk at {format} is larger than this node encodes"));
    }
    Ok(())
}

/// True if the codec itself chooses that rate for an output that takes no other rate.
fn would_choose(codec: &dyn Codec, rate: u32, source: SourceFormat) -> bool {
    let limits = Limits { rates: vec![rate], ..Limits::default() };
    codec.propose(&source, &limits, "").is_ok_and(|choice| choice.format.rate == rate)
}

/// True if an encoding by a lossless codec preserves the source: it has the same format, and as many bits as the
/// codec would use without limits.
fn is_exact(codec: &dyn Codec, encoding: &Encoding, source: SourceFormat) -> bool {
    let unlimited = codec.propose(&source, &Limits::default(), "").and_then(|choice| codec.encoding(&choice));
    source.sample != SampleType::S32
        && encoding.choice.format == source.format
        && unlimited.is_ok_and(|unlimited| encoding.bitrate >= unlimited.bitrate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins;

    #[test]
    fn formats_over_a_bound_are_refused() {
        let pcm = plugins::registry().codec("pcm").unwrap();
        let is_accepted = |(rate, channels), (source_rate, source_channels)| {
            let format = AudioFormat { rate: source_rate, channels: source_channels };
            let source = SourceFormat { format, sample: SampleType::S16 };
            check(pcm.as_ref(), AudioFormat { rate, channels }, source).is_ok()
        };
        for rate in RATES {
            assert_eq!(is_accepted((rate, 2), (44_100, 2)), rate <= 48_000, "{rate}");
            assert!(is_accepted((rate, 2), (384_000, 2)), "{rate}");
        }
        assert!(is_accepted((37_123, 1), (37_123, 1)) && !is_accepted((37_123, 1), (44_100, 1)));
        assert!(is_accepted((44_100, 2), (44_100, 1)) && !is_accepted((44_100, 3), (44_100, 2)));
        // 3 s of 7 channels take 64.5 MB, those of 8 channels 73.7 MB.
        assert!(is_accepted((768_000, 7), (768_000, 8)) && !is_accepted((768_000, 8), (768_000, 8)));
    }
}
