//! Progress of the playback thread, for the status line and `--stats`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use media_protocol::{Info, Position, Rendition, session::client::PlayId};

use crate::client::stats::{AudioLoss, LevelHistogram, UnderrunCause, UnderrunCounts};

/// Track, position and counters of the playback thread.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// The play that is audible.
    pub play: Option<PlayId>,
    /// Its track.
    pub track: Option<Arc<Info>>,
    /// Rendition of its present chunk.
    pub rendition: Option<Arc<Rendition>>,
    /// Reason for that rendition: the node's words, or those of the last change.
    pub reason: Arc<str>,
    /// Audible position in the track.
    pub position: Position,
    /// Frames written to the output, at its rate, less those taken back from a lost output.
    pub frames_played: u64,
    /// Time from the player's start to the first written frame.
    pub first_audio: Option<Duration>,
    /// Start level with which a real-time output last began, or last resumed after an underrun.
    pub start: Duration,
    /// Number of underruns: the output had no frames in the middle of a track.
    pub underruns: u64,
    /// The same per cause.
    pub underrun_causes: UnderrunCounts,
    /// Duration of all underruns, the present one included.
    pub underrun_time: Duration,
    /// Start of the present underrun.
    pub(crate) underrun_since: Option<Instant>,
    /// True if an underrun was interrupted by the present pause.
    underrun_before_pause: bool,
    /// Number of times that the sound system itself reported missing frames. Late frames also show in `underruns`.
    pub xruns: u64,
    /// Time per level of the jitter buffer.
    pub levels: LevelHistogram,
    /// Packets that could not be decoded. Each became silence.
    pub damaged_packets: u64,
    /// Audio that was silence because the node or this machine could not decode it.
    pub loss: AudioLoss,
    /// Tracks that ended, also by a failure.
    pub tracks_ended: u64,
}

impl Progress {
    /// Starts an underrun at `since`. Returns false if there is one already.
    pub(super) fn begin_dry(&mut self, since: Instant, cause: UnderrunCause) -> bool {
        if self.underrun_since.is_some() {
            return false;
        }
        self.underrun_since = Some(since);
        self.underruns += 1;
        self.underrun_causes.add(cause);
        true
    }

    /// Ends the present underrun, if there is one, and counts its time.
    pub(crate) fn end_dry(&mut self) {
        self.underrun_before_pause = false;
        if let Some(since) = self.underrun_since.take() {
            let underrun = since.elapsed();
            self.underrun_time += underrun;
            self.levels.spend(Duration::ZERO, underrun);
        }
    }

    /// Interrupts the present underrun for the time of a pause.
    pub(super) fn set_paused(&mut self, paused: bool) {
        let was_silent = self.underrun_before_pause || self.underrun_since.is_some();
        self.end_dry();
        if paused {
            self.underrun_before_pause = was_silent;
        } else if was_silent {
            self.underrun_since = Some(Instant::now());
        }
    }
}
