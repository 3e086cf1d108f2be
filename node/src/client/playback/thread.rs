//! The playback thread: takes packets, decodes, joins chunks, converts, writes to the output.
//!
//! It is a thread of its own, clocked by the output's `write`; it never waits for the network. Commands are looked at
//! between two writes, so within about 50 ms. The decoder and the output belong to it alone.

mod lost;
mod state;
mod tell;

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    },
    time::{Duration, Instant},
};

use media_plugin_sdk::PluginError;
use media_protocol::{
    FrameIndex, Info, Position,
    session::client::{DecoderFailed, PlayId},
};
use tokio::sync::mpsc::Sender;

use self::state::End;

use super::{
    Event,
    jitter_buffer::{Entry, JitterBuffer},
    sink::Sink,
    voice::{Stop, Voice},
};
pub use state::Progress;
pub(super) use state::{Command, State};

/// See the module.
pub(super) struct Playback {
    pub(super) buffer: Arc<JitterBuffer>,
    pub(super) commands: Receiver<Command>,
    pub(super) events: Sender<Event>,
    /// To the session, which answers with [`Entry::Rewind`], or with [`Entry::Clear`] where it was about to.
    pub(super) failures: Sender<DecoderFailed>,
    pub(super) progress: Arc<Mutex<Progress>>,
    pub(super) sink: Sink,
    /// From when [`Progress::first_audio`] counts.
    pub(super) began: Instant,
    pub(super) registry: Arc<media_plugin_host::Registry>,
    pub(super) voice: Option<Voice>,
    pub(super) state: State,
}

/// The longest wait for something to happen.
const IDLE: Duration = Duration::from_millis(20);

impl Playback {
    /// The thread's body; returns when the player is dropped or after [`Event::Fatal`].
    pub(super) fn run(mut self) {
        loop {
            let obeyed = self.obey();
            self.look(Instant::now());
            match obeyed.and_then(|()| self.step()) {
                Ok(()) => {}
                Err(End::Dropped) => return,
                Err(End::Output(reason)) => return self.tell(Event::OutputFailed(reason)),
                Err(End::Decoder(reason)) => return self.tell(Event::Fatal(reason)),
            }
        }
    }

    fn obey(&mut self) -> Result<(), End> {
        loop {
            let command = if self.state.held {
                match self.commands.recv_timeout(IDLE * 5) {
                    Ok(command) => command,
                    Err(RecvTimeoutError::Timeout) => return Ok(()),
                    Err(RecvTimeoutError::Disconnected) => return Err(End::Dropped),
                }
            } else {
                match self.commands.try_recv() {
                    Ok(command) => command,
                    Err(TryRecvError::Empty) => return Ok(()),
                    Err(TryRecvError::Disconnected) => return Err(End::Dropped),
                }
            };
            self.on_command(command)?;
        }
    }

    fn on_command(&mut self, command: Command) -> Result<(), End> {
        match command {
            Command::Hold(held) => {
                if !held && self.buffer.is_cleared() {
                    self.clear()?;
                }
                self.progress(|progress| progress.hold(held));
                (self.state.held, self.state.still) = (held, None);
                self.sink.pause(held)?;
            }
            Command::Expect(expected) => self.state.resting = !expected,
            Command::Volume(volume) => self.sink.set_volume(volume),
            Command::Drain => self.state.draining = true,
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), End> {
        if self.state.held {
            return Ok(());
        }
        // What is pending is void too: a seek must not wait until there is room for it.
        if self.buffer.is_cleared() {
            return self.fill();
        }
        if !self.state.primed {
            self.state.primed = !self.sink.is_realtime() || self.buffer.is_ready();
            let start = self.buffer.start();
            self.progress(|progress| progress.start = start);
        }
        let more = self.voice.as_ref().is_some_and(|voice| !voice.ended);
        if self.state.primed && self.sink.has_pending(more) && !(more && self.is_gathering()) {
            return self.write(more);
        }
        if let Some(track) = self.voice.as_ref().filter(|voice| voice.ended).map(Voice::track) {
            self.voice = None;
            self.progress(|progress| progress.tracks_ended += 1);
            self.tell(Event::Ended(track));
        }
        self.fill()
    }

    /// What sound begins with is handed over at once: from the first packet alone the output would run dry unless this
    /// thread came back within its length.
    fn is_gathering(&self) -> bool {
        let begins = self.sink.is_realtime() && !self.state.sounding;
        begins && self.sink.pending() < self.buffer.start() && !self.buffer.is_empty()
    }

    fn write(&mut self, more: bool) -> Result<(), End> {
        // This thread may be what came too late, not the network.
        if self.state.sounding && self.sink.is_dry() {
            self.on_underrun();
            self.sink.fade_in();
        }
        let frames = match self.sink.write(more) {
            Ok(frames) => frames,
            Err(PluginError::Lost(reason)) if self.sink.is_realtime() => return self.find_output(&reason),
            Err(other) => return Err(other.into()),
        };
        self.state.written += i64::try_from(frames).unwrap_or(0);
        self.state.looked = self.state.looked.map(|(at, held)| (at, held + frames));
        if frames > 0 {
            self.state.sounding = true;
            self.progress(Progress::end_dry);
        }
        self.watch(frames > 0);
        self.show_position();
        let first = (frames > 0).then(|| self.began.elapsed());
        let xruns = self.sink.xruns();
        let (level, time) = (self.buffer.level(), Position::of_frame(FrameIndex(frames), self.sink.rate()));
        self.progress(|progress| {
            progress.levels.spend(level, time.into());
            progress.frames_played += frames;
            progress.xruns = xruns;
            progress.first_audio = progress.first_audio.or(first);
        });
        Ok(())
    }

    /// Tells where in the track is what is heard.
    fn show_position(&self) {
        let Some(voice) = &self.voice else { return };
        let left = i64::try_from(self.sink.delay()).unwrap_or(i64::MAX);
        let heard = u64::try_from(self.state.written.saturating_sub(left)).unwrap_or(0);
        let position = Position(voice.from().0 + Position::of_frame(FrameIndex(heard), self.sink.rate()).0);
        self.progress(|progress| progress.position = position);
    }

    /// How long the next entry is waited for: back in time to fade, should nothing come. Only a real-time output has to.
    fn patience(&self) -> Duration {
        let sounds = self.state.sounding && self.sink.is_realtime();
        if sounds { self.sink.above_low().min(IDLE) } else { IDLE }
    }

    /// Takes the next entry of the buffer and turns it into pending frames.
    fn fill(&mut self) -> Result<(), End> {
        let wait = self.patience();
        // Before it is primed, only what makes no sound is taken. `take` would hand out each packet as it comes: over a link
        // that brings them one by one, what sound begins with would never be held.
        if !self.state.primed && !self.buffer.wait_soundless(wait) {
            return if self.buffer.starts_with_packet() { Ok(()) } else { self.on_dry() };
        }
        let Some(entry) = self.buffer.take(wait) else { return self.on_dry() };
        match entry {
            Entry::Clear => self.clear(),
            Entry::Rewind => {
                self.state.stalled = false;
                Ok(())
            }
            _ if self.state.stalled => Ok(()),
            Entry::Begin { play, info, from } => self.begin(play, info, from),
            Entry::ChunkStart { index, from, rendition, reason } => {
                self.tell_rendition(&rendition, &reason);
                self.with_voice(|voice, sink| voice.start_chunk(index, from, rendition, sink))
            }
            Entry::Packet(packet) => self.with_voice(|voice, sink| voice.decode(&packet, sink)),
            Entry::ChunkEnd => self.with_voice(Voice::end_chunk),
            Entry::TrackEnd => {
                // However short the rest is, nothing comes to make it longer.
                self.state.primed = true;
                self.tell_begun();
                self.with_voice(Voice::end)
            }
        }
    }

    /// Does something with the voice, if there is one, and counts the packets that were damaged on the way.
    fn with_voice(&mut self, act: impl FnOnce(&mut Voice, &mut Sink) -> Result<(), Stop>) -> Result<(), End> {
        let Some(voice) = &mut self.voice else { return Ok(()) };
        let done = act(voice, &mut self.sink);
        let damaged = std::mem::take(&mut voice.damaged);
        self.progress(|progress| progress.damaged_packets += damaged);
        match done {
            Ok(()) => Ok(()),
            Err(Stop::Convert(error)) => Err(End::Decoder(error.to_string())),
            Err(Stop::Decoder(failed)) => {
                self.state.stalled = true;
                // An error means that the player is being dropped.
                let _ = self.failures.blocking_send(failed);
                Ok(())
            }
        }
    }

    fn clear(&mut self) -> Result<(), End> {
        self.sink.flush()?;
        self.state.left = self.sink.delay();
        self.voice = None;
        self.state.primed = false;
        self.state.sounding = false;
        self.progress(Progress::end_dry);
        self.state.draining = false;
        self.state.stalled = false;
        self.state.begun = None;
        Ok(())
    }

    fn begin(&mut self, play: PlayId, info: Arc<Info>, from: FrameIndex) -> Result<(), End> {
        let opened = self.sink.prepare(&info);
        if let Err(PluginError::Lost(reason)) = opened {
            // What was never there is not lost.
            if !self.sink.format().is_valid() {
                return Err(End::Output(reason));
            }
            self.find_output(&reason)?;
        } else if let Some(message) = opened? {
            self.state.sounding = false;
            self.tell(Event::Output(message));
        }
        let voice = Voice::new(play, Arc::clone(&info), from, &self.registry, &self.sink);
        self.voice = Some(voice.map_err(End::Decoder)?);
        // What a lost output had not played of the track before comes first.
        self.state.written = -i64::try_from(self.sink.pending_frames()).unwrap_or(0);
        let position = Position::of_frame(from, info.rendition.id.rate);
        self.progress(|progress| {
            progress.track = Some(Arc::clone(&info));
            progress.rendition = Some(Arc::new(info.rendition.clone()));
            progress.reason = info.reason.as_str().into();
            progress.position = position;
        });
        self.state.begun = Some(info);
        Ok(())
    }

    /// Nothing came: perhaps an underrun, perhaps all is done.
    fn on_dry(&mut self) -> Result<(), End> {
        let mid_track = self.voice.is_some();
        if self.state.draining && !mid_track && self.drain()? {
            self.state.draining = false;
            self.tell(Event::Drained);
        }
        if self.state.sounding && mid_track && self.sink.is_low() {
            // What is kept back fades out behind what is still heard; too late for that, it is the first to be heard again.
            if !self.sink.is_dry() {
                self.sink.fade_out();
                self.write(false)?;
            }
            self.sink.fade_in();
            if !self.state.resting {
                self.on_underrun();
            }
            (self.state.sounding, self.state.primed) = (false, false);
        } else if self.sink.is_dry() {
            self.state.sounding = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
