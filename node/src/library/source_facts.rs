use media_plugin_sdk::SourceFormat;

use crate::source::OpusStream;

/// The properties of a track's file that its renditions depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceFacts {
    /// Rate, channels and sample type.
    pub(crate) source: SourceFormat,
    /// Length in frames at the source's own rate.
    pub(crate) frames: u64,
    /// The file's Opus packets, if they can be sent unchanged.
    pub(crate) opus: Option<OpusStream>,
}
