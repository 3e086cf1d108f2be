//! Events of a player, and the meaning of a pause.

use std::{sync::Arc, time::Duration};

use media_protocol::{Info, Rendition, session::client::PlayId};

use super::stats::{AudioLoss, UnderrunCause};

/// Effect of a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseMode {
    /// Sound stops at once. The jitter buffer keeps its audio.
    Hold,
    /// Requests stop. Playback continues until the jitter buffer is empty.
    Drain,
}

/// Something that happened in a player. One loop, the owner of the player, receives the events in order.
///
/// An event about a track names the play that it belongs to, as the owner named it. The owner ignores an event of a play that
/// it has replaced meanwhile. The other events are about the output or the connection and belong to no play.
#[derive(Debug, Clone)]
pub enum Event {
    /// The session has begun to fetch the track of a play. The owner should now name the next one with
    /// [`super::Player::follow`].
    Fetching(PlayId),
    /// A track has become audible.
    Began {
        /// The play.
        play: PlayId,
        /// The track and its first rendition.
        info: Arc<Info>,
        /// Rendition of the first audible chunk.
        rendition: Arc<Rendition>,
        /// Reason for that rendition, in words.
        reason: Arc<str>,
    },
    /// The audible track continues in another rendition.
    Switched {
        /// The play.
        play: PlayId,
        /// The new rendition.
        to: Arc<Rendition>,
        /// Reason, in words.
        reason: String,
    },
    /// A part of the audible chunk was silence because it could not be decoded. Sent at the end of the chunk.
    AudioLost {
        /// The play.
        play: PlayId,
        /// The lost audio of this chunk.
        loss: AudioLoss,
    },
    /// The target level of the jitter buffer changed.
    TargetChanged {
        /// The new target level.
        target: Duration,
        /// Reason, in words for a listener.
        reason: &'static str,
    },
    /// The whole track of a play was written to the output, or all of it that could be played.
    Ended(PlayId),
    /// Everything since the jump to this play was heard.
    Drained(PlayId),
    /// The output had no frames in the middle of a track.
    Underrun(UnderrunCause),
    /// The process did not run for this long in the middle of a track, so the output fell silent.
    Suspended(Duration),
    /// An output was opened, or plays again. One line with its name and format.
    OutputReady(String),
    /// The output is gone or stands still. The player waits for it, or for another.
    OutputLost(String),
    /// A request failed, or the node does not respond. The session retries until [`Event::Recovered`].
    Retrying(String),
    /// The node responds again.
    Recovered,
    /// The node could not be reached within the configured time. The player waits for the next [`super::Player::play`].
    Unreachable {
        /// The play that it could not fetch.
        play: PlayId,
        /// Reason, in words.
        reason: String,
    },
    /// The node does not serve this device any more: its ticket was revoked or has expired, or its quota is used up.
    Refused(String),
    /// A track cannot be played. The player waits for the next [`super::Player::play`] or [`super::Player::follow`].
    TrackFailed {
        /// The play of the track.
        play: PlayId,
        /// Reason, in words.
        reason: String,
    },
    /// The output cannot be opened or written to. The player has stopped.
    OutputFailed(String),
    /// The player has stopped because of an error.
    Fatal(String),
}
