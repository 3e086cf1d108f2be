use std::{
    io,
    process::ExitStatus,
    time::{Duration, Instant},
};

use media_plugin_sdk::{AudioFormat, Output, PluginError, Result};

use crate::{child_process::ChildProcess, options::PipeOptions, pipe_writer::PipeWriter, wav};

/// Length of the queue: a tenth of a second. The writing thread holds as much again. Tested by
/// `a_command_that_does_not_read_holds_up_nobody_and_is_ended`.
const QUEUE: Duration = Duration::from_millis(100);

/// Time in which a command that has closed its input must end. Its exit status then explains the failure. Tested by
/// `a_command_that_ends_early_says_why`.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// Output to a command.
pub(crate) struct PipeOutput {
    options: PipeOptions,
    /// `None` after the command has taken all frames and ended. The next frames start it again.
    command: Option<RunningCommand>,
    paused: bool,
    /// Buffer for encoded samples.
    bytes: Vec<u8>,
}

/// Running command and the writer of its input. The writer is dropped first, so that the command sees the end of its input
/// before it is ended.
struct RunningCommand {
    input: PipeWriter,
    process: ChildProcess,
    /// True if a drain is closing the input.
    is_ending: bool,
    /// Time at which a write found the input closed by the command.
    input_closed: Option<Instant>,
}

impl RunningCommand {
    fn start(options: &PipeOptions) -> Result<Self> {
        let (process, stdin) = ChildProcess::start(options)?;
        let header = if options.wav { wav::header(options.format, options.sample) } else { Vec::new() };
        let queue_frames = (u128::from(options.format.rate) * QUEUE.as_millis()).div_ceil(1_000) as usize;
        let capacity = queue_frames.max(1) * frame_bytes(options);
        let input = PipeWriter::start(stdin, header, capacity)
            .map_err(|error| PluginError::Failed(format!("output pipe: starting a thread: {error}")))?;
        Ok(Self { input, process, is_ending: false, input_closed: None })
    }

    /// Error of a command that has closed its input. `None` during [`EXIT_TIMEOUT`], as long as it has not ended.
    fn input_error(&mut self) -> Option<PluginError> {
        let closed = *self.input_closed.get_or_insert_with(Instant::now);
        let event = match self.process.wait(<dyn Output>::MAX_WAIT / 2) {
            Some(status) => format!("ended ({}) before the audio did", status_text(&status)),
            None if closed.elapsed() < EXIT_TIMEOUT => return None,
            None => "closed its standard input before the audio ended".into(),
        };
        Some(self.process.failure(&event))
    }
}

fn frame_bytes(options: &PipeOptions) -> usize {
    options.format.samples(1) * usize::from(options.sample.bytes())
}

fn status_text(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

impl PipeOutput {
    /// Starts the command now, so that `open` reports a command that cannot run.
    ///
    /// # Errors
    /// As [`ChildProcess::start`].
    pub(crate) fn start(options: PipeOptions) -> Result<Self> {
        let command = Some(RunningCommand::start(&options)?);
        Ok(Self { options, command, paused: false, bytes: Vec::new() })
    }
}

impl Output for PipeOutput {
    fn format(&self) -> AudioFormat {
        self.options.format
    }

    /// Returns `false`: the content of the pipe and the command's buffers is unknown, so written frames count as heard.
    fn is_realtime(&self) -> bool {
        false
    }

    fn write(&mut self, frames: &[f32]) -> Result<usize> {
        let frame = frame_bytes(&self.options);
        let offered = frames.len() / usize::from(self.options.format.channels);
        // Frames after a drain go to a new command, once the old one has ended.
        let is_ending = self.command.as_ref().is_some_and(|command| command.is_ending);
        if self.paused || offered == 0 || is_ending && !self.drain()? {
            return Ok(0);
        }
        let command = match &mut self.command {
            Some(command) => command,
            none => none.insert(RunningCommand::start(&self.options)?),
        };
        let Ok(room) = command.input.room(frame, <dyn Output>::MAX_WAIT) else {
            return command.input_error().map_or(Ok(0), Err);
        };
        let taken = offered.min(room / frame);
        self.bytes.clear();
        self.options.sample.encode(&frames[..self.options.format.samples(taken)], &mut self.bytes);
        command.input.push(&self.bytes);
        Ok(taken)
    }

    fn delay(&self) -> u64 {
        let pending = self.command.as_ref().map_or(0, |command| command.input.pending());
        (pending / frame_bytes(&self.options)) as u64
    }

    fn pause(&mut self, paused: bool) -> Result<()> {
        self.paused = paused;
        if let Some(command) = &self.command {
            command.input.pause(paused);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if let Some(command) = &self.command {
            command.input.clear();
        }
        Ok(())
    }

    /// Waits until the command has read all its input and ended.
    fn drain(&mut self) -> Result<bool> {
        let Some(command) = &mut self.command else { return Ok(true) };
        command.is_ending = true;
        // Half of the time for the input, half for the command's end.
        let timeout = <dyn Output>::MAX_WAIT / 2;
        match command.input.finish(timeout) {
            None => return Ok(false),
            Some(false) => return command.input_error().map_or(Ok(false), Err),
            Some(true) => {}
        }
        let Some(status) = command.process.wait(timeout) else { return Ok(false) };
        if status.as_ref().is_ok_and(ExitStatus::success) {
            self.command = None;
            return Ok(true);
        }
        Err(command.process.failure(&format!("failed ({})", status_text(&status))))
    }
}
