//! Writer to the output: opens it when a track needs it, opens it again when it is lost, and holds the frames that are not
//! written yet. Applies volume and fades.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use media_plugin_sdk::{AudioFormat, OpenRequest, Output, OutputPlugin, PluginError, SampleType};
use media_protocol::Info;

use super::{
    format::{format_of, sample_of},
    output_formats::OutputFormats,
    replay_buffer::ReplayBuffer,
};
use crate::convert::Converter;

/// Reaction to the loss of the output's device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLost {
    /// Try the same target, then the default one.
    Follow,
    /// Wait for the same target.
    Wait,
}

/// Output to play on.
#[derive(Clone)]
pub struct OutputChoice {
    /// Kind of output.
    pub plugin: Arc<dyn OutputPlugin>,
    /// Target of the output; empty for the default one.
    pub target: String,
    /// Configuration table of the output, as JSON.
    pub options: String,
    /// Reaction to the loss of the device.
    pub on_lost: OnLost,
    /// Rates and channels of the device.
    pub formats: OutputFormats,
}

/// The output as the playback thread uses it.
pub(crate) struct OutputWriter {
    choice: OutputChoice,
    output: Option<Box<dyn Output>>,
    /// Xruns of outputs that were closed.
    xruns: u64,
    /// Format requested from the present output.
    wanted: AudioFormat,
    sample: SampleType,
    /// Format that the output takes. Kept while the output is lost.
    format: AudioFormat,
    realtime: bool,
    /// Copy of `realtime` for the choice of renditions.
    paced: Arc<AtomicBool>,
    paused: bool,
    /// `ID` or `ID:TARGET`.
    name: String,
    replay: ReplayBuffer,
    /// Samples in the output's format, the first `written` of which are written.
    pending: Vec<f32>,
    written: usize,
    /// Frames of the present fade-in that are done. At least [`OutputWriter::fade_frames`] if there is none.
    faded_in: usize,
    volume: f32,
    /// Volume at the end of `pending`. A change is a ramp, not a step.
    volume_reached: f32,
}

impl OutputWriter {
    /// Interval at which a lost output is tried again.
    pub(crate) const REOPEN_EVERY: Duration = Duration::from_millis(500);
    /// Most calls of [`Output::drain`] before an output is replaced. Each takes up to 50 ms, so all take up to 2 s.
    const DRAIN_CALLS: usize = 40;
    /// Duration of a fade-out before an underrun and of the fade-in after it, in milliseconds.
    /// Tested by `silence_that_could_not_be_helped_fades_out_and_in`.
    const FADE_MS: usize = 5;
    /// Delay of the output below which the fade-out is due. The playback thread and the device's callback move frames in steps
    /// of about this size. Tested by `a_fade_out_is_due_20_ms_before_the_end`.
    const LOW: Duration = Duration::from_millis(20);

    pub(crate) fn new(choice: OutputChoice, volume: f32, paced: Arc<AtomicBool>) -> Self {
        let none = AudioFormat { rate: 0, channels: 0 };
        Self {
            choice,
            output: None,
            xruns: 0,
            wanted: none,
            sample: SampleType::F32,
            format: none,
            realtime: true,
            paced,
            paused: false,
            name: String::new(),
            replay: ReplayBuffer::default(),
            pending: Vec::new(),
            written: 0,
            faded_in: usize::MAX,
            volume,
            volume_reached: volume,
        }
    }

    /// Opens an output for a track if the present one does not fit. Returns a line about an output that was opened.
    pub(crate) fn prepare(&mut self, info: &Info) -> Result<Option<String>, PluginError> {
        let wanted = format_of(&info.rendition);
        // A file has one format. Later tracks are converted to it.
        if self.output.is_some() && (wanted == self.wanted || !self.realtime) {
            return Ok(None);
        }
        (self.wanted, self.sample) = (wanted, sample_of(info));
        if let Some(old) = &mut self.output {
            for _ in 0..Self::DRAIN_CALLS {
                if old.drain()? {
                    break;
                }
            }
            drop(self.close());
        }
        let target = self.choice.target.clone();
        self.open(&target).map(Some)
    }

    fn close(&mut self) -> Option<Box<dyn Output>> {
        self.xruns = self.xruns();
        self.replay = ReplayBuffer::default();
        self.output.take()
    }

    fn open(&mut self, target: &str) -> Result<String, PluginError> {
        let OutputChoice { plugin, options, formats, .. } = &self.choice;
        formats.wait_until_listed();
        let output =
            plugin.open(&OpenRequest { target, format: self.wanted, sample: self.sample, options })?;
        self.format = output.format();
        if !self.format.is_valid() {
            return Err(PluginError::Failed(format!("the output takes the invalid format {}", self.format)));
        }
        self.realtime = output.is_realtime();
        self.paced.store(self.realtime, Ordering::Relaxed);
        self.output = Some(output);
        let id = plugin.info().id;
        self.name = if target.is_empty() { id } else { format!("{id}:{target}") };
        Ok(format!("{}, {}", self.name, self.format))
    }

    /// Name of the output that was last opened.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn format(&self) -> AudioFormat {
        self.format
    }

    pub(crate) fn rate(&self) -> u32 {
        self.format.rate
    }

    pub(crate) fn is_realtime(&self) -> bool {
        self.realtime
    }

    /// Frames in the output that are not heard yet.
    pub(crate) fn delay(&self) -> u64 {
        self.output.as_ref().map_or(0, |output| output.delay())
    }

    /// Number of times that the sound system reported missing frames.
    pub(crate) fn xruns(&self) -> u64 {
        self.xruns + self.output.as_ref().map_or(0, |output| output.xruns())
    }

    /// True if a real-time output has no frames.
    pub(crate) fn is_dry(&self) -> bool {
        self.realtime && self.delay() == 0
    }

    /// True if a real-time output has frames.
    pub(crate) fn holds(&self) -> bool {
        self.realtime && self.delay() > 0
    }

    /// True if a real-time output is about to have no frames.
    pub(crate) fn is_low(&self) -> bool {
        self.realtime && self.above_low().is_zero()
    }

    /// Time until [`OutputWriter::is_low`].
    pub(crate) fn above_low(&self) -> Duration {
        self.remaining().saturating_sub(Self::LOW)
    }

    /// Duration of the frames in the output.
    pub(crate) fn remaining(&self) -> Duration {
        self.time(self.delay())
    }

    /// Duration of the pending frames.
    pub(crate) fn pending(&self) -> Duration {
        self.time(self.pending_frames())
    }

    /// Number of pending frames.
    pub(crate) fn pending_frames(&self) -> u64 {
        let samples = self.pending.len() - self.written;
        (samples / usize::from(self.format.channels.max(1))) as u64
    }

    /// Duration of `frames` at the output's rate.
    pub(crate) fn time(&self, frames: u64) -> Duration {
        match self.rate() {
            0 => Duration::ZERO,
            rate => Duration::from_secs_f64(frames as f64 / f64::from(rate)),
        }
    }

    /// True if there are frames to write. While `more` of the track is expected, the last frames are kept back for a fade-out
    /// in case the rest does not arrive in time.
    pub(crate) fn has_pending(&self, more: bool) -> bool {
        self.written < self.writable(more)
    }

    /// End of the part of `pending` that may be written.
    fn writable(&self, more: bool) -> usize {
        let kept = if more && self.realtime { self.format.samples(self.fade_frames()) } else { 0 };
        self.pending.len().saturating_sub(kept)
    }

    pub(crate) fn set_volume(&mut self, volume: f32) {
        self.volume = volume;
    }

    /// Lets `produce` append frames in the output's format, and applies fade-in and volume to them.
    pub(crate) fn fill(&mut self, produce: impl FnOnce(&mut Vec<f32>)) {
        self.pending.drain(..self.written);
        self.written = 0;
        let first = self.pending.len();
        produce(&mut self.pending);
        self.apply_fade_in(first);
        let fresh = &mut self.pending[first..];
        if self.volume == 1.0 && self.volume_reached == 1.0 || fresh.is_empty() {
            return;
        }
        let channels = usize::from(self.format.channels);
        let frames = (fresh.len() / channels) as f32;
        let from = self.volume_reached;
        let to = self.volume;
        for (n, frame) in fresh.chunks_mut(channels).enumerate() {
            let gain = from + (to - from) * (n as f32 + 1.0) / frames;
            frame.iter_mut().for_each(|sample| *sample *= gain);
        }
        self.volume_reached = to;
    }

    /// Writes pending frames, except those that [`OutputWriter::has_pending`] keeps back. Returns the number of frames that the
    /// output took.
    pub(crate) fn write(&mut self, more: bool) -> Result<u64, PluginError> {
        let end = self.writable(more).max(self.written);
        let Some(output) = &mut self.output else {
            return Err(PluginError::Lost("the output is not open".into()));
        };
        let frames = output.write(&self.pending[self.written..end])?;
        let from = self.written;
        self.written += self.format.samples(frames);
        self.remember(from, self.written);
        Ok(frames as u64)
    }

    /// Pauses or resumes the output.
    pub(crate) fn pause(&mut self, paused: bool) -> Result<(), PluginError> {
        self.paused = paused;
        match &mut self.output {
            // If the device is lost, the next write reports it.
            Some(output) => output.pause(paused).or_else(unless_lost),
            None => Ok(()),
        }
    }

    /// Drops all pending frames and those in the output.
    pub(crate) fn flush(&mut self) -> Result<(), PluginError> {
        self.pending.clear();
        self.replay.clear();
        self.written = 0;
        self.faded_in = usize::MAX;
        match &mut self.output {
            Some(output) => output.flush().or_else(unless_lost),
            None => Ok(()),
        }
    }

    /// Waits up to 50 ms until the output has played everything. Returns true if it has.
    pub(crate) fn drain(&mut self) -> Result<bool, PluginError> {
        match &mut self.output {
            Some(output) => output.drain(),
            None => Ok(true),
        }
    }

    fn fade_frames(&self) -> usize {
        self.rate() as usize * Self::FADE_MS / 1000
    }

    /// Fades the pending frames out, before an underrun.
    pub(crate) fn fade_out(&mut self) {
        let pending = &mut self.pending[self.written..];
        let channels = usize::from(self.format.channels).max(1);
        let frames = (pending.len() / channels) as f32;
        for (n, frame) in pending.chunks_mut(channels).enumerate() {
            let gain = 1.0 - (n as f32 + 1.0) / frames;
            frame.iter_mut().for_each(|sample| *sample *= gain);
        }
    }

    /// Starts a fade-in with the pending frames.
    pub(crate) fn fade_in(&mut self) {
        self.faded_in = 0;
        self.apply_fade_in(self.written);
    }

    /// Continues the fade-in from the sample `first` of the pending frames on.
    fn apply_fade_in(&mut self, first: usize) {
        let all = self.fade_frames();
        let channels = usize::from(self.format.channels).max(1);
        for frame in self.pending[first..].chunks_mut(channels).take(all.saturating_sub(self.faded_in)) {
            self.faded_in += 1;
            let gain = self.faded_in as f32 / all as f32;
            frame.iter_mut().for_each(|sample| *sample *= gain);
        }
    }

    /// Records frames that a real-time output took, in case it is lost before they are heard.
    fn remember(&mut self, from: usize, to: usize) {
        if self.realtime {
            let delay = self.delay();
            let channels = usize::from(self.format.channels);
            self.replay.push(&self.pending[from..to], delay, self.format.rate, channels);
        }
    }

    /// Closes a lost output. The frames that it had not played, according to its delay, become pending before all others.
    /// Returns their number.
    pub(crate) fn take_back(&mut self) -> u64 {
        let channels = usize::from(self.format.channels).max(1);
        let (samples, frames) = std::mem::take(&mut self.replay).last_frames(self.delay(), channels);
        drop(self.close());
        self.pending.splice(..self.written, samples);
        self.written = 0;
        frames
    }

    /// Tries once to open a lost output again. Returns a line about it if that succeeds. If its format is another, the pending
    /// frames are converted to it.
    pub(crate) fn reopen(&mut self) -> Result<Option<String>, PluginError> {
        drop(self.close());
        let before = self.format;
        let target = self.choice.target.clone();
        let mut opened = self.open(&target);
        if opened.is_err() && self.choice.on_lost == OnLost::Follow && !target.is_empty() {
            opened = self.open("");
        }
        let Ok(message) = opened else {
            self.format = before;
            return Ok(None);
        };
        // The target may be another device now, as after a headphone was unplugged.
        self.choice.formats.forget();
        if before.is_valid() && self.format != before {
            let mut converter = Converter::new(before, self.format)?;
            let mut converted = Vec::new();
            converter.push(&self.pending[self.written..], &mut converted);
            converter.flush(&mut converted);
            self.pending = converted;
            self.written = 0;
        }
        if self.paused
            && let Some(output) = &mut self.output
        {
            output.pause(true)?;
        }
        Ok(Some(message))
    }
}

fn unless_lost(error: PluginError) -> Result<(), PluginError> {
    if let PluginError::Lost(_) = error { Ok(()) } else { Err(error) }
}
