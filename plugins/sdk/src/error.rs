/// Result of a plugin call.
pub type Result<T> = std::result::Result<T, PluginError>;

/// Error of a plugin. Each message is one line that names the operation and its input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// The request is invalid: a wrong option, a format out of range. The message names the permitted values.
    #[error("{0}")]
    BadArgument(String),
    /// The host's buffer is smaller than the plugin declared that it needs.
    #[error("the buffer holds {have}, {need} needed")]
    NoSpace {
        /// Size of the buffer in its own unit: bytes of a packet, samples of audio.
        have: usize,
        /// Size needed, in the same unit.
        need: usize,
    },
    /// The request is valid, but this plugin does not support it.
    #[error("{0}")]
    Unsupported(String),
    /// The bytes to decode were not written by this codec, or are damaged. The decoder accepts the next
    /// packet.
    #[error("corrupt data: {0}")]
    Corrupt(String),
    /// The device or file is gone. The host may open the output again.
    #[error("{0}")]
    Lost(String),
    /// Any other error, of the system or of a library.
    #[error("{0}")]
    Failed(String),
    /// The plugin panicked. The host only drops the instance.
    #[error("the plugin panicked: {0}")]
    Panicked(String),
}
