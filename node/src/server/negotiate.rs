//! How a track is sent to a client: which codec, in which format, and why.

use std::{collections::BTreeMap, sync::Arc};

use media_plugin_host::Registry;
use media_plugin_sdk::{AudioFormat, Choice, Codec, Encoding, Limits, SampleType, SourceFormat};
use media_protocol::{
    CHUNK_SECONDS, CodecOffer, ErrorCode, GetInfo, Info, Rendition, RenditionId, Track, TrackId, WireError,
    chunk_count, frames_per_chunk,
};

use crate::source::{OpusStream, Window};

mod pass_through;
mod reason;

pub(super) use pass_through::Cut;

/// The most bytes of `f32` audio that a chunk may stand for: what bounds the memory of one that is being encoded.
pub(super) const MAX_CHUNK_BYTES: u64 = 64 * 1024 * 1024;

/// The rates, beside the source's own, that a track is converted to. A peer names the rate, and a resampler for two
/// rates without a common divisor is large.
const RATES: [u32; 16] = [
    8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000, 176_400,
    192_000, 352_800, 384_000,
];
/// Up to here a track is converted for whoever asks; above, and above the source's own rate, more bytes would say nothing
/// more.
const USUAL_RATE: u32 = 48_000;

/// What a track's source holds, as far as a rendition depends on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Material {
    pub(super) source: SourceFormat,
    /// Its length, in frames at its own rate.
    pub(super) frames: u64,
    /// The Opus packets in it, where they may go out as they are.
    pub(super) opus: Option<OpusStream>,
}

/// A rendition that this node can make.
pub(super) struct Plan {
    pub(super) codec: Arc<dyn Codec>,
    pub(super) encoding: Encoding,
    pub(super) rendition: Rendition,
    /// The source's own packets, where those go out and nothing is encoded.
    pub(super) passes: Option<Cut>,
}

impl Plan {
    /// Whether its chunks are worth their room: what passes through as it is costs nothing to make, and a lossless codec
    /// writes ten times the bytes of a lossy one in less time.
    pub(super) fn is_dear(&self) -> bool {
        self.passes.is_none() && !self.codec.info().lossless
    }
}

/// Chooses for `request`: the first of the client's codecs that this node has and that can carry the track. `options`
/// are the codecs' own, by id. A source that may pass through as it is comes before all.
///
/// # Errors
/// `NoCommonCodec` with what this node has; `BadRequest` for too many codecs.
pub(super) fn choose(
    registry: &Registry,
    options: &BTreeMap<String, String>,
    request: &GetInfo,
    track: &Track,
    material: Material,
) -> Result<Info, WireError> {
    if request.codecs.len() > GetInfo::MAX_CODECS {
        let message = format!("{} codecs offered, {} at most", request.codecs.len(), GetInfo::MAX_CODECS);
        return Err(WireError::new(ErrorCode::BadRequest, message));
    }
    let mut plans: Vec<(usize, Plan)> = Vec::new();
    let mut passed = Vec::new();
    for (place, offer) in request.codecs.iter().enumerate() {
        // One codec may be offered at several bitrates, for the client to change between.
        if request.codecs[..place].contains(offer) {
            continue;
        }
        match propose(registry, options, offer, request, track, material) {
            Ok(plan) if plans.iter().any(|(_, it)| it.rendition.id == plan.rendition.id) => {}
            Ok(plan) => plans.push((place, plan)),
            Err(why) if plans.is_empty() => passed.push(why),
            Err(_) => {}
        }
    }
    pass_through::prefer(&mut plans);
    let mut plans = plans.into_iter();
    let Some((place, chosen)) = plans.next() else {
        return Err(no_common_codec(registry, track, &passed));
    };
    let reason = reason::words(registry, request, place, &chosen, &passed, track, material.source);
    let alternatives = bounded(plans.map(|(_, plan)| plan.rendition));
    Ok(Info { track: track.clone(), rendition: chosen.rendition, alternatives, reason })
}

/// What a rendition's name stands for, whoever made it and when.
///
/// # Errors
/// `UnknownRendition` when this node has not the codec, or would not encode so.
pub(super) fn plan(registry: &Registry, id: &RenditionId, material: Material) -> Result<Plan, WireError> {
    let format = AudioFormat { rate: id.rate, channels: id.channels };
    let choice = Choice { format, params: id.params.clone() };
    let codec = registry.codec(&id.codec).map_err(|it| it.to_string());
    let plan = codec.and_then(|codec| match pass_through::is_meant(id) {
        true => pass_through::plan(codec, id, material),
        false => realise(codec, &choice, id.track.clone(), material),
    });
    plan.map_err(|why| {
        WireError::new(
            ErrorCode::UnknownRendition,
            format!("this node does not make {id}: {why}; ask get_info again"),
        )
    })
}

/// About how many bytes a chunk takes, by its rendition's name alone: the track is not looked at. None where no codec makes it.
pub(super) fn chunk_bytes(registry: &Registry, id: &RenditionId) -> usize {
    let format = AudioFormat { rate: id.rate, channels: id.channels };
    let choice = Choice { format, params: id.params.clone() };
    let bitrate = match pass_through::is_meant(id) {
        true => pass_through::MOST,
        false => registry
            .codec(&id.codec)
            .ok()
            .and_then(|codec| codec.encoding(&choice).ok())
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
    material: Material,
) -> Result<Plan, String> {
    // The registry would list what it knows; here that is said once, for all offers.
    let codec = registry.codec(&offer.id).map_err(|_| format!("this node has no {}", offer.id))?;
    let GetInfo { output, .. } = request;
    let limits = Limits { bitrate: offer.bitrate, rates: output.rates.clone(), channels: output.channels };
    let options = options.get(&offer.id).map_or("", String::as_str);
    if let Some(plan) = pass_through::propose(&codec, &limits, options, &track.id, material) {
        return Ok(plan);
    }
    let choice = codec.propose(&material.source, &limits, options).map_err(|it| it.to_string());
    choice
        .and_then(|choice| realise(codec, &choice, track.id.clone(), material))
        .map_err(|why| format!("{} cannot carry it ({why})", offer.id))
}

fn realise(
    codec: Arc<dyn Codec>,
    choice: &Choice,
    track: TrackId,
    material: Material,
) -> Result<Plan, String> {
    check(codec.as_ref(), choice.format, material.source)?;
    let encoding = codec.encoding(choice).map_err(|it| it.to_string())?;
    let lossless = codec.info().lossless && is_exact(codec.as_ref(), &encoding, material.source);
    let rendition = rendition(codec.as_ref(), &encoding, lossless, track, material)?;
    rendition.check().map_err(|it| it.to_string())?;
    Ok(Plan { codec, encoding, rendition, passes: None })
}

/// What a client is told of an encoding.
fn rendition(
    codec: &dyn Codec,
    encoding: &Encoding,
    lossless: bool,
    track: TrackId,
    material: Material,
) -> Result<Rendition, String> {
    let AudioFormat { rate, channels } = encoding.choice.format;
    let frames = Window::frames(material.frames, material.source.format.rate, rate);
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
        lead_in: encoding.lead_in.saturating_add(encoding.lookahead),
        crossfade: encoding.crossfade,
        continuous: false,
    })
}

/// Whether this node converts `source` to `format`, and a chunk of it stays within bounds. Asked of what is chosen as of what
/// a peer names, so that what was chosen is never refused.
fn check(codec: &dyn Codec, format: AudioFormat, source: SourceFormat) -> Result<(), String> {
    let bytes = frames_per_chunk(format.rate) * u64::from(format.channels) * 4;
    let (AudioFormat { rate, channels }, own) = (format, source.format);
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

/// Whether the codec takes that rate for an output that has no other.
fn would_choose(codec: &dyn Codec, rate: u32, source: SourceFormat) -> bool {
    let limits = Limits { rates: vec![rate], ..Limits::default() };
    codec.propose(&source, &limits, "").is_ok_and(|it| it.format.rate == rate)
}

/// Whether a lossless encoding gives back the source: same format, and no fewer bits than the codec takes when nothing
/// limits it.
fn is_exact(codec: &dyn Codec, encoding: &Encoding, source: SourceFormat) -> bool {
    let natural = codec.propose(&source, &Limits::default(), "").and_then(|it| codec.encoding(&it));
    source.sample != SampleType::S32
        && encoding.choice.format == source.format
        && natural.is_ok_and(|it| encoding.bitrate >= it.bitrate)
}

/// As many as fit into an answer, the most wanted first.
fn bounded(renditions: impl Iterator<Item = Rendition>) -> Vec<Rendition> {
    // Half of the answer is for the track, the rendition that was chosen, and the reason.
    let mut room = GetInfo::MAX_ANSWER / 2;
    let size = |it: &Rendition| serde_json::to_vec(it).map_or(usize::MAX, |it| it.len());
    let fits = |it: &Rendition| room.checked_sub(size(it)).map(|left| room = left).is_some();
    renditions.take_while(fits).collect()
}

fn no_common_codec(registry: &Registry, track: &Track, passed: &[String]) -> WireError {
    let known: Vec<_> = registry.codecs().map(|it| it.info().id).collect();
    let known = if known.is_empty() { "no codec".into() } else { known.join(", ") };
    let offers = if passed.is_empty() { "the client offers no codec".into() } else { passed.join("; ") };
    let message = format!("no codec for {:?}: this node has {known}; {offers}", track.title);
    WireError::new(ErrorCode::NoCommonCodec, message)
}
