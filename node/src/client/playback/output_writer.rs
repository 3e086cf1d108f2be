//! The output as the playback thread sees it: opened when a track needs it, opened again when it is lost, with the frames
//! that wait to be written and the volume.

mod fade;
mod lost;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use media_plugin_sdk::{AudioFormat, Open, Output, OutputPlugin, PluginError, SampleType};
use media_protocol::Info;

use self::lost::Given;
use super::format::{format_of, sample_of};

/// What to do when the output's device is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLost {
    /// Try the same target, then the default one.
    Follow,
    /// Wait for the same target.
    Wait,
}

/// Which output to play on.
#[derive(Clone)]
pub struct OutputChoice {
    /// The kind of output.
    pub plugin: Arc<dyn OutputPlugin>,
    /// The target within it, empty for the default.
    pub target: String,
    /// Its table of the configuration, as JSON.
    pub options: String,
    /// What to do when it is lost.
    pub on_lost: OnLost,
}

/// See the module.
pub(super) struct Sink {
    choice: OutputChoice,
    output: Option<Box<dyn Output>>,
    /// Those of outputs that were closed.
    xruns: u64,
    /// What the present output was asked for.
    wanted: AudioFormat,
    sample: SampleType,
    /// What it gave; kept while it is lost.
    format: AudioFormat,
    realtime: bool,
    /// The same, for the choice of renditions.
    paced: Arc<AtomicBool>,
    paused: bool,
    /// What it is called: `ID` or `ID:TARGET`.
    name: String,
    given: Given,
    pending: Vec<f32>,
    /// Samples of `pending` already written.
    written: usize,
    /// Frames of the present fade in that are done; [`Sink::fade_frames`] when there is none.
    risen: usize,
    volume: f32,
    /// The volume at the end of what was filled last; a change is a ramp, not a step.
    volume_reached: f32,
}

impl Sink {
    /// How often a lost output is looked for.
    pub(super) const REOPEN_EVERY: Duration = Duration::from_millis(500);
    /// How often [`Output::drain`] is called before an output is replaced: 2 s.
    const DRAIN_CALLS: usize = 40;
    /// How long sound takes to fade out when nothing more comes, and to fade in when it goes on.
    const FADE_MS: usize = 5;
    /// With less than this left in the output it is time to fade: the playback thread and a device's callback take what it
    /// holds in steps.
    const LOW: Duration = Duration::from_millis(20);

    pub(super) fn new(choice: OutputChoice, volume: f32, paced: Arc<AtomicBool>) -> Self {
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
            given: Given::default(),
            pending: Vec::new(),
            written: 0,
            risen: usize::MAX,
            volume,
            volume_reached: volume,
        }
    }

    /// Makes the output fit a track. Returns a line about an output that was opened.
    pub(super) fn prepare(&mut self, info: &Info) -> Result<Option<String>, PluginError> {
        let wanted = format_of(&info.rendition);
        // A file has one format: later tracks are converted to it.
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
        self.given = Given::default();
        self.output.take()
    }

    fn open(&mut self, target: &str) -> Result<String, PluginError> {
        let OutputChoice { plugin, options, .. } = &self.choice;
        let output = plugin.open(&Open { target, format: self.wanted, sample: self.sample, options })?;
        self.format = output.format();
        if !self.format.is_valid() {
            return Err(PluginError::Failed(format!("the output asks for {}", self.format)));
        }
        self.realtime = output.is_realtime();
        self.paced.store(self.realtime, Ordering::Relaxed);
        self.output = Some(output);
        let id = plugin.info().id;
        self.name = if target.is_empty() { id } else { format!("{id}:{target}") };
        Ok(format!("{}, {}", self.name, self.format))
    }

    /// What the output that was last opened is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn format(&self) -> AudioFormat {
        self.format
    }

    pub(super) fn rate(&self) -> u32 {
        self.format.rate
    }

    pub(super) fn is_realtime(&self) -> bool {
        self.realtime
    }

    pub(super) fn delay(&self) -> u64 {
        self.output.as_ref().map_or(0, |output| output.delay())
    }

    /// How often the sound system said that it ran out of frames.
    pub(super) fn xruns(&self) -> u64 {
        self.xruns + self.output.as_ref().map_or(0, |output| output.xruns())
    }

    /// Whether a real-time output has nothing left to play.
    pub(super) fn is_dry(&self) -> bool {
        self.realtime && self.delay() == 0
    }

    /// Whether a real-time output has something left to play, or may have.
    pub(super) fn holds(&self) -> bool {
        self.realtime && self.delay() > 0
    }

    /// Whether a real-time output is about to have nothing left to play.
    pub(super) fn is_low(&self) -> bool {
        self.realtime && self.above_low().is_zero()
    }

    /// How long it takes until [`Sink::is_low`].
    pub(super) fn above_low(&self) -> Duration {
        self.left().saturating_sub(Self::LOW)
    }

    /// How long what was handed over lasts.
    pub(super) fn left(&self) -> Duration {
        self.time(self.delay())
    }

    /// How long what waits to be handed over lasts.
    pub(super) fn pending(&self) -> Duration {
        self.time(self.pending_frames())
    }

    pub(super) fn pending_frames(&self) -> u64 {
        let samples = self.pending.len() - self.written;
        (samples / usize::from(self.format.channels.max(1))) as u64
    }

    /// How long so many frames last.
    pub(super) fn time(&self, frames: u64) -> Duration {
        match self.rate() {
            0 => Duration::ZERO,
            rate => Duration::from_secs_f64(frames as f64 / f64::from(rate)),
        }
    }

    /// Whether there is something to write. While `more` is to come, the last frames are kept back, so that there is
    /// something to fade if it does not come.
    pub(super) fn has_pending(&self, more: bool) -> bool {
        self.written < self.writable(more)
    }

    /// The end of what may be written of `pending`.
    fn writable(&self, more: bool) -> usize {
        let kept = if more && self.realtime { self.format.samples(self.fade_frames()) } else { 0 };
        self.pending.len().saturating_sub(kept)
    }

    pub(super) fn set_volume(&mut self, volume: f32) {
        self.volume = volume;
    }

    /// Lets `produce` append frames in the sink's format, then turns them to the volume.
    pub(super) fn fill(&mut self, produce: impl FnOnce(&mut Vec<f32>)) {
        self.pending.drain(..self.written);
        self.written = 0;
        let first = self.pending.len();
        produce(&mut self.pending);
        self.rise(first);
        let fresh = &mut self.pending[first..];
        if self.volume == 1.0 && self.volume_reached == 1.0 || fresh.is_empty() {
            return;
        }
        let channels = usize::from(self.format.channels);
        let (from, to, frames) = (self.volume_reached, self.volume, (fresh.len() / channels) as f32);
        for (n, frame) in fresh.chunks_mut(channels).enumerate() {
            let gain = from + (to - from) * (n as f32 + 1.0) / frames;
            frame.iter_mut().for_each(|sample| *sample *= gain);
        }
        self.volume_reached = to;
    }

    /// Writes what is pending, as [`Sink::has_pending`] says. Returns how many frames the output took.
    pub(super) fn write(&mut self, more: bool) -> Result<u64, PluginError> {
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

    pub(super) fn pause(&mut self, paused: bool) -> Result<(), PluginError> {
        self.paused = paused;
        match &mut self.output {
            // A device that is lost is noticed by the next write.
            Some(output) => output.pause(paused).or_else(unless_lost),
            None => Ok(()),
        }
    }

    pub(super) fn flush(&mut self) -> Result<(), PluginError> {
        self.pending.clear();
        self.given.clear();
        (self.written, self.risen) = (0, usize::MAX);
        match &mut self.output {
            Some(output) => output.flush().or_else(unless_lost),
            None => Ok(()),
        }
    }

    pub(super) fn drain(&mut self) -> Result<bool, PluginError> {
        match &mut self.output {
            Some(output) => output.drain(),
            None => Ok(true),
        }
    }
}

fn unless_lost(error: PluginError) -> Result<(), PluginError> {
    if let PluginError::Lost(_) = error { Ok(()) } else { Err(error) }
}
