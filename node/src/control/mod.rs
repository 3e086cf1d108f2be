//! Control of a player: [`Command`]s from any source and events from the player change one [`Snapshot`] that any view draws.
//!
//! `PlayerState` decides, as a state machine without I/O; [`PlaySession`] carries out its decisions.

mod command;
mod outcome;
mod play_session;
mod player_state;
mod queue;
mod selection;
mod snapshot;
mod stats;
mod text;

pub use command::Command;
pub use outcome::Outcome;
pub use play_session::{Channels, PlaySession};
pub use selection::{NoSuchTrack, select};
pub use snapshot::Snapshot;
pub use stats::Stats;

/// One line about something that happened, for a log or a plain view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An expected event.
    Info(String),
    /// A problem that does not end the playing.
    Warning(String),
}
