//! What goes wrong, at the edge of the binary: one line for the person and an exit code for the script.

use std::fmt;

/// The exit codes of `media-node`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Something failed on the way.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// The node can't be reached, or turns us away.
    Unreachable = 3,
    /// There is no such track, or nothing to serve.
    NotFound = 4,
    /// There is no such output or device, or it can't be opened.
    Output = 5,
}

/// One line for a person, and an exit code.
#[derive(Debug)]
pub struct ExitError {
    /// The exit code.
    pub exit: Exit,
    /// What was being done, with what, and what to do next.
    pub message: String,
}

impl ExitError {
    /// A fault with its message.
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

/// Turns an error into a fault.
pub trait ExitContext<T> {
    /// With its own message.
    ///
    /// # Errors
    /// The fault.
    fn or_exit(self, exit: Exit) -> Result<T, ExitError>;

    /// With words on what was being done before its message.
    ///
    /// # Errors
    /// The fault.
    fn context(self, exit: Exit, doing: impl fmt::Display) -> Result<T, ExitError>;
}

impl<T, E: fmt::Display> ExitContext<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, ExitError> {
        self.map_err(|error| ExitError::new(exit, error))
    }

    fn context(self, exit: Exit, doing: impl fmt::Display) -> Result<T, ExitError> {
        self.map_err(|error| ExitError::new(exit, format!("{doing}: {error}")))
    }
}
