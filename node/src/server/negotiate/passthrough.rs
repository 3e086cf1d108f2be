//! Opus packets that are sent as they are in the file, without decoding, encoding or loss.

use std::sync::Arc;

use media_plugin_sdk::{AudioFormat, Codec, Limits};
use media_protocol::{Rendition, RenditionId, TrackId};

use super::{
    packet_cut::PacketCut,
    plan::{RenditionPlan, describe},
};
use crate::{library::SourceFacts, source::OpusStream};

/// Codec parameters in the id of a passthrough rendition.
const PARAMS: &str = "copy";
/// Codec of the packets (RFC 6716).
const CODEC: &str = "opus";
/// Highest bitrate of a stereo stream, in bit/s (RFC 6716, section 2.1.1). Tested by
/// `the_size_of_a_chunk_follows_from_its_name`.
pub(super) const MAX_BITRATE: u32 = 510_000;

/// True if `id` names a passthrough.
pub(super) fn is_passthrough(id: &RenditionId) -> bool {
    id.codec == CODEC && id.params == PARAMS
}

/// The passthrough that `id` names.
pub(super) fn named(
    codec: Arc<dyn Codec>,
    id: &RenditionId,
    facts: SourceFacts,
) -> Result<RenditionPlan, String> {
    let format = AudioFormat { rate: id.rate, channels: id.channels };
    match facts.opus {
        Some(stream) if format == facts.source.format => plan(codec, stream, id.track.clone(), facts),
        _ => Err("the file has no Opus packets of this format".into()),
    }
}

/// The passthrough of a track, if it is within the client's `limits` and the codec's `options`.
pub(super) fn proposed(
    codec: &Arc<dyn Codec>,
    limits: &Limits,
    options: &str,
    track: &TrackId,
    facts: SourceFacts,
) -> Option<RenditionPlan> {
    let stream = facts.opus.filter(|_| codec.info().id == CODEC)?;
    // If the client sets no limit, `u32::MAX` makes the codec propose the highest bitrate that its options allow.
    let limits = Limits { bitrate: limits.bitrate.or(Some(u32::MAX)), ..limits.clone() };
    let choice = codec.propose(&facts.source, &limits, options).ok()?;
    let highest = codec.encoding(&choice).ok()?.bitrate;
    // The mean of a variable bitrate may be slightly above its target, so a tenth more is accepted.
    let fits = stream.bitrate <= highest.saturating_add(highest / 10) && choice.format == facts.source.format;
    fits.then(|| plan(Arc::clone(codec), stream, track.clone(), facts).ok()).flatten()
}

fn plan(
    codec: Arc<dyn Codec>,
    stream: OpusStream,
    track: TrackId,
    facts: SourceFacts,
) -> Result<RenditionPlan, String> {
    let cut = PacketCut::new(stream);
    // The decoder's configuration does not depend on the bitrate, so any encoding has the right one.
    let unlimited = codec.propose(&facts.source, &Limits::default(), "");
    let config =
        unlimited.and_then(|choice| codec.encoding(&choice)).map_err(|error| error.to_string())?.config;
    let encoding = cut.encoding(config, facts.source.format, PARAMS);
    let rendition = describe(codec.as_ref(), &encoding, true, track, facts)?;
    let rendition = Rendition { continuous: true, ..rendition };
    rendition.check().map_err(|error| error.to_string())?;
    Ok(RenditionPlan { codec, encoding, rendition, passthrough: Some(cut) })
}

/// Moves a passthrough to the front, and removes lossless plans beside it: they would send the same audio in
/// more bytes.
pub(super) fn prefer(plans: &mut Vec<(usize, RenditionPlan)>) {
    let Some(position) = plans.iter().position(|(_, plan)| plan.passthrough.is_some()) else { return };
    plans[..=position].rotate_right(1);
    plans.retain(|(_, plan)| plan.passthrough.is_some() || !plan.rendition.lossless);
}
