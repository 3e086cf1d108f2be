//! Audio formats of renditions, in the types of the plugins.

use media_plugin_sdk::{AudioFormat, SampleType};
use media_protocol::{Info, Rendition};

/// Format of the decoded audio of a rendition.
pub(crate) fn format_of(rendition: &Rendition) -> AudioFormat {
    AudioFormat { rate: rendition.id.rate, channels: rendition.id.channels }
}

/// Smallest sample type that holds a track's samples exactly.
pub(crate) fn sample_of(info: &Info) -> SampleType {
    match info.track.source.bits {
        Some(..=16) if info.rendition.lossless => SampleType::S16,
        Some(..=24) if info.rendition.lossless => SampleType::S24,
        _ => SampleType::F32,
    }
}
