//! Rates and channel counts: from the source's to the codec's, and from the decoder's to the output's.
//!
//! [`Remix`] changes the number of channels, [`Resampler`] the rate of a stream. Both are linear and keep no more than
//! a block. Nothing here clips: a mixed or resampled signal may pass ±1, and whoever turns it into integers limits it.

mod block;
mod converter;
mod remix;
mod resample;

pub use block::Blocks;
pub use converter::Converter;
pub use remix::Remix;
pub use resample::Resampler;

/// Why a conversion cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no conversion from {from} to {to}; rates may be 1 to 768000 Hz, channels 1 to 32")]
pub struct ConvertError {
    /// What goes in.
    pub from: String,
    /// What should come out.
    pub to: String,
}

impl From<ConvertError> for media_plugin_sdk::PluginError {
    fn from(error: ConvertError) -> Self {
        Self::Unsupported(error.to_string())
    }
}

impl ConvertError {
    fn rates(from: u32, to: u32) -> Self {
        Self { from: format!("{from} Hz"), to: format!("{to} Hz") }
    }
}

#[cfg(test)]
mod tests;
