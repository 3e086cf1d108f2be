//! What the playback thread is told, where it stands, and what it tells.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use media_plugin_sdk::PluginError;
use media_protocol::{Info, Position, Rendition};

use crate::client::level::Levels;

/// What the playback thread is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::client) enum Command {
    /// Fall silent and keep everything, or go on.
    Hold(bool),
    /// The session asks for nothing more (or does again): running dry is no underrun.
    Expect(bool),
    /// 0 to 1.
    Volume(f32),
    /// Report [`Event::Drained`] when all is heard.
    Drain,
}

/// What has been played, for the status line and `--stats`.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// The track that is heard.
    pub track: Option<Arc<Info>>,
    /// What its present chunk is in.
    pub rendition: Option<Arc<Rendition>>,
    /// Why it is in that, in the node's words or in those of the last change.
    pub reason: Arc<str>,
    /// Where in it.
    pub position: Position,
    /// Frames handed to the output, at its rate; less those that were taken back from a lost one.
    pub frames_played: u64,
    /// When the first frame was handed over, counted from the player's start.
    pub first_audio: Option<Duration>,
    /// With how much held a real-time output begins to sound, or last began or went on after it had run dry.
    pub start: Duration,
    /// How often the output ran dry in the middle of a track.
    pub underruns: u64,
    /// For how long in all, the present underrun included when it is asked for.
    pub underrun_time: Duration,
    /// Since when the output has been dry in the middle of a track.
    pub(in crate::client) dry_since: Option<Instant>,
    /// Whether it was when a person held it.
    was_dry: bool,
    /// How often the sound system said that it ran out of frames; what it was given late shows in `underruns` too.
    pub xruns: u64,
    /// For how long the jitter buffer held how much.
    pub levels: Levels,
    /// Packets that could not be decoded, each replaced by silence.
    pub damaged_packets: u64,
    /// Tracks that ended, be it by a failure.
    pub tracks_ended: u64,
}

impl Progress {
    /// Counts the present underrun up to now, if there is one.
    pub(in crate::client) fn end_dry(&mut self) {
        self.was_dry = false;
        if let Some(since) = self.dry_since.take() {
            let dry = since.elapsed();
            self.underrun_time += dry;
            self.levels.spend(Duration::ZERO, dry);
        }
    }

    /// While `held`, silence for want of data is one by a person's wish.
    pub(super) fn hold(&mut self, held: bool) {
        let was_dry = self.was_dry || self.dry_since.is_some();
        self.end_dry();
        if held {
            self.was_dry = was_dry;
        } else if was_dry {
            self.dry_since = Some(Instant::now());
        }
    }
}

/// Where the thread stands.
#[derive(Debug, Default)]
pub(in crate::client) struct State {
    pub(super) held: bool,
    /// The session asks for nothing, by the person's wish.
    pub(super) resting: bool,
    /// A track that began, until it is told.
    pub(super) begun: Option<Arc<Info>>,
    /// Enough is held to sound.
    pub(super) primed: bool,
    /// The output was given frames and is to be kept from running dry.
    pub(super) sounding: bool,
    pub(super) draining: bool,
    /// When a lost output was last found again.
    pub(super) found: Option<Instant>,
    /// When the output was last looked at, and how many frames it held then and was given since; not while held.
    pub(super) looked: Option<(Instant, u64)>,
    /// The frames of the present voice written so far, at the output's rate; less those before it that are still to be.
    pub(super) written: i64,
    /// What the output held when it last moved, in frames.
    pub(super) left: u64,
    /// Since when it has not moved.
    pub(super) still: Option<Instant>,
    /// That was said.
    pub(super) stuck: bool,
    /// The decoder failed: nothing that comes is of use until the session has gone back.
    pub(super) stalled: bool,
}

/// Why the thread ends.
pub(super) enum End {
    /// The player was dropped.
    Dropped,
    /// The output can't be opened or written to.
    Output(String),
    /// The track can't be decoded here.
    Decoder(String),
}

/// What the sink says; the decoder's errors are turned where they come from.
impl From<PluginError> for End {
    fn from(error: PluginError) -> Self {
        Self::Output(error.to_string())
    }
}
