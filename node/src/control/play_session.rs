use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use media_protocol::{FrameIndex, Position, Track, session::client::NextPlay};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant as TokioInstant, sleep_until},
};

use super::{
    Command, Notice, Outcome, Repeat, Snapshot, Stats,
    player_state::{Action, Input, PlayerState},
    stats::{LevelTimes, PathChange, Silenced, Switch, Target, ms},
    text,
};
use crate::client::{CodecChoice, Event, NodeLink, Player, Setup};

/// Channels between a play session, the senders of its commands, and its views.
pub struct Channels {
    /// Commands. Keys, signals and other senders each hold a clone of the sending end.
    pub commands: mpsc::Receiver<Command>,
    /// The state after each change. Each view holds a receiver.
    pub snapshots: watch::Sender<Snapshot>,
    /// Notices for a log or a plain view. If the queue is full, further notices are dropped.
    pub notices: mpsc::Sender<Notice>,
}

/// The order in which a session begins to play its tracks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FirstOrder {
    /// True for a random order.
    pub shuffle: bool,
    /// The tracks to repeat.
    pub repeat: Repeat,
    /// Seed of the random orders.
    pub seed: u64,
}

/// A player of a list of tracks from one node, driven by commands.
pub struct PlaySession {
    state: PlayerState,
    player: Player,
    events: mpsc::Receiver<Event>,
    link: Arc<NodeLink>,
    channels: Channels,
    /// Id of the transport in use.
    transport: String,
    /// Instant from which the times in the statistics count, and those that [`PlayerState`] gets.
    began: Instant,
    order: FirstOrder,
}

/// Interval at which the session publishes a snapshot with the present position and buffer level.
const REFRESH: Duration = Duration::from_millis(200);

impl PlaySession {
    /// Starts a player for a list of tracks.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn start(
        tracks: Vec<Track>,
        setup: Setup,
        link: Arc<NodeLink>,
        transport: String,
        channels: Channels,
        order: FirstOrder,
    ) -> std::io::Result<Self> {
        let began = setup.began;
        let volume = (setup.volume * 100.0).round() as u8;
        let is_lossless = setup.codec == CodecChoice::Lossless;
        let state = PlayerState::new(tracks, volume, setup.target, is_lossless, order.seed);
        let (player, events) = Player::start(setup, Arc::clone(&link))?;
        Ok(Self { state, player, events, link, channels, transport, began, order })
    }

    /// Plays the list until its end or [`Command::Quit`]. The first track begins at `start`.
    pub async fn run(mut self, start: Position) -> (Outcome, Stats) {
        let mut refresh = tokio::time::interval(REFRESH);
        let actions = self.state.start(start, self.order.shuffle, self.order.repeat);
        let mut outcome = self.carry_out(actions);
        while outcome.is_none() {
            let timeout = self.state.timeout().map(|at| TokioInstant::from_std(self.began + at));
            let input = tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => Input::Event(event),
                    None => Input::Event(Event::Fatal("the player stopped".into())),
                },
                command = self.channels.commands.recv() => Input::Command(command.unwrap_or(Command::Quit)),
                () = sleep_until(timeout.unwrap_or_else(TokioInstant::now)), if timeout.is_some() => Input::Timeout,
                // Without a view, nobody needs snapshots at intervals.
                _ = refresh.tick(), if !self.channels.snapshots.is_closed() => Input::Timeout,
            };
            outcome = self.handle(input);
            self.publish_snapshot();
        }
        let stats = self.stats();
        if outcome == Some(Outcome::Quit) {
            self.player.complete_file();
        }
        self.player.close(self.events).await;
        self.link.close().await;
        (outcome.unwrap_or(Outcome::Quit), stats)
    }

    /// Gives the audible position to the state, then an input. Returns the outcome if the session is at its end.
    fn handle(&mut self, input: Input) -> Option<Outcome> {
        let now = self.began.elapsed();
        let progress = self.player.progress();
        if let Some(play) = progress.play {
            let progress = Input::Progress { play, position: progress.position };
            let actions = self.state.handle(now, progress);
            self.carry_out(actions);
        }
        let actions = self.state.handle(now, input);
        self.carry_out(actions)
    }

    /// Carries out actions. Returns the outcome if the session is at its end.
    fn carry_out(&self, actions: Vec<Action>) -> Option<Outcome> {
        let track = |index: usize| self.state.tracks().get(index).map(|track| track.id.clone());
        let mut outcome = None;
        for action in actions {
            match action {
                Action::Play { play, index, start } => {
                    if let Some(track) = track(index) {
                        self.player.play(play, track, start);
                    }
                }
                Action::Follow { after, play, index } => {
                    self.player.follow(after, track(index).map(|track| NextPlay { play, track }));
                }
                Action::EndAfter(play) => self.player.follow(play, None),
                Action::Pause(paused) => self.player.pause(paused),
                Action::Volume(percent) => self.player.volume(f32::from(percent) / 100.0),
                Action::Drain(jump) => self.player.drain(jump),
                Action::Notify(notice) => _ = self.channels.notices.try_send(notice),
                Action::Finish(finished) => outcome = outcome.or(Some(finished)),
            }
        }
        outcome
    }

    fn publish_snapshot(&self) {
        let snapshot = self.snapshot();
        self.channels.snapshots.send_if_modified(|published| {
            let is_new = *published != snapshot;
            *published = snapshot;
            is_new
        });
    }

    fn snapshot(&self) -> Snapshot {
        let progress = self.player.progress();
        let shown = self.state.shown();
        let track = shown.and_then(|pass| self.state.tracks().get(pass.index));
        // The playback thread's details may belong to another track than the shown one. They then do not count.
        let info = progress.track.filter(|_| shown.is_some_and(|pass| progress.play == Some(pass.play)));
        let rendition = progress.rendition.filter(|_| info.is_some());
        let length = match &info {
            Some(info) => {
                let rendition = &info.rendition;
                Position::of_frame(FrameIndex(rendition.frames), rendition.id.rate).into()
            }
            None => Duration::from_millis(track.map_or(0, |track| track.duration_ms)),
        };
        Snapshot {
            index: shown.map_or(0, |pass| pass.index),
            count: self.state.tracks().len(),
            title: track.map(text::title).unwrap_or_default(),
            position: self.state.position().into(),
            length,
            buffered: self.player.level(),
            target: self.state.target(),
            codec: rendition.map(|rendition| text::codec(&rendition)).unwrap_or_default(),
            reason: if info.is_some() { progress.reason.to_string() } else { String::new() },
            path: self.link.path().kind.to_string(),
            underruns: progress.underruns,
            volume: self.state.volume(),
            muted: self.state.is_muted(),
            shuffle: self.state.is_shuffled(),
            repeat: self.state.repeat(),
            paused: self.state.is_paused(),
            waiting: self.state.waiting().into(),
        }
    }

    fn stats(&self) -> Stats {
        let progress = self.player.progress();
        let counts = self.player.counts();
        let info = progress.track.as_ref();
        let rendition = progress.rendition.as_ref();
        let path_changes = self.link.path_changes();
        Stats {
            track: info
                .map(|info| format!("{} {}", info.track.id, text::title(&info.track)))
                .unwrap_or_default(),
            transport: self.transport.clone(),
            path: self.link.path().kind.to_string(),
            codec: rendition.map(|rendition| rendition.id.codec.clone()).unwrap_or_default(),
            bitrate: rendition.map_or(0, |rendition| rendition.bitrate),
            reason: progress.reason.to_string(),
            bind_ms: ms(self.link.bind_time()),
            connect_ms: ms(self.link.connect_time()),
            first_audio_ms: progress.first_audio.map(ms),
            frames_played: progress.frames_played,
            tracks_ended: progress.tracks_ended,
            chunks: counts.chunks,
            requests: counts.requests,
            bytes_received: counts.bytes_received,
            underruns: progress.underruns,
            underrun_ms: ms(progress.underrun_time),
            xruns: progress.xruns,
            paused_ms: ms(self.state.paused_time(self.began.elapsed())),
            requests_while_paused: counts.requests_while_paused,
            rendition_switches: counts.switches.total(),
            switches: counts.switches.iter().map(|change| Switch::new(change, self.began)).collect(),
            path_changes: path_changes.total(),
            paths: path_changes.iter().map(|change| PathChange::new(change, self.began)).collect(),
            reconnects: self.link.reconnects(),
            retries: counts.retries,
            stalls: counts.stalls,
            damaged_packets: progress.damaged_packets,
            silenced_ms: Silenced::new(progress.loss),
            peak_buffer_ms: ms(counts.peak_buffer),
            start_ms: ms(progress.start),
            target_ms: ms(self.state.target()),
            targets: counts.targets.iter().map(|change| Target::new(change, self.began)).collect(),
            level_ms: LevelTimes::new(progress.levels),
        }
    }
}
