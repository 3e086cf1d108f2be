//! What the playback thread does when its output is gone.

use std::{sync::mpsc::RecvTimeoutError, time::Instant};

use super::{Playback, Sink, state::End};
use crate::client::Event;

impl Playback {
    /// Waits for an output, by config, and says so. What is pending is kept.
    pub(super) fn find_output(&mut self, reason: &str) -> Result<(), End> {
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
                self.state.found = Some(Instant::now());
                if let Some(voice) = &mut self.voice {
                    voice.retarget(&self.sink)?;
                }
                let written = u128::from(self.state.written) * u128::from(self.sink.rate());
                let written = written.checked_div(u128::from(before)).unwrap_or(0);
                self.state.written = u64::try_from(written).unwrap_or(u64::MAX);
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
}
