use std::{
    io,
    process::ExitStatus,
    time::{Duration, Instant},
};

use media_plugin_sdk::{AudioFormat, Output, PluginError, Result};

use crate::{command::Running, feed::Feed, options::Plan, samples::wav_header};

/// How much the queue holds, as a part of a second: 1/10. The thread that writes holds as much again.
const QUEUE: u32 = 10;

/// How long a command that reads no more has to end.
const UNTIL_SAID: Duration = Duration::from_secs(1);

/// A command that is fed, or will be with the next frames.
pub(crate) struct Piped {
    plan: Plan,
    /// `None` once the command has taken all and ended.
    fed: Option<Fed>,
    paused: bool,
    bytes: Vec<u8>,
}

/// Its queue and the command; dropped in this order, so that the command sees the end of its input first.
struct Fed {
    feed: Feed,
    command: Running,
    /// Its input is being closed.
    is_ending: bool,
    /// Since when it has been known to read no more.
    left: Option<Instant>,
}

impl Fed {
    fn start(plan: &Plan) -> Result<Self> {
        let (command, stdin) = Running::start(plan)?;
        let head = if plan.wav { wav_header(plan.format, plan.stored) } else { Vec::new() };
        let second = plan.format.rate as usize * frame_bytes(plan);
        let capacity = second.div_ceil(QUEUE as usize).max(frame_bytes(plan));
        let feed = Feed::start(stdin, head, capacity)
            .map_err(|error| PluginError::Failed(format!("output pipe: starting a thread: {error}")))?;
        Ok(Self { feed, command, is_ending: false, left: None })
    }

    /// Why the command takes no more; `None` while it may yet end and say.
    fn left(&mut self) -> Option<PluginError> {
        let left = *self.left.get_or_insert_with(Instant::now);
        let how = match self.command.ended(<dyn Output>::MAX_WAIT / 2) {
            Some(status) => format!("ended ({}) before the sound did", words(&status)),
            None if left.elapsed() < UNTIL_SAID => return None,
            None => "has closed its standard input before the sound ended".into(),
        };
        Some(self.command.failure(&how))
    }
}

fn frame_bytes(plan: &Plan) -> usize {
    plan.format.samples(1) * usize::from(plan.stored.bytes())
}

fn words(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

impl Piped {
    /// Starts the command, so that it is known at once whether it can be.
    ///
    /// # Errors
    /// As [`Running::start`].
    pub(crate) fn start(plan: Plan) -> Result<Self> {
        let fed = Some(Fed::start(&plan)?);
        Ok(Self { plan, fed, paused: false, bytes: Vec::new() })
    }
}

impl Output for Piped {
    fn format(&self) -> AudioFormat {
        self.plan.format
    }

    /// Nobody can say how much a pipe and a command hold, so none of it counts as not yet heard; and a command was told
    /// one format, as a file has one.
    fn is_realtime(&self) -> bool {
        false
    }

    fn write(&mut self, frames: &[f32]) -> Result<usize> {
        let frame = frame_bytes(&self.plan);
        let offered = frames.len() / usize::from(self.plan.format.channels);
        // Frames behind a drain are for a new command, once the old one has had its time.
        let is_ending = self.fed.as_ref().is_some_and(|it| it.is_ending);
        if self.paused || offered == 0 || is_ending && !self.drain()? {
            return Ok(0);
        }
        let fed = match &mut self.fed {
            Some(fed) => fed,
            none => none.insert(Fed::start(&self.plan)?),
        };
        let Ok(room) = fed.feed.room(frame, <dyn Output>::MAX_WAIT) else {
            return fed.left().map_or(Ok(0), Err);
        };
        let taken = offered.min(room / frame);
        self.bytes.clear();
        self.plan.stored.encode(&frames[..self.plan.format.samples(taken)], &mut self.bytes);
        fed.feed.push(&self.bytes);
        Ok(taken)
    }

    fn delay(&self) -> u64 {
        self.fed.as_ref().map_or(0, |it| (it.feed.held() / frame_bytes(&self.plan)) as u64)
    }

    fn pause(&mut self, paused: bool) -> Result<()> {
        self.paused = paused;
        if let Some(fed) = &self.fed {
            fed.feed.pause(paused);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if let Some(fed) = &self.fed {
            fed.feed.clear();
        }
        Ok(())
    }

    /// Until the command has taken all and ended.
    fn drain(&mut self) -> Result<bool> {
        let Some(fed) = &mut self.fed else { return Ok(true) };
        fed.is_ending = true;
        // Half of the time for each of the two.
        let wait: Duration = <dyn Output>::MAX_WAIT / 2;
        match fed.feed.finish(wait) {
            None => return Ok(false),
            Some(false) => return fed.left().map_or(Ok(false), Err),
            Some(true) => {}
        }
        let Some(status) = fed.command.ended(wait) else { return Ok(false) };
        if status.as_ref().is_ok_and(ExitStatus::success) {
            self.fed = None;
            return Ok(true);
        }
        Err(fed.command.failure(&format!("failed ({})", words(&status))))
    }
}
