/// What a plugin call returns.
pub type Result<T> = std::result::Result<T, PluginError>;

/// Why a plugin refused or failed. Each message is one line that names what was being done and with what.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// The caller asked for what cannot be: a wrong option, a format out of range. The message says what is allowed.
    #[error("{0}")]
    BadArgument(String),
    /// The buffer that the host gave is smaller than the plugin declared it needs.
    #[error("the buffer holds {have}, {need} needed")]
    NoSpace {
        /// What the buffer holds, in its own unit (bytes of a packet, samples of audio).
        have: usize,
        /// What was needed.
        need: usize,
    },
    /// Possible in principle, but not with this plugin.
    #[error("{0}")]
    Unsupported(String),
    /// The bytes to decode are not what this codec wrote.
    #[error("corrupt data: {0}")]
    Corrupt(String),
    /// The device or file is gone; opening again may work.
    #[error("{0}")]
    Lost(String),
    /// Anything else, from the system or a library.
    #[error("{0}")]
    Failed(String),
    /// The plugin panicked. The instance is poisoned: it may only be dropped.
    #[error("the plugin panicked: {0}")]
    Panicked(String),
}
