use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use media_protocol::{FrameIndex, Position, Track};
use tokio::sync::{mpsc, watch};

use super::{
    Command, Notice, Snapshot, Stats,
    selection::Cursor,
    stats::{LevelTimes, PathChange, Switch, Target, ms},
    text::{codec, now_playing_line, title},
};
use crate::client::{CodecChoice, Event, NodeLink, Player, Setup};

/// How a playing ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
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
pub struct Channels {
    /// From a person.
    pub commands: mpsc::Receiver<Command>,
    /// To a view.
    pub view: watch::Sender<Snapshot>,
    /// To a log or a plain view.
    pub notices: mpsc::Sender<Notice>,
}

/// One playing of a list of tracks from one node.
pub struct PlaySession {
    playlist: Vec<Track>,
    player: Player,
    events: mpsc::Receiver<Event>,
    dial: Arc<NodeLink>,
    channels: Channels,
    transport: String,
    target: Duration,
    /// From when times in the statistics count.
    began: Instant,
    /// Whether a person asked for lossless audio at any price.
    lossless: bool,
    /// What is being fetched, and what is heard; the first runs ahead.
    fetching: Cursor,
    heard: Cursor,
    /// Where the last jump went, until it is heard.
    jump: Option<Position>,
    volume: u8,
    paused_since: Option<Instant>,
    paused_time: Duration,
    waiting: String,
    /// The tracks that could not be played, each with why.
    failures: Vec<String>,
}

/// How often a view is told of what changes by itself.
const REFRESH: Duration = Duration::from_millis(200);
/// Within this much of a track's start, `Previous` goes to the track before.
const RESTART_AFTER: Duration = Duration::from_secs(3);

impl PlaySession {
    /// Starts a player for a list of tracks.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        playlist: Vec<Track>,
        setup: Setup,
        dial: Arc<NodeLink>,
        transport: String,
        channels: Channels,
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
            channels,
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
    pub async fn run(mut self, at: Position) -> (Outcome, Stats) {
        let mut refresh = tokio::time::interval(REFRESH);
        self.play(0, at).await;
        let ending = loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => if let Some(ending) = self.on_event(event).await { break ending },
                    None => break Outcome::Failed("the player stopped".into()),
                },
                command = self.channels.commands.recv() => match command {
                    None | Some(Command::Quit) => break Outcome::Quit,
                    Some(command) => self.on_command(command).await,
                },
                // Each is a wake-up: none where nobody looks.
                _ = refresh.tick(), if !self.channels.view.is_closed() => {}
            }
            let snapshot = self.snapshot();
            self.channels.view.send_if_modified(|shown| {
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

    async fn on_event(&mut self, event: Event) -> Option<Outcome> {
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
                    self.info(now_playing_line(&info, &rendition, &reason));
                }
            }
            Event::Switched { to, reason } => {
                self.info(format!("from here as {}, {} kbit/s: {reason}", to.id.codec, to.bitrate / 1000));
            }
            Event::TargetChanged { target, reason } => {
                self.target = target;
                self.info(format!("holds {} s from here on: {reason}", target.as_secs_f32()));
            }
            Event::Ended(_) => {
                if self.heard.index + 1 >= self.playlist.len() {
                    self.player.drain();
                }
            }
            Event::Drained => return Some(self.ending()),
            Event::Underrun(_) if self.lossless => {
                self.warn("the output ran dry: the path is too thin for lossless audio, which waits".into());
            }
            Event::Underrun(_) => self.warn("the output ran dry".into()),
            Event::Suspended(time) => {
                self.warn(format!("this program did not run; silence for {:.1} s", time.as_secs_f32()));
            }
            Event::OutputReady(line) => {
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
            Event::Unreachable(reason) => return Some(Outcome::Unreachable(reason)),
            Event::TrackFailed { track, reason } => self.on_failed(&track, reason).await,
            Event::OutputFailed(reason) => return Some(Outcome::Output(reason)),
            Event::Fatal(reason) => return Some(Outcome::Failed(reason)),
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

    fn ending(&self) -> Outcome {
        match self.failures.as_slice() {
            [] => Outcome::Finished,
            [only] if self.playlist.len() == 1 => Outcome::Incomplete(only.clone()),
            many => {
                let (failed, of) = (many.len(), self.playlist.len());
                Outcome::Incomplete(format!("{failed} of {of} tracks could not be played"))
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
        let _ = self.channels.notices.try_send(Notice::Info(line));
    }

    fn warn(&self, line: String) {
        let _ = self.channels.notices.try_send(Notice::Warning(line));
    }

    fn snapshot(&self) -> Snapshot {
        let progress = self.player.progress();
        let track = self.playlist.get(self.heard.index);
        let info = progress.track.as_ref().filter(|info| track.is_some_and(|it| it.id == info.track.id));
        Snapshot {
            number: (self.heard.index + 1, self.playlist.len()),
            title: track.map(title).unwrap_or_default(),
            position: self.jump.unwrap_or(progress.position).into(),
            length: info.map_or_else(
                || Duration::from_millis(track.map_or(0, |track| track.duration_ms)),
                |info| Position::of_frame(FrameIndex(info.rendition.frames), info.rendition.id.rate).into(),
            ),
            held: self.player.level(),
            target: self.target,
            codec: progress.rendition.filter(|_| info.is_some()).map(|it| codec(&it)).unwrap_or_default(),
            reason: if info.is_some() { progress.reason.to_string() } else { String::new() },
            path: self.dial.path().kind.to_string(),
            underruns: progress.underruns,
            volume: self.volume,
            paused: self.paused_since.is_some(),
            waiting: self.waiting.clone(),
        }
    }

    fn stats(&self) -> Stats {
        let (progress, counts) = (self.player.progress(), self.player.counts());
        let (info, rendition) = (progress.track.as_ref(), progress.rendition.as_ref());
        let path_changes = self.dial.path_changes();
        Stats {
            track: info.map(|info| format!("{} {}", info.track.id, title(&info.track))).unwrap_or_default(),
            transport: self.transport.clone(),
            path: self.dial.path().kind.to_string(),
            codec: rendition.map(|it| it.id.codec.clone()).unwrap_or_default(),
            bitrate: rendition.map_or(0, |it| it.bitrate),
            reason: progress.reason.to_string(),
            bind_ms: ms(self.dial.bind_time()),
            connect_ms: ms(self.dial.connect_time()),
            first_audio_ms: progress.first_audio.map(ms),
            frames_played: progress.frames_played,
            tracks_ended: progress.tracks_ended,
            chunks: counts.chunks,
            requests: counts.requests,
            bytes_received: counts.bytes_received,
            underruns: progress.underruns,
            underrun_ms: ms(progress.underrun_time),
            xruns: progress.xruns,
            paused_ms: ms(self.paused_time),
            requests_while_paused: counts.requests_while_paused,
            rendition_switches: counts.switches.total(),
            switches: counts.switches.iter().map(|it| Switch::new(it, self.began)).collect(),
            path_changes: path_changes.total(),
            paths: path_changes.iter().map(|it| PathChange::new(it, self.began)).collect(),
            reconnects: self.dial.reconnects(),
            retries: counts.retries,
            stalls: counts.stalls,
            damaged_packets: progress.damaged_packets,
            peak_buffer_ms: ms(counts.peak_buffer),
            start_ms: ms(progress.start),
            target_ms: ms(self.target),
            targets: counts.targets.iter().map(|it| Target::new(it, self.began)).collect(),
            level_ms: LevelTimes::new(progress.levels),
        }
    }
}
