use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use media_protocol::{Position, Track};
use tokio::sync::{mpsc, watch};

use super::{
    Command, Notice, Snapshot, Stats,
    playlist::Cursor,
    report::{begun, title},
};
use crate::client::{CodecChoice, Dial, Event, Player, Setup};

/// How a playing ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Everything was played.
    Finished,
    /// A person quit.
    Quit,
    /// Not all of it could be played; what, in words.
    Incomplete(String),
    /// The node was out of reach for too long.
    Unreachable(String),
    /// The output can't be opened or written to.
    Output(String),
    /// It could not go on.
    Failed(String),
}

/// What a playing is connected to.
pub struct Wiring {
    /// From a person.
    pub commands: mpsc::Receiver<Command>,
    /// To a view.
    pub view: watch::Sender<Snapshot>,
    /// To a log or a plain view.
    pub notices: mpsc::Sender<Notice>,
}

/// One playing of a list of tracks from one node.
pub struct Listening {
    pub(super) playlist: Vec<Track>,
    pub(super) player: Player,
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) dial: Arc<Dial>,
    pub(super) wiring: Wiring,
    pub(super) transport: String,
    pub(super) target: Duration,
    /// From when times in the statistics count.
    pub(super) began: Instant,
    /// Whether a person asked for lossless audio at any price.
    lossless: bool,
    /// What is being fetched, and what is heard; the first runs ahead.
    pub(super) fetching: Cursor,
    pub(super) heard: Cursor,
    /// Where the last jump went, until it is heard.
    pub(super) jump: Option<Position>,
    pub(super) volume: u8,
    pub(super) paused_since: Option<Instant>,
    pub(super) paused_time: Duration,
    pub(super) waiting: String,
    /// The tracks that could not be played, each with why.
    pub(super) failures: Vec<String>,
}

/// How often a view is told of what changes by itself.
const REFRESH: Duration = Duration::from_millis(200);
/// Within this much of a track's start, `Previous` goes to the track before.
const RESTART_AFTER: Duration = Duration::from_secs(3);

impl Listening {
    /// Starts a player for a list of tracks.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        playlist: Vec<Track>,
        setup: Setup,
        dial: Arc<Dial>,
        transport: String,
        wiring: Wiring,
    ) -> std::io::Result<Self> {
        let (target, began) = (setup.target, setup.began);
        let volume = (setup.volume * 100.0).round() as u8;
        let lossless = setup.codec == CodecChoice::Lossless;
        let (player, events) = Player::start(setup, Arc::clone(&dial))?;
        Ok(Self {
            playlist,
            player,
            events,
            dial,
            wiring,
            transport,
            target,
            began,
            lossless,
            fetching: Cursor::default(),
            heard: Cursor::default(),
            jump: None,
            volume,
            paused_since: None,
            paused_time: Duration::ZERO,
            waiting: String::new(),
            failures: Vec::new(),
        })
    }

    /// Plays the list from `at` in its first track, until its end or [`Command::Quit`].
    pub async fn run(mut self, at: Position) -> (Ending, Stats) {
        let mut refresh = tokio::time::interval(REFRESH);
        self.play(0, at).await;
        let ending = loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => if let Some(ending) = self.on_event(event).await { break ending },
                    None => break Ending::Failed("the player stopped".into()),
                },
                command = self.wiring.commands.recv() => match command {
                    None | Some(Command::Quit) => break Ending::Quit,
                    Some(command) => self.on_command(command).await,
                },
                // Each is a wake-up: none where nobody looks.
                _ = refresh.tick(), if !self.wiring.view.is_closed() => {}
            }
            let snapshot = self.snapshot();
            self.wiring.view.send_if_modified(|shown| {
                let changed = *shown != snapshot;
                *shown = snapshot;
                changed
            });
        };
        self.end_pause();
        let stats = self.stats();
        self.player.close(self.events).await;
        self.dial.close().await;
        (ending, stats)
    }

    async fn play(&mut self, index: usize, at: Position) {
        if let Some(track) = self.playlist.get(index) {
            self.fetching = Cursor::at(index);
            self.heard = Cursor::at(index);
            self.jump = Some(at);
            self.player.play(track.id.clone(), at).await;
        }
    }

    async fn follow(&self, index: usize) {
        self.player.follow(self.playlist.get(index).map(|track| track.id.clone())).await;
    }

    async fn on_event(&mut self, event: Event) -> Option<Ending> {
        match event {
            Event::Fetching(track) => {
                if self.fetching.follow(&self.playlist, &track) {
                    self.follow(self.fetching.index + 1).await;
                }
            }
            Event::Began { info, rendition, reason } => {
                if self.heard.follow(&self.playlist, &info.track.id) {
                    let length = Duration::from_millis(info.track.duration_ms);
                    if self.jump.take().is_some_and(|at| Duration::from(at) > length) {
                        self.warn(format!("{} ends before that", title(&info.track)));
                    }
                    self.info(begun(&info, &rendition, &reason));
                }
            }
            Event::Switched { to, reason } => {
                self.info(format!("from here as {}, {} kbit/s: {reason}", to.id.codec, to.bitrate / 1000));
            }
            Event::Target { target, reason } => {
                self.target = target;
                self.info(format!("holds {} s from here on: {reason}", target.as_secs_f32()));
            }
            Event::Ended(_) => {
                if self.heard.index + 1 >= self.playlist.len() {
                    self.player.drain();
                }
            }
            Event::Drained => return Some(self.ending()),
            Event::Underrun if self.lossless => {
                self.warn("the output ran dry: the path is too thin for lossless audio, which waits".into());
            }
            Event::Underrun => self.warn("the output ran dry".into()),
            Event::Stopped(time) => {
                self.warn(format!("this program did not run; silence for {:.1} s", time.as_secs_f32()));
            }
            Event::Output(line) => {
                self.waiting.clear();
                self.info(format!("output {line}"));
            }
            Event::OutputLost(reason) => {
                self.waiting = "for an output".into();
                self.warn(format!("the output does not play ({reason}); waiting for it, or for another"));
            }
            Event::Retrying(reason) => {
                self.waiting = "for the node".into();
                self.warn(format!("{reason}; trying again"));
            }
            Event::Recovered => {
                self.waiting.clear();
                self.info("the node answers again".into());
            }
            Event::Unreachable(reason) => return Some(Ending::Unreachable(reason)),
            Event::TrackFailed { track, reason } => self.on_failed(&track, reason).await,
            Event::OutputFailed(reason) => return Some(Ending::Output(reason)),
            Event::Fatal(reason) => return Some(Ending::Failed(reason)),
        }
        None
    }

    /// Passes over a track that can't be played.
    async fn on_failed(&mut self, track: &media_protocol::TrackId, reason: String) {
        // It may be the one that was to follow, or the one that is heard.
        let mut places =
            (self.fetching.index..self.playlist.len()).chain(self.heard.index..self.fetching.index);
        let failed = places.find(|place| self.playlist[*place].id == *track).unwrap_or(self.fetching.index);
        let name = self.playlist.get(failed).map(title).unwrap_or_default();
        let line = format!("{name} can't be played: {reason}");
        // Of a track played alone it is the last word.
        if self.playlist.len() > 1 {
            self.warn(line.clone());
        }
        self.failures.push(line);
        if failed + 1 < self.playlist.len() {
            self.fetching = Cursor::at(failed + 1);
            if self.player.progress().track.is_none() {
                self.heard = Cursor::at(failed + 1);
            }
            self.follow(failed + 1).await;
        } else {
            self.player.drain();
        }
    }

    fn ending(&self) -> Ending {
        match self.failures.as_slice() {
            [] => Ending::Finished,
            [only] if self.playlist.len() == 1 => Ending::Incomplete(only.clone()),
            many => {
                let (failed, of) = (many.len(), self.playlist.len());
                Ending::Incomplete(format!("{failed} of {of} tracks could not be played"))
            }
        }
    }

    async fn on_command(&mut self, command: Command) {
        let here = self.jump.unwrap_or_else(|| self.player.progress().position);
        let index = self.heard.index;
        match command {
            Command::TogglePause => self.toggle_pause().await,
            Command::Seek(seconds) => self.play(index, here.moved(seconds)).await,
            Command::Volume(change) => {
                self.volume = self.volume.saturating_add_signed(change).min(100);
                self.player.volume(f32::from(self.volume) / 100.0);
            }
            Command::Next => self.play(index + 1, Position::START).await,
            Command::Previous if Duration::from(here) < RESTART_AFTER && index > 0 => {
                self.play(index - 1, Position::START).await;
            }
            Command::Previous => self.play(index, Position::START).await,
            Command::Quit => {}
        }
    }

    async fn toggle_pause(&mut self) {
        let paused = self.paused_since.is_none();
        self.player.pause(paused).await;
        if paused {
            self.paused_since = Some(Instant::now());
        } else {
            self.end_pause();
        }
        self.info(if paused { "paused".into() } else { "going on".into() });
    }

    fn end_pause(&mut self) {
        self.paused_time += self.paused_since.take().map(|since| since.elapsed()).unwrap_or_default();
    }

    fn info(&self, line: String) {
        let _ = self.wiring.notices.try_send(Notice::Info(line));
    }

    fn warn(&self, line: String) {
        let _ = self.wiring.notices.try_send(Notice::Warning(line));
    }
}
