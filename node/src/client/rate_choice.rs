//! In which codec and bitrate a track is asked for: what is offered, and what each next chunk comes in.
//!
//! What a person wants is a [`CodecChoice`]; what that may cost is its [`Policy`]; [`Adaptive`] chooses within it.

mod adaptive;
mod pace;
mod policy;
mod under_way;

use std::sync::{Arc, atomic::AtomicBool};

use media_plugin_host::Registry;
use media_plugin_sdk::transport::Path;
use media_protocol::{
    CodecOffer, PathKind, PathReport,
    session::client::{FixedRendition, RateChoice},
};

use crate::path_kind::path_kind;
pub use adaptive::Adaptive;
pub use policy::{Budget, Policy};

/// What the person wants to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodecChoice {
    /// By the path: lossless where it is wide, lossy where it is thin, and as much as it carries; within a budget where it
    /// is relayed.
    Auto(Budget),
    /// Lossless on every path; what does not come in time is waited for.
    Lossless,
    /// Little on every path, within a budget.
    DataSaver(Budget),
    /// These codecs and no others, the best first.
    Only(Vec<String>),
}

/// The bitrates that a lossy codec is offered at beside the one that is asked for, in bit/s.
const LADDER: [u32; 9] = [160_000, 128_000, 96_000, 64_000, 48_000, 32_000, 24_000, 16_000, 12_000];

/// The codecs to offer for a path, most wanted first, the lossy ones at `bitrate`, in bit/s, or as much of it as the choice
/// allows there. With `Auto` and `DataSaver` they are offered at other bitrates too, for [`Adaptive`].
pub(super) fn offers(
    choice: &CodecChoice,
    bitrate: u32,
    path: &Path,
    registry: &Registry,
) -> Vec<CodecOffer> {
    let mut codecs: Vec<_> = registry.codecs().map(|codec| codec.info()).collect();
    let kind = path_kind(path.kind);
    let wide = matches!(choice, CodecChoice::Auto(_)) && policy::is_near(kind);
    let mut bitrate = bitrate;
    let ladder = match choice {
        CodecChoice::Lossless => {
            codecs.retain(|codec| codec.lossless);
            &[][..]
        }
        CodecChoice::DataSaver(_) => {
            codecs.sort_by_key(|codec| codec.lossless);
            bitrate = bitrate.min(Policy::SAVER);
            let low = LADDER.iter().position(|step| *step <= Policy::SAVER);
            &LADDER[low.unwrap_or_default()..]
        }
        CodecChoice::Auto(budget) => {
            bitrate = bitrate.min(Policy::auto(*budget).most(kind));
            // On one machine bytes cost nothing, and PCM no work. On a network, Wi-Fi above all, half of the bytes are worth
            // some. Stable, so that equals stay in the registry's order.
            let near = matches!(kind, PathKind::Memory | PathKind::Loopback);
            codecs.sort_by_key(|codec| (codec.lossless != wide, (codec.id == "pcm") != near));
            &LADDER[..]
        }
        CodecChoice::Only(ids) => {
            codecs.retain(|codec| ids.contains(&codec.id));
            codecs.sort_by_key(|codec| ids.iter().position(|id| *id == codec.id));
            &[][..]
        }
    };
    let at = |id: &str, bitrate| CodecOffer { id: id.into(), bitrate };
    let first = codecs.iter().map(|codec| at(&codec.id, (!codec.lossless).then_some(bitrate)));
    let lossy = codecs.iter().filter(|codec| !codec.lossless);
    let others = lossy.flat_map(|codec| ladder.iter().map(|step| at(&codec.id, Some(*step))));
    // Without a limit, so that a source of any bitrate may pass through as it is.
    let unlimited = codecs.iter().filter(|codec| wide && !codec.lossless).map(|codec| at(&codec.id, None));
    first.chain(unlimited).chain(others).take(media_protocol::GetInfo::MAX_CODECS).collect()
}

/// What `get_info` tells the node of the path.
pub(super) fn report(path: &Path) -> PathReport {
    PathReport {
        kind: path_kind(path.kind),
        rtt_ms: path.rtt.map(|rtt| rtt.as_secs_f64() * 1000.0),
        loss: path.loss,
        throughput: None,
    }
}

/// Who chooses the rendition of each chunk. A codec that a person named stays, and so does any where the output is not
/// `paced`: a file waits for as long as it takes.
pub(super) fn chooser(choice: &CodecChoice, paced: Arc<AtomicBool>) -> Box<dyn RateChoice> {
    match choice {
        CodecChoice::Auto(budget) => Box::new(Adaptive::new(Policy::auto(*budget), paced)),
        CodecChoice::DataSaver(budget) => Box::new(Adaptive::new(Policy::data_saver(*budget), paced)),
        CodecChoice::Lossless | CodecChoice::Only(_) => Box::new(FixedRendition),
    }
}

#[cfg(test)]
mod tests;
