use std::sync::Arc;

use media_plugin_sdk::{Codec, Encoding, Limits, SourceFormat};

use crate::{
    failure::{Breaks, Failure, require},
    signal,
};

/// Source to encode, and the required quality.
#[derive(Debug, Clone)]
pub struct Case<'a> {
    /// Format of the source.
    pub source: SourceFormat,
    /// Limits for [`Codec::propose`].
    pub limits: Limits,
    /// Options of the codec: a JSON object, or empty.
    pub options: &'a str,
    /// Lowest signal-to-noise ratio, in dB; infinite if every sample must be exact.
    pub min_snr: f64,
}

impl Case<'_> {
    /// Lets the codec choose an encoding, and makes a track of two seconds and 1,237 frames in its format.
    pub(super) fn prepare(&self, codec: &Arc<dyn Codec>) -> Result<(Encoding, Vec<f32>), Failure> {
        let choice = codec
            .propose(&self.source, &self.limits, self.options)
            .breaks("propose() accepts a source within the limits")?;
        let rule = "encoding() accepts the choice of propose()";
        let encoding = codec.encoding(&choice).breaks(rule)?;
        let second = codec.encoding(&choice).breaks(rule)?;
        let observed = format!("two calls for {choice:?} returned {encoding:?}, then {second:?}");
        require(encoding == second, "encoding() depends on the choice alone", observed)?;
        let limit = self.limits.bitrate.unwrap_or(u32::MAX);
        let observed = format!("{} bit/s, the limit is {limit}", encoding.bitrate);
        require(encoding.bitrate <= limit, "the bitrate is within the limit", observed)?;

        let encoded = SourceFormat { format: choice.format, ..self.source };
        // Two chunks of one second, and a third that is shorter and of an odd length.
        Ok((encoding, signal::coloured_noise(&encoded, 2 * choice.format.rate as usize + 1_237)))
    }
}
