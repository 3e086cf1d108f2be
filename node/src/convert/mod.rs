//! Conversion of rates and channels: on the node from source to codec, on the client from decoder to output.
//!
//! [`Remix`] changes the number of channels, [`Resampler`] the rate of a stream. Both are linear and hold one block at
//! most. Neither clips: a mixed or resampled signal may exceed ±1, and the conversion to integers limits it.

mod block_resampler;
mod converter;
mod remix;
mod resampler;

pub use block_resampler::BlockResampler;
pub use converter::Converter;
pub use remix::Remix;
pub use resampler::Resampler;

/// A conversion that is not possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no conversion from {from} to {to}; rates may be 1 to 768000 Hz, channels 1 to 32")]
pub struct ConvertError {
    /// The input's rate or channels.
    pub from: String,
    /// The output's rate or channels.
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
