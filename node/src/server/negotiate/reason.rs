//! The reason for a choice of rendition, in words for a person.

use media_plugin_host::Registry;
use media_plugin_sdk::{SampleType, SourceFormat};
use media_protocol::{GetInfo, PathReport, Track};

use super::plan::RenditionPlan;

/// Longest reason, in bytes.
const MAX: usize = 1000;

/// Explains the choice of `plan`, whose codec is number `place` (from 0) in the client's list. `rejected` has the
/// reasons against the codecs before it.
pub(super) fn explain(
    registry: &Registry,
    request: &GetInfo,
    place: usize,
    plan: &RenditionPlan,
    rejected: &[String],
    track: &Track,
    source: SourceFormat,
) -> String {
    let mut words = format!("{}: {}", name(plan), rank(place, request.codecs.len()));
    let format = plan.encoding.choice.format;
    if plan.passthrough.is_some() {
        words = format!("{}: the file's own packets pass through, nothing is encoded again", name(plan));
    } else if plan.rendition.lossless {
        words += &match (source.sample, track.source.codec.as_str()) {
            (SampleType::F32, codec) if codec != "pcm" => format!(", the {codec} exactly as it decodes"),
            (sample, _) => format!(", lossless for a {} source", self::sample(sample)),
        };
    } else if format != source.format {
        words += &format!(", {} converted to {format}", source.format);
    }
    words += &share_of_pcm(plan, source);
    let is_missing = |id: &String| !request.codecs.iter().any(|offer| offer.id == *id);
    let missing = registry.codecs().map(|codec| codec.info().id).filter(is_missing);
    let missing = missing.map(|id| format!("{id} was not offered"));
    for clause in rejected.iter().cloned().chain(missing) {
        words += "; ";
        words += &clause;
    }
    let path = path(&request.path);
    clipped(&words, MAX - path.len()) + &path
}

fn name(plan: &RenditionPlan) -> String {
    let id = &plan.rendition.id;
    match (plan.codec.info().lossless, id.params.as_str()) {
        (true, "") => id.codec.clone(),
        (true, params) => format!("{} {params}", id.codec),
        (false, _) => format!("{} {} kbit/s", id.codec, f64::from(plan.encoding.bitrate) / 1000.0),
    }
}

fn rank(place: usize, of: usize) -> String {
    match (place, of) {
        (0, 1) => "the one codec that this client offers".into(),
        (0, _) => "this client's first choice".into(),
        (place, _) => format!("this client's choice number {}", place + 1),
    }
}

/// Bitrate of a lossless plan as a share of PCM's, in words. Empty for a lossy plan, and from 100 % on.
fn share_of_pcm(plan: &RenditionPlan, source: SourceFormat) -> String {
    let bits = match source.sample {
        SampleType::S16 => 16.0,
        SampleType::S24 => 24.0,
        SampleType::S32 | SampleType::F32 => 32.0,
    };
    let pcm = f64::from(source.format.rate) * f64::from(source.format.channels) * bits;
    let share = f64::from(plan.rendition.bitrate) / pcm;
    if !plan.rendition.lossless || share >= 1.0 {
        return String::new();
    }
    format!(", at about {:.0} % of PCM's bitrate", share * 100.0)
}

fn sample(sample: SampleType) -> &'static str {
    match sample {
        SampleType::S16 => "16-bit",
        SampleType::S24 => "24-bit",
        SampleType::S32 => "32-bit",
        SampleType::F32 => "floating-point",
    }
}

/// Describes the path like ` (path direct, RTT 40 ms, loss 1.5 %)`.
fn path(report: &PathReport) -> String {
    let kind = report.kind;
    let rtt = report.rtt_ms.map(|rtt| format!(", RTT {rtt:.0} ms")).unwrap_or_default();
    let loss = report.loss.map(|loss| format!(", loss {:.1} %", loss * 100.0)).unwrap_or_default();
    let mut words = format!(" (path {kind}{rtt}{loss})");
    // A number from a client may have hundreds of digits.
    if words.len() > 80 {
        words = format!(" (path {kind})");
    }
    words
}

/// Cuts a text to one line of at most `max` bytes. Parts of it come from the client.
fn clipped(text: &str, max: usize) -> String {
    let mut line = text.replace(char::is_control, " ");
    line.truncate(line.floor_char_boundary(max));
    line
}
