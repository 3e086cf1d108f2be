//! The end of a play session.

/// Way in which a play session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All tracks were played.
    Finished,
    /// A [`super::Command::Quit`] came, or all senders of commands are gone.
    Quit,
    /// Some tracks could not be played, or not to their end. Holds a message for a person.
    Incomplete(String),
    /// The node was out of reach for too long. Holds the reason.
    Unreachable(String),
    /// The node does not serve this device any more. Holds the reason.
    Refused(String),
    /// The output cannot be opened or written to. Holds the reason.
    Output(String),
    /// Another error. Holds the reason.
    Failed(String),
}
