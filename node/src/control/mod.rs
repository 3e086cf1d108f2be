//! The one loop that owns what is played: takes [`Command`]s from a person and events from the player, publishes a
//! [`Snapshot`] that any view draws.

mod play_session;
mod selection;
mod stats;
mod text;

use std::time::Duration;

pub use play_session::{Channels, Outcome, PlaySession};
pub use selection::{NoSuchTrack, select};
pub use stats::Stats;

/// What a person asks for while listening.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Command {
    /// Pause, or go on.
    TogglePause,
    /// Stop and end.
    Quit,
    /// Move within the track by these seconds.
    Seek(f64),
    /// Change the volume by these percent.
    Volume(i8),
    /// The next track.
    Next,
    /// The start of this track, or the track before when within its first seconds.
    Previous,
}

/// All that a view shows, at one instant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// The track's number in the list that is played, from 1, and the length of the list.
    pub number: (usize, usize),
    /// Artist and title.
    pub title: String,
    /// Where in the track.
    pub position: Duration,
    /// The track's length.
    pub length: Duration,
    /// Audio held in the jitter buffer.
    pub held: Duration,
    /// The level at which the next chunk is asked for.
    pub target: Duration,
    /// Codec and bitrate, once known.
    pub codec: String,
    /// Why that.
    pub reason: String,
    /// What the bytes travel.
    pub path: String,
    /// How often the output ran dry.
    pub underruns: u64,
    /// Percent.
    pub volume: u8,
    /// Whether a person paused.
    pub paused: bool,
    /// What is waited for, when something is: a retry, a lost device.
    pub waiting: String,
}

/// What happened, in one line, for a log or a plain view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// As expected.
    Info(String),
    /// Not as expected; it goes on.
    Warning(String),
}
