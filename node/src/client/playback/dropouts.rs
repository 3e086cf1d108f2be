//! What the playback thread does when its output is gone, stands still, or fell silent.

use std::{
    sync::mpsc::RecvTimeoutError,
    time::{Duration, Instant},
};

use media_plugin_sdk::PluginError;

use super::{Playback, Sink, state::End};
use crate::client::Event;

/// How long an output may neither take nor play anything before that is said.
const STILL: Duration = Duration::from_secs(3);

/// A silence between two looks at the output counts from this length on: its own word on what it holds is off by less.
const SILENCE: Duration = Duration::from_millis(100);

impl Playback {
    /// Finds out whether sound stopped while nobody could look, because the process was stopped or had no processor: an
    /// output that was stopped with it says that it holds what it held. One that stands still is looked at all the time. A
    /// machine that sleeps stops this clock too.
    pub(super) fn look(&mut self, now: Instant) {
        let left = self.sink.delay();
        let before = if self.state.held { None } else { self.state.looked };
        self.state.looked = (!self.state.held).then_some((now, left));
        let Some((at, held)) = before.filter(|_| self.state.sounding && self.voice.is_some()) else { return };
        let heard = self.sink.time(held.saturating_sub(left));
        let silence = now.saturating_duration_since(at).saturating_sub(heard);
        if silence > SILENCE && self.sink.is_realtime() && self.begin_dry(now - silence) {
            self.tell(Event::Stopped(silence));
        }
    }

    /// Sound stops here, or is about to.
    pub(super) fn on_underrun(&mut self) {
        // The process may have been stopped since the last look: that is no fault of the path, and counts once.
        self.look(Instant::now());
        if self.begin_dry(Instant::now() + self.sink.left()) {
            self.buffer.note_underrun();
            self.tell(Event::Underrun);
        }
    }

    /// Counts an underrun, unless it is counted already.
    pub(super) fn begin_dry(&self, since: Instant) -> bool {
        let mut is_new = false;
        self.progress(|progress| {
            is_new = progress.dry_since.is_none();
            progress.dry_since.get_or_insert(since);
            progress.underruns += u64::from(is_new);
        });
        is_new
    }

    /// Waits for an output, by config, and says so. What is pending is kept, behind what the lost one had not played.
    pub(super) fn find_output(&mut self, reason: &str) -> Result<(), End> {
        if self.state.looked.is_some() {
            self.look(Instant::now());
        }
        let back = self.sink.take_back();
        self.state.written -= i64::try_from(back).unwrap_or(0);
        self.progress(|progress| progress.frames_played = progress.frames_played.saturating_sub(back));
        self.show_position();
        // One that comes and goes at once is not asked for more often than one that stays away.
        if self.state.found.is_some_and(|found| found.elapsed() < Sink::REOPEN_EVERY) {
            self.wait()?;
        }
        self.tell(Event::OutputLost(reason.into()));
        let before = self.sink.rate();
        loop {
            if let Some(message) = self.sink.reopen()? {
                self.tell(Event::Output(message));
                self.state.sounding = false;
                (self.state.still, self.state.stuck) = (None, false);
                self.state.found = Some(Instant::now());
                if let Some(voice) = &mut self.voice {
                    voice.retarget(&self.sink)?;
                }
                let written = i128::from(self.state.written) * i128::from(self.sink.rate());
                let written = written.checked_div(i128::from(before)).unwrap_or(0);
                self.state.written = i64::try_from(written).unwrap_or(i64::MAX);
                return Ok(());
            }
            self.wait()?;
        }
    }

    /// Lets some time pass, but not for commands.
    fn wait(&mut self) -> Result<(), End> {
        match self.commands.recv_timeout(Sink::REOPEN_EVERY) {
            Ok(command) => self.on_command(command),
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(End::Dropped),
        }
    }

    /// Whether all is heard. What a lost output still had is heard from the next.
    pub(super) fn drain(&mut self) -> Result<bool, End> {
        match self.sink.drain() {
            Ok(done) => {
                self.watch(done);
                Ok(done)
            }
            Err(PluginError::Lost(reason)) if self.sink.holds() => self.find_output(&reason).map(|()| false),
            Err(PluginError::Lost(_)) => Ok(true),
            Err(other) => Err(other.into()),
        }
    }

    /// Says once that the output stands still, and once that it moves again. It may be suspended, or its sound server
    /// hang; what it was given waits in it.
    pub(super) fn watch(&mut self, took: bool) {
        if !self.sink.is_realtime() {
            return;
        }
        let left = self.sink.delay();
        if took || left != self.state.left {
            (self.state.left, self.state.still) = (left, None);
            if std::mem::take(&mut self.state.stuck) {
                self.tell(Event::Output(format!("{} moves again", self.sink.name())));
            }
        } else if self.state.still.get_or_insert_with(Instant::now).elapsed() >= STILL && !self.state.stuck {
            self.state.stuck = true;
            let name = self.sink.name();
            let text = format!("{name} has not moved for {} s; it may be suspended", STILL.as_secs());
            self.tell(Event::OutputLost(text));
        }
    }
}
