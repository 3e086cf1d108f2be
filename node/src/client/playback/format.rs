//! What a rendition's audio is, in the terms of the plugins.

use media_plugin_sdk::{AudioFormat, SampleType};
use media_protocol::{Info, Rendition};

/// What a rendition decodes to.
pub(super) fn format_of(rendition: &Rendition) -> AudioFormat {
    AudioFormat { rate: rendition.id.rate, channels: rendition.id.channels }
}

/// What a track's samples fit into exactly.
pub(super) fn sample_of(info: &Info) -> SampleType {
    match info.track.source.bits {
        Some(..=16) if info.rendition.lossless => SampleType::S16,
        Some(..=24) if info.rendition.lossless => SampleType::S24,
        _ => SampleType::F32,
    }
}
