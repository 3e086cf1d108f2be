//! Control of a player: [`Command`]s from any sender and events of the player change one [`Snapshot`], which any view can
//! draw.
//!
//! `PlayerState` is a state machine without I/O that decides. [`PlaySession`] carries out its decisions.

mod command;
mod outcome;
mod play_order;
mod play_session;
mod player_state;
mod queue;
mod selection;
mod snapshot;
mod stats;
mod text;

pub use command::Command;
pub use outcome::Outcome;
pub use play_order::Repeat;
pub use play_session::{Channels, FirstOrder, PlaySession};
pub use selection::{NoSuchTrack, select};
pub use snapshot::Snapshot;
pub use stats::Stats;

/// One line about something that happened, for a log or a plain view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An expected event.
    Info(String),
    /// A problem. The player goes on.
    Warning(String),
}
