use std::{collections::BTreeMap, time::Duration};

use media_protocol::{Position, Track, session::client::PlayId};

use super::{
    Command, Notice, Outcome, Repeat,
    queue::{FailedPass, Pass, Queue, Reordered},
    text,
};
use crate::client::{AudioLoss, Event, UnderrunCause};

/// Input of the state machine.
#[derive(Debug, Clone)]
pub(super) enum Input {
    /// A command from a key or another sender.
    Command(Command),
    /// An event of the player.
    Event(Event),
    /// The audible pass, and the position in its track.
    Progress { play: PlayId, position: Position },
    /// Time has passed; see [`PlayerState::timeout`].
    Timeout,
}

/// One thing to do. The owner carries out a returned list in its order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// Drop everything and play a track from a position.
    Play { play: PlayId, index: usize, start: Position },
    /// Play a track after another.
    Follow { after: PlayId, play: PlayId, index: usize },
    /// Play nothing after a track.
    EndAfter(PlayId),
    /// Pause or resume.
    Pause(bool),
    /// Set the volume, in percent.
    Volume(u8),
    /// Report [`Event::Drained`] when all audio of the series that began with this play has been heard.
    Drain(PlayId),
    /// Tell the listener.
    Notify(Notice),
    /// Stop.
    Finish(Outcome),
}

/// The state of playing a list of tracks, as a state machine without I/O and without a clock.
///
/// Invariants, which `tests` checks with a model of the player:
/// - The track that is shown is the audible one, or the next one to become audible.
/// - An event of a pass that is no longer in the queue changes nothing.
/// - When the last track has ended or failed, the state asks the player to drain. The player's report of that ends the
///   session.
#[derive(Debug)]
pub(super) struct PlayerState {
    queue: Queue,
    /// True if the listener asked for lossless audio.
    lossless: bool,
    /// In percent.
    volume: u8,
    muted: bool,
    /// Length of the audible pass's track, as the node told it.
    length: Option<(PlayId, Duration)>,
    /// The series that the player was asked to drain last.
    draining: Option<PlayId>,
    position: Option<(PlayId, Position)>,
    paused_since: Option<Duration>,
    paused_time: Duration,
    target: Duration,
    waiting: &'static str,
    /// Cause and time of a dropout that is not reported yet.
    dropout: Option<(UnderrunCause, Duration)>,
    /// Message for each track that could not be played, by index.
    failures: BTreeMap<usize, String>,
    /// Lost audio of each track that has any, by index.
    losses: BTreeMap<usize, AudioLoss>,
    actions: Vec<Action>,
}

/// Time after the start of a track within which [`Command::Previous`] goes to the previous track.
/// Tested by `previous_restarts_a_track_that_is_under_way`.
const RESTART_AFTER: Duration = Duration::from_secs(3);
/// Delay of the report of a dropout. The fetch session usually raises the target level a few milliseconds after a dropout. With
/// this delay, one line reports both. Tested by `a_dropout_and_the_larger_buffer_make_one_line`.
const DROPOUT_DELAY: Duration = Duration::from_millis(250);

impl PlayerState {
    /// A state before its start. `seed` determines the random orders.
    pub(super) fn new(tracks: Vec<Track>, volume: u8, target: Duration, lossless: bool, seed: u64) -> Self {
        Self {
            queue: Queue::new(tracks, seed),
            lossless,
            volume,
            muted: false,
            length: None,
            draining: None,
            position: None,
            paused_since: None,
            paused_time: Duration::ZERO,
            target,
            waiting: "",
            dropout: None,
            failures: BTreeMap::new(),
            losses: BTreeMap::new(),
            actions: Vec::new(),
        }
    }

    /// Plays the first track from a position. A random order has any track first.
    pub(super) fn start(&mut self, start: Position, shuffled: bool, repeat: Repeat) -> Vec<Action> {
        if shuffled {
            self.queue.shuffle(true);
        }
        self.queue.repeat(repeat);
        self.jump(Some(self.queue.order().first()), start);
        std::mem::take(&mut self.actions)
    }

    /// Takes an input at the time `now`, and returns the actions to carry out. All times count from one fixed instant, which
    /// the caller chooses.
    pub(super) fn handle(&mut self, now: Duration, input: Input) -> Vec<Action> {
        match input {
            Input::Command(command) => self.on_command(now, command),
            Input::Event(event) => self.on_event(now, event),
            Input::Progress { play, position } => {
                if self.queue.heard(play).is_some() {
                    self.position = Some((play, position));
                }
            }
            Input::Timeout => {}
        }
        if self.timeout().is_some_and(|at| at <= now) {
            self.report_dropout();
        }
        std::mem::take(&mut self.actions)
    }

    /// Time at which [`Input::Timeout`] is due, if there is one.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.dropout.map(|(_, at)| at + DROPOUT_DELAY)
    }

    /// The pass that is shown. `None` only for an empty list.
    pub(super) fn shown(&self) -> Option<Pass> {
        self.queue.shown()
    }

    pub(super) fn tracks(&self) -> &[Track] {
        self.queue.tracks()
    }

    /// Position in the shown track. Its start position until it is audible.
    pub(super) fn position(&self) -> Position {
        let Some(shown) = self.queue.shown() else { return Position::START };
        let audible = self.position.filter(|(play, _)| *play == shown.play);
        audible.map_or(shown.start, |(_, position)| position)
    }

    /// In percent.
    pub(super) fn volume(&self) -> u8 {
        self.volume
    }

    pub(super) fn is_muted(&self) -> bool {
        self.muted
    }

    pub(super) fn is_shuffled(&self) -> bool {
        self.queue.order().is_shuffled()
    }

    pub(super) fn repeat(&self) -> Repeat {
        self.queue.order().repeat
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused_since.is_some()
    }

    /// Time for which the player was paused, a present pause included.
    pub(super) fn paused_time(&self, now: Duration) -> Duration {
        self.paused_time + self.paused_since.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    /// Target level of the jitter buffer.
    pub(super) fn target(&self) -> Duration {
        self.target
    }

    /// Words for the thing that the player waits for, as in `for the node`. Empty if it does not wait.
    pub(super) fn waiting(&self) -> &'static str {
        self.waiting
    }

    fn on_command(&mut self, now: Duration, command: Command) {
        let index = self.queue.shown().map_or(0, |pass| pass.index);
        let position = self.position();
        match command {
            Command::Play => self.pause(now, false),
            Command::Pause => self.pause(now, true),
            Command::Toggle => self.pause(now, !self.is_paused()),
            Command::SeekTo { seconds } => self.jump(Some(index), Position::START.moved(seconds.max(0.0))),
            Command::SeekBy { seconds } => self.jump(Some(index), position.moved(seconds)),
            Command::SeekToPercent { percent } => self.seek_to_percent(index, percent),
            Command::SetVolume { percent } => self.set_volume(percent),
            Command::ChangeVolume { percent } => {
                self.set_volume(self.volume.saturating_add_signed(percent));
            }
            Command::ToggleMute => {
                self.muted = !self.muted;
                self.actions.push(Action::Volume(if self.muted { 0 } else { self.volume }));
            }
            Command::SetShuffle { on } => self.set_shuffle(on),
            Command::ToggleShuffle => self.set_shuffle(!self.is_shuffled()),
            Command::SetRepeat { repeat } => self.set_repeat(repeat),
            Command::CycleRepeat => self.set_repeat(self.repeat().following()),
            Command::Next => self.jump(self.queue.order().next(index), Position::START),
            Command::Previous => {
                let has_just_begun = Duration::from(position) < RESTART_AFTER;
                let previous = self.queue.order().previous(index).filter(|_| has_just_begun);
                self.jump(previous.or(Some(index)), Position::START);
            }
            Command::GoTo { index } => self.jump(Some(index), Position::START),
            Command::Quit => self.actions.push(Action::Finish(Outcome::Quit)),
        }
    }

    fn jump(&mut self, index: Option<usize>, start: Position) {
        let pass = index.and_then(|index| self.queue.jump(index, start));
        self.actions.extend(pass.map(|Pass { play, index, start, .. }| Action::Play { play, index, start }));
    }

    fn seek_to_percent(&mut self, index: usize, percent: u8) {
        let Some(length) = self.shown_length() else {
            return self.warn("cannot seek: the length of this track is not known yet");
        };
        let seconds = length.as_secs_f64() * f64::from(percent.min(100)) / 100.0;
        self.jump(Some(index), Position::START.moved(seconds));
    }

    /// Length of the shown track. `None` until it is known.
    fn shown_length(&self) -> Option<Duration> {
        let shown = self.queue.shown()?;
        let listed = self.queue.track(shown.index).map(|track| Duration::from_millis(track.duration_ms));
        let told = self.length.filter(|(play, _)| *play == shown.play).map(|(_, length)| length);
        told.or(listed).filter(|length| !length.is_zero())
    }

    /// Also ends muting.
    fn set_volume(&mut self, percent: u8) {
        self.volume = percent.min(100);
        self.muted = false;
        self.actions.push(Action::Volume(self.volume));
    }

    fn set_shuffle(&mut self, on: bool) {
        let change = self.queue.shuffle(on);
        self.reorder(change);
        self.info(if on { "shuffle on" } else { "shuffle off" });
    }

    fn set_repeat(&mut self, repeat: Repeat) {
        let change = self.queue.repeat(repeat);
        self.reorder(change);
        self.info(match repeat {
            Repeat::Off => "repeat off",
            Repeat::One => "repeating this track",
            Repeat::All => "repeating all tracks",
        });
    }

    /// Tells the player about another successor. A series that is draining ends as it is.
    fn reorder(&mut self, change: Option<Reordered>) {
        let Some(Reordered { after, next }) = change else { return };
        if self.draining == Some(self.queue.series()) {
            return;
        }
        match next {
            Some(_) => self.follow(after, next),
            None => self.actions.push(Action::EndAfter(after)),
        }
    }

    fn drain(&mut self) {
        let series = self.queue.series();
        self.draining = Some(series);
        self.actions.push(Action::Drain(series));
    }

    fn pause(&mut self, now: Duration, paused: bool) {
        if paused == self.is_paused() {
            return;
        }
        self.paused_time = self.paused_time(now);
        self.paused_since = paused.then_some(now);
        self.actions.push(Action::Pause(paused));
        self.info(if paused { "paused" } else { "resumed" });
    }

    fn on_event(&mut self, now: Duration, event: Event) {
        match event {
            Event::Fetching(play) => {
                let next = self.queue.fetching(play);
                self.follow(play, next);
            }
            Event::Began { play, info, rendition, reason } => {
                let line = text::now_playing_line(&info, &rendition, &reason);
                let Some(pass) = self.queue.heard(play) else {
                    // The position of the next track can be known before this event of a very short one.
                    if self.queue.has_passed(play) {
                        self.info(line);
                    }
                    return;
                };
                let length = Duration::from_millis(info.track.duration_ms);
                self.length = Some((play, length));
                if Duration::from(pass.start) > length {
                    self.warn(text::starts_past_the_end(&info.track));
                }
                self.info(line);
            }
            Event::Switched { play, to, reason } => {
                if self.queue.pass(play).is_some() {
                    self.info(text::switched(&to, &reason));
                }
            }
            Event::TargetChanged { target, reason } => {
                self.target = target;
                let line = text::buffering(target, reason);
                match self.dropout.take() {
                    Some(_) => self.warn(format!("audio dropped out; {line}")),
                    None => self.info(line),
                }
            }
            Event::AudioLost { play, loss } => self.on_loss(play, loss),
            Event::Ended(play) => {
                if self.queue.is_last(play) {
                    self.drain();
                }
            }
            Event::Drained(series) => {
                if series == self.queue.series() {
                    self.report_dropout();
                    self.actions.push(Action::Finish(self.outcome()));
                }
            }
            Event::Underrun(cause) => {
                self.report_dropout();
                self.dropout = Some((cause, now));
            }
            Event::Suspended(time) => {
                self.warn(format!("suspended for {:.1} s, continuing", time.as_secs_f32()));
            }
            Event::OutputReady(line) => {
                self.waiting = "";
                self.info(format!("output: {line}"));
            }
            Event::OutputLost(reason) => {
                self.waiting = "for an output";
                self.warn(format!("no sound: {reason}; waiting for an output"));
            }
            Event::Retrying(reason) => {
                self.waiting = "for the node";
                self.warn(format!("{reason}; retrying"));
            }
            Event::Recovered => {
                self.waiting = "";
                self.info("the node responds again");
            }
            Event::Unreachable { play, reason } => {
                if self.queue.pass(play).is_some() {
                    self.actions.push(Action::Finish(Outcome::Unreachable(reason)));
                }
            }
            Event::Refused(reason) => self.actions.push(Action::Finish(Outcome::Refused(reason))),
            Event::TrackFailed { play, reason } => self.on_failed(play, &reason),
            Event::OutputFailed(reason) => self.actions.push(Action::Finish(Outcome::Output(reason))),
            Event::Fatal(reason) => self.actions.push(Action::Finish(Outcome::Failed(reason))),
        }
    }

    /// Skips a track, or the rest of it, after a failure.
    fn on_failed(&mut self, play: PlayId, reason: &str) {
        let Some(FailedPass { pass, next }) = self.queue.failed(play) else { return };
        let name = self.queue.track(pass.index).map(text::title).unwrap_or_default();
        // If there is only one track, the command reports its failure as an error.
        if self.queue.tracks().len() > 1 {
            let rest = if pass.fetching { "the rest of " } else { "" };
            self.warn(format!("skipped {rest}{name}: {reason}"));
        }
        self.failures.insert(pass.index, format!("cannot play {name}: {reason}"));
        match next {
            Some(_) => self.follow(play, next),
            None => self.drain(),
        }
    }

    /// Notes lost audio, and tells the listener about the first of a track.
    fn on_loss(&mut self, play: PlayId, loss: AudioLoss) {
        let Some(pass) = self.queue.pass(play) else { return };
        let is_first = !self.losses.contains_key(&pass.index);
        *self.losses.entry(pass.index).or_default() += loss;
        if let Some(track) = self.queue.track(pass.index).filter(|_| is_first) {
            self.warn(text::has_gaps(track, &loss));
        }
    }

    fn follow(&mut self, after: PlayId, next: Option<Pass>) {
        self.actions.extend(next.map(|Pass { play, index, .. }| Action::Follow { after, play, index }));
    }

    fn outcome(&self) -> Outcome {
        let gaps: Vec<_> =
            self.losses.iter().filter(|(index, _)| !self.failures.contains_key(*index)).collect();
        let tracks = self.queue.tracks();
        let message = match (tracks, self.failures.values().next(), gaps.first()) {
            (_, None, None) => return Outcome::Finished,
            ([_], Some(failure), _) => failure.clone(),
            ([only], None, Some((_, loss))) => text::lost_audio(only, loss),
            _ => text::incomplete(tracks.len(), self.failures.len(), gaps.len()),
        };
        Outcome::Incomplete(message)
    }

    fn report_dropout(&mut self) {
        if let Some((cause, _)) = self.dropout.take() {
            self.warn(text::dropped_out(cause, self.lossless));
        }
    }

    fn info(&mut self, line: impl Into<String>) {
        self.actions.push(Action::Notify(Notice::Info(line.into())));
    }

    fn warn(&mut self, line: impl Into<String>) {
        self.actions.push(Action::Notify(Notice::Warning(line.into())));
    }
}

#[cfg(test)]
mod tests;
