//! The end of a play session.

/// Way in which a play session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All tracks were played.
    Finished,
    /// A [`super::Command::Quit`] came, or no source of commands is left.
    Quit,
    /// Some tracks could not be played. A message.
    Incomplete(String),
    /// The node was out of reach for too long. The reason.
    Unreachable(String),
    /// The node does not serve this device any more. The reason.
    Refused(String),
    /// The output cannot be opened or written to. The reason.
    Output(String),
    /// Another error. The reason.
    Failed(String),
}
