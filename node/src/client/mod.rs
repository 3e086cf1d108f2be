//! The listening half: asks a node for a track, holds a few seconds of it, plays it.
//!
//! `session` decides what to ask for, `fetch` asks, `jitter_buffer` holds, `playback` plays; data flows in that order and
//! nothing flows back but the buffer's level, and word of a decoder that failed. The session and its requests are async tasks; playback is a thread.

mod counts;
mod dial;
mod fetch;
mod fill;
mod format;
mod jitter_buffer;
mod level;
mod mute;
mod offer;
mod path_watch;
mod playback;
mod rate_choice;
mod recent;
mod session;
mod sink;
mod splice;
mod start;
mod target;
#[cfg(test)]
mod testing;
mod voice;

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::{Duration, Instant},
};

use media_plugin_host::Registry;
use media_protocol::{
    Info, OutputOffer, Position, Rendition, TrackId,
    session::client::{ClientConfig, ClientSession},
};
use tokio::sync::mpsc;

pub use counts::{Counts, Switched, TargetChange};
pub use dial::{Dial, PathChange};
pub use fetch::{FetchError, list};
pub use level::Levels;
pub use mute::{MuteListener, Unheard};
pub use playback::Progress;
pub use rate_choice::{Adaptive, Budget, CodecChoice, Policy};
pub use recent::Recent;
pub use sink::{OnLost, OutputChoice};
pub use start::Start;
pub use target::{Fit, Target};

/// What a pause means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseMode {
    /// Silence at once; what is held is kept.
    Hold,
    /// Nothing more is asked for; what is held is played out.
    Drain,
}

/// How a player behaves.
pub struct Setup {
    /// Where to play.
    pub output: OutputChoice,
    /// In which codec.
    pub codec: CodecChoice,
    /// The highest bitrate of a lossy codec, in bit/s.
    pub bitrate: u32,
    /// The next chunk is asked for while less than this is held.
    pub target: Duration,
    /// How far the target may rise on a path that proved bad.
    pub max: Duration,
    /// The most bytes held, however little time they last.
    pub max_bytes: usize,
    /// Sound starts as soon as this much is held; more, up to the target, on a path that proved to lag.
    pub start: Duration,
    /// How long it tries for while the node is out of reach; zero is without end.
    pub give_up: Duration,
    /// What a pause means.
    pub pause: PauseMode,
    /// 0 to 1.
    pub volume: f32,
    /// The codecs there are.
    pub registry: Arc<Registry>,
    /// From when the time to first audio counts.
    pub began: Instant,
}

/// What happened, for the one loop that owns the player.
#[derive(Debug, Clone)]
pub enum Event {
    /// The session has begun to fetch this track: now is the time to say what follows it.
    Fetching(TrackId),
    /// A track is heard from now on.
    Began {
        /// Which.
        info: Arc<Info>,
        /// In what.
        rendition: Arc<Rendition>,
        /// Why, in words.
        reason: Arc<str>,
    },
    /// From here on the track is heard in another rendition.
    Switched {
        /// Which.
        to: Arc<Rendition>,
        /// Why, in words.
        reason: String,
    },
    /// More, or less, is held from now on.
    Target {
        /// The new target.
        target: Duration,
        /// Why, in words.
        reason: &'static str,
    },
    /// This track was handed to the output to its end.
    Ended(TrackId),
    /// All that was handed to the output is heard.
    Drained,
    /// The output ran dry in the middle of a track.
    Underrun,
    /// The same, for so long, because this process did not run.
    Stopped(Duration),
    /// The output that is open, and its format.
    Output(String),
    /// The output is gone; another is looked for.
    OutputLost(String),
    /// A request failed, or the node has fallen silent; it is asked again by itself until [`Event::Recovered`].
    Retrying(String),
    /// The node answers again.
    Recovered,
    /// The node could not be reached for too long; the player can't go on.
    Unreachable(String),
    /// This track can't be played; the player waits for the next [`Player::play`].
    TrackFailed {
        /// Which.
        track: TrackId,
        /// Why.
        reason: String,
    },
    /// The output can't be opened or written to; the player can't go on.
    OutputFailed(String),
    /// The player can't go on.
    Fatal(String),
}

/// Commands that may wait to be obeyed.
const COMMANDS: usize = 64;
/// Events that may wait to be looked at.
const EVENTS: usize = 256;
/// Failures of decoders that may wait for the session; playback stops at each until it was dealt with.
const DECODER_FAILURES: usize = 1;

fn session_config(target: Duration, give_up: Duration) -> ClientConfig {
    let give_up = if give_up.is_zero() { Duration::MAX } else { give_up };
    ClientConfig { target, give_up, ..ClientConfig::default() }
}

/// Plays from one node. Dropping it stops the sound and the requests.
pub struct Player {
    session: mpsc::Sender<session::Command>,
    playback: std::sync::mpsc::SyncSender<playback::Command>,
    thread: std::thread::JoinHandle<()>,
    buffer: Arc<jitter_buffer::JitterBuffer>,
    counts: Arc<Mutex<Counts>>,
    progress: Arc<Mutex<Progress>>,
    pause: PauseMode,
}

impl Player {
    /// Starts a player that plays nothing yet. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(setup: Setup, dial: Arc<Dial>) -> std::io::Result<(Self, mpsc::Receiver<Event>)> {
        let (events, events_out) = mpsc::channel(EVENTS);
        let (session, session_commands) = mpsc::channel(COMMANDS);
        let (playback, playback_commands) = std::sync::mpsc::sync_channel(COMMANDS);
        let (failures, decoder_failures) = mpsc::channel(DECODER_FAILURES);
        let buffer = Arc::new(jitter_buffer::JitterBuffer::new(setup.target, setup.start, setup.max_bytes));
        let counts = Arc::<Mutex<Counts>>::default();
        let progress = Arc::<Mutex<Progress>>::default();
        let paced = Arc::new(AtomicBool::new(true));
        let thread = playback::Playback {
            buffer: Arc::clone(&buffer),
            commands: playback_commands,
            events: events.clone(),
            failures,
            progress: Arc::clone(&progress),
            sink: sink::Sink::new(setup.output, setup.volume, Arc::clone(&paced)),
            began: setup.began,
            registry: Arc::clone(&setup.registry),
            voice: None,
            state: playback::State::default(),
        };
        let thread = std::thread::Builder::new().name("playback".into()).spawn(move || thread.run())?;
        let choice = rate_choice::chooser(&setup.codec, Arc::clone(&paced));
        let offer = offer::Offer {
            choice: setup.codec,
            bitrate: setup.bitrate,
            registry: setup.registry,
            output: OutputOffer::default(),
        };
        let machine = ClientSession::new(session_config(setup.target, setup.give_up), choice);
        let fill = fill::Fill {
            buffer: Arc::clone(&buffer),
            target: Target::new(setup.target, setup.max),
            start: Start::new(setup.start, setup.target),
            paced,
        };
        let inbox = session::Inbox { commands: session_commands, decoder_failures };
        session::Session::spawn(machine, dial, offer, fill, Arc::clone(&counts), events, inbox);
        let player = Self { session, playback, thread, buffer, counts, progress, pause: setup.pause };
        Ok((player, events_out))
    }

    /// Plays a track from a position, and drops what was played before. A seek is this too.
    pub async fn play(&self, track: TrackId, at: Position) {
        self.tell_session(session::Command::Play { track, at }).await;
    }

    /// What comes after the track that is being fetched, without a gap.
    pub async fn follow(&self, track: Option<TrackId>) {
        self.tell_session(session::Command::Follow(track)).await;
    }

    /// Pauses or goes on. No request leaves while paused.
    pub async fn pause(&self, paused: bool) {
        self.tell_session(session::Command::Pause(paused)).await;
        self.tell_playback(match self.pause {
            PauseMode::Hold => playback::Command::Hold(paused),
            PauseMode::Drain => playback::Command::Expect(!paused),
        });
    }

    /// Sets the volume, 0 to 1.
    pub fn volume(&self, volume: f32) {
        self.tell_playback(playback::Command::Volume(volume));
    }

    /// Asks for [`Event::Drained`] once all is heard.
    pub fn drain(&self) {
        self.tell_playback(playback::Command::Drain);
    }

    /// What has been played.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone();
        progress.end_dry();
        progress
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Counts { peak_buffer: self.buffer.peak(), ..counts }
    }

    /// How much audio is held.
    #[must_use]
    pub fn level(&self) -> Duration {
        self.buffer.level()
    }

    /// Stops, and waits until the output is closed, so that a file is whole; 2 s at most, for a device may hang.
    pub async fn close(self, events: mpsc::Receiver<Event>) {
        // A thread that has something to say must not wait for a listener.
        drop((self.session, self.playback, events));
        let thread = self.thread;
        let closed = tokio::task::spawn_blocking(move || thread.join());
        let _ = tokio::time::timeout(Duration::from_secs(2), closed).await;
    }

    async fn tell_session(&self, command: session::Command) {
        // It ends only with this player, or with the runtime.
        let _ = self.session.send(command).await;
    }

    fn tell_playback(&self, command: playback::Command) {
        // Ended means that a fatal event is on its way; full that the thread hangs in an output, where a key more or less
        // makes no difference.
        let _ = self.playback.try_send(command);
    }
}

#[cfg(test)]
mod tests;
