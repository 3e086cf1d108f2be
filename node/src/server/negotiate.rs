//! Choice of the rendition in which a track is sent to a client, and its reason.

use std::{collections::BTreeMap, sync::Arc};

use media_plugin_host::Registry;
use media_plugin_sdk::Limits;
use media_protocol::{
    CHUNK_SECONDS, CodecOffer, ErrorCode, GetInfo, Info, Rendition, RenditionId, Track, WireError,
};

use self::{
    passthrough::{MAX_BITRATE, is_passthrough},
    plan::{RenditionPlan, choice_of},
    rendition_bounds::RenditionBounds,
};
use crate::library::SourceFacts;

mod output_rate;
pub(super) mod packet_cut;
mod passthrough;
pub(super) mod plan;
mod reason;
pub(super) mod rendition_bounds;

/// Chooses the first of the client's codecs that this node has and that can carry the track. If the file's own
/// packets can pass through, they come before all codecs. `options` holds the options of each codec by its id. Every
/// offered rendition is within `bounds`.
///
/// # Errors
/// `NoCommonCodec` with the node's codecs in the message; `BadRequest` for too many offered codecs.
pub(super) fn choose(
    registry: &Registry,
    options: &BTreeMap<String, String>,
    request: &GetInfo,
    track: &Track,
    facts: SourceFacts,
    bounds: RenditionBounds,
) -> Result<Info, WireError> {
    if request.codecs.len() > GetInfo::MAX_CODECS {
        let message = format!("{} codecs offered, {} at most", request.codecs.len(), GetInfo::MAX_CODECS);
        return Err(WireError::new(ErrorCode::BadRequest, message));
    }
    let mut plans: Vec<(usize, RenditionPlan)> = Vec::new();
    let mut rejected = Vec::new();
    for (place, offer) in request.codecs.iter().enumerate() {
        // A client can offer one codec at several bitrates, to switch between them. Equal offers count once.
        if request.codecs[..place].contains(offer) {
            continue;
        }
        match propose(registry, options, offer, request, track, facts, bounds) {
            Ok(plan) if plans.iter().any(|(_, known)| known.rendition.id == plan.rendition.id) => {}
            Ok(plan) => plans.push((place, plan)),
            Err(why) if plans.is_empty() => rejected.push(why),
            Err(_) => {}
        }
    }
    passthrough::prefer(&mut plans);
    let mut plans = plans.into_iter();
    let Some((place, chosen)) = plans.next() else {
        return Err(no_common_codec(registry, track, &rejected));
    };
    let reason = reason::explain(registry, request, place, &chosen, &rejected, track, facts.source);
    let alternatives = bounded(plans.map(|(_, plan)| plan.rendition));
    Ok(Info { track: track.clone(), rendition: chosen.rendition, alternatives, reason })
}

/// The plan for a rendition that a client names. It depends on the name and the track only.
///
/// # Errors
/// `UnknownRendition` if this node lacks the codec or cannot make the rendition; `CodecFailed` if the codec fails.
pub(super) fn plan(
    registry: &Registry,
    id: &RenditionId,
    facts: SourceFacts,
) -> Result<RenditionPlan, WireError> {
    let unknown = |why: String| WireError::new(ErrorCode::UnknownRendition, why);
    let codec = registry.codec(&id.codec).map_err(|error| unknown(error.to_string()));
    let plan = codec.and_then(|codec| match is_passthrough(id) {
        true => passthrough::named(codec, id, facts).map_err(unknown),
        false => RenditionPlan::new(codec, &choice_of(id), id.track.clone(), facts),
    });
    plan.map_err(|why| {
        let message = format!("this node does not make {id}: {}; ask get_info again", why.message);
        WireError::new(why.code, message)
    })
}

/// Approximate size of a chunk in bytes, computed from its rendition's name alone. 0 if no codec can make it.
pub(super) fn chunk_bytes(registry: &Registry, id: &RenditionId) -> usize {
    let bitrate = match is_passthrough(id) {
        true => MAX_BITRATE,
        false => registry
            .codec(&id.codec)
            .ok()
            .and_then(|codec| codec.encoding(&choice_of(id)).ok())
            .map_or(0, |encoding| encoding.bitrate),
    };
    bitrate as usize / 8 * CHUNK_SECONDS as usize
}

fn propose(
    registry: &Registry,
    options: &BTreeMap<String, String>,
    offer: &CodecOffer,
    request: &GetInfo,
    track: &Track,
    facts: SourceFacts,
    bounds: RenditionBounds,
) -> Result<RenditionPlan, String> {
    // The registry's own message lists all codecs, which is too much for each offer.
    let codec = registry.codec(&offer.id).map_err(|_| format!("this node has no {}", offer.id))?;
    let output = &request.output;
    let bitrate = offer.bitrate.into_iter().chain(bounds.max_bitrate).min();
    let limits = Limits { bitrate, rates: output.rates.clone(), channels: output.channels };
    let options = options.get(&offer.id).map_or("", String::as_str);
    if bounds.passthrough
        && let Some(plan) = passthrough::proposed(&codec, &limits, options, &track.id, facts)
    {
        return Ok(plan);
    }
    // A codec that the bounds exclude at any bitrate.
    bounds.check(codec.as_ref(), 0)?;
    let source = output_rate::for_output(facts.source, &output.rates);
    let choice = codec.propose(&source, &limits, options).map_err(|error| error.to_string());
    let plan = choice
        .and_then(|choice| {
            RenditionPlan::new(Arc::clone(&codec), &choice, track.id.clone(), facts)
                .map_err(|why| why.message)
        })
        .map_err(|why| format!("{} cannot carry it ({why})", offer.id))?;
    bounds.check(codec.as_ref(), plan.rendition.bitrate)?;
    Ok(plan)
}

/// Takes the first renditions that fit into half of an answer. The other half is for the track, the chosen
/// rendition and the reason.
fn bounded(renditions: impl Iterator<Item = Rendition>) -> Vec<Rendition> {
    let mut room = GetInfo::MAX_ANSWER / 2;
    let size = |rendition: &Rendition| serde_json::to_vec(rendition).map_or(usize::MAX, |json| json.len());
    let fits = |rendition: &Rendition| room.checked_sub(size(rendition)).map(|left| room = left).is_some();
    renditions.take_while(fits).collect()
}

fn no_common_codec(registry: &Registry, track: &Track, rejected: &[String]) -> WireError {
    let known: Vec<_> = registry.codecs().map(|codec| codec.info().id).collect();
    let known = if known.is_empty() { "no codec".into() } else { known.join(", ") };
    let offers = if rejected.is_empty() { "the client offers no codec".into() } else { rejected.join("; ") };
    let message = format!("no codec for {:?}: this node has {known}; {offers}", track.title);
    WireError::new(ErrorCode::NoCommonCodec, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins;

    #[test]
    fn the_size_of_a_chunk_follows_from_its_name() {
        let registry = plugins::registry();
        let bytes = |id: &str| chunk_bytes(&registry, &id.parse().unwrap());
        assert_eq!(bytes("t.pcm.44100.2.s16"), 529_200);
        assert_eq!(bytes("t.opus.48000.2.copy"), 191_250);
        assert_eq!((bytes("t.nothing.44100.2.s16"), bytes("t.pcm.44100.2.s17")), (0, 0));
    }
}
