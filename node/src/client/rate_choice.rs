//! In which codec and bitrate a track is asked for.

use std::str::FromStr;

use media_plugin_host::Registry;
use media_plugin_sdk::transport::{Path, PathKind};
use media_protocol::{CodecOffer, PathReport};

/// What the person wants to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodecChoice {
    /// By the path: lossless where it is wide, lossy where it is thin.
    Auto,
    /// This codec and no other.
    Only(String),
}

impl FromStr for CodecChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text == "auto" { Self::Auto } else { Self::Only(text.into()) })
    }
}

/// The codecs to offer for a path, most wanted first. `bitrate`, in bit/s, limits the lossy ones.
pub(super) fn offers(
    choice: &CodecChoice, bitrate: Option<u32>, path: &Path, registry: &Registry,
) -> Vec<CodecOffer> {
    let mut codecs: Vec<_> = registry.codecs().map(|codec| codec.info()).collect();
    if let CodecChoice::Only(id) = choice {
        codecs.retain(|codec| codec.id == *id);
    }
    // Stable, so that equals stay in the registry's order.
    codecs.sort_by_key(|codec| codec.lossless != is_wide(path.kind));
    codecs
        .into_iter()
        .map(|codec| CodecOffer { bitrate: bitrate.filter(|_| !codec.lossless), id: codec.id })
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
