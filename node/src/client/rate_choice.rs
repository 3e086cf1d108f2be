//! In which codec and bitrate a track is asked for.

use media_plugin_host::Registry;
use media_plugin_sdk::transport::{Path, PathKind};
use media_protocol::{CodecOffer, PathReport};

/// What the person wants to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodecChoice {
    /// By the path: lossless where it is wide, lossy where it is thin.
    Auto,
    /// These codecs and no others, the best first.
    Only(Vec<String>),
}

/// The codecs to offer for a path, most wanted first. `bitrate`, in bit/s, limits the lossy ones.
pub(super) fn offers(
    choice: &CodecChoice,
    bitrate: u32,
    path: &Path,
    registry: &Registry,
) -> Vec<CodecOffer> {
    let mut codecs: Vec<_> = registry.codecs().map(|codec| codec.info()).collect();
    match choice {
        // Stable, so that equals stay in the registry's order.
        CodecChoice::Auto => codecs.sort_by_key(|codec| codec.lossless != is_wide(path.kind)),
        CodecChoice::Only(ids) => {
            codecs.retain(|codec| ids.contains(&codec.id));
            codecs.sort_by_key(|codec| ids.iter().position(|id| *id == codec.id));
        }
    }
    codecs
        .into_iter()
        .map(|codec| CodecOffer { bitrate: (!codec.lossless).then_some(bitrate), id: codec.id })
        .collect()
}

/// Whether a path of this kind carries PCM with ease.
fn is_wide(kind: PathKind) -> bool {
    matches!(kind, PathKind::Memory | PathKind::Loopback | PathKind::Lan)
}

/// What `get_info` tells the node of the path.
pub(super) fn report(path: &Path) -> PathReport {
    PathReport {
        kind: path.kind.to_string().to_lowercase(),
        rtt_ms: path.rtt.map(|rtt| rtt.as_secs_f64() * 1000.0),
        loss: path.loss,
        throughput: None,
    }
}
