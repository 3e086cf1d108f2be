//! Errors of the binary: one line for the user and an exit code for scripts.

use std::fmt;

/// Exit codes of `media-node`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// An operation failed, or not every track could be played.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// The node cannot be reached, or refuses this device.
    Unreachable = 3,
    /// The track does not exist, or the paths to serve hold no audio file.
    NotFound = 4,
    /// The output or its device does not exist, or cannot be opened or written to.
    Output = 5,
}

impl Exit {
    /// The exit code with this number; that of a failed operation for any other.
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        let all = [Self::Usage, Self::Unreachable, Self::NotFound, Self::Output];
        all.into_iter().find(|exit| *exit as u8 == code).unwrap_or(Self::Failed)
    }
}

/// Error that ends the process: one line and an exit code.
#[derive(Debug)]
pub struct ExitError {
    /// Exit code of the process.
    pub exit: Exit,
    /// One line: the operation, its input, the reason, and the next step if there is one.
    pub message: String,
}

impl ExitError {
    /// An error with this message.
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: message.to_string() }
    }
}

impl fmt::Display for ExitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ExitError {}

/// Conversion of other errors into an [`ExitError`].
pub trait ExitContext<T> {
    /// Keeps the message of the error. For errors whose message names the operation.
    ///
    /// # Errors
    /// The converted error.
    fn or_exit(self, exit: Exit) -> Result<T, ExitError>;

    /// Puts the operation, as in `reading FILE`, before the message of the error.
    ///
    /// # Errors
    /// The converted error.
    fn context(self, exit: Exit, operation: impl fmt::Display) -> Result<T, ExitError>;
}

impl<T, E: fmt::Display> ExitContext<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, ExitError> {
        self.map_err(|error| ExitError::new(exit, error))
    }

    fn context(self, exit: Exit, operation: impl fmt::Display) -> Result<T, ExitError> {
        self.map_err(|error| ExitError::new(exit, format!("{operation}: {error}")))
    }
}
