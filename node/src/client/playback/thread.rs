//! The playback thread: takes entries from the jitter buffer, decodes, joins and converts them, and writes to the output.
//!
//! It is clocked by the output's `write` and never waits for the network. It follows new orders between two writes. A
//! write blocks for at most 50 ms; opening an output for another format can take some seconds. It alone uses the decoder and the output.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use media_plugin_host::Registry;
use media_plugin_sdk::PluginError;
use media_protocol::{
    FrameIndex, Info, Position, Rendition,
    session::client::{DecoderFailed, PlayId},
};
use tokio::sync::mpsc::Sender;

use super::{
    dropouts::{Movement, STANDSTILL, SilenceDetector, StandstillDetector},
    output_writer::OutputWriter,
    progress::Progress,
    track_decoder::{TrackDecoder, TrackError},
};
use crate::client::{
    buffer::{Entry, JitterBuffer, Supply},
    event::Event,
    orders::{OrderReceiver, PlaybackOrders},
    stats::{AudioLoss, UnderrunCause},
};

/// The playback thread.
pub(crate) struct PlaybackThread {
    pub(crate) buffer: Arc<JitterBuffer>,
    /// Evidence for the cause of an empty buffer.
    pub(crate) supply: Arc<Supply>,
    pub(crate) orders: OrderReceiver,
    pub(crate) events: Sender<Event>,
    /// To the session, which answers with [`Entry::Rewind`], or with [`Entry::Clear`] if a new track was due.
    pub(crate) failures: Sender<DecoderFailed>,
    pub(crate) progress: Arc<Mutex<Progress>>,
    pub(crate) output: OutputWriter,
    /// Instant from which [`Progress::first_audio`] counts.
    pub(crate) began: Instant,
    pub(crate) registry: Arc<Registry>,
    pub(crate) decoder: Option<TrackDecoder>,
    pub(crate) state: ThreadState,
}

/// State of the playback thread.
#[derive(Debug, Default)]
pub(crate) struct ThreadState {
    paused: bool,
    /// True if the session requests nothing, because of a draining pause.
    drains_for_pause: bool,
    /// A track that became audible without an [`Event::Began`] yet.
    unannounced: Option<(PlayId, Arc<Info>)>,
    /// True if the buffer has reached its start level.
    primed: bool,
    /// True if the output has frames and must not run out of them.
    sounding: bool,
    /// The play of the last [`Entry::Clear`].
    jump: Option<PlayId>,
    /// The jump to report with [`Event::Drained`], once everything since it has been heard.
    drain: Option<PlayId>,
    /// The jump of the last [`Event::Drained`].
    drained: Option<PlayId>,
    /// Instant at which a lost output was last opened again.
    reopened: Option<Instant>,
    silence: SilenceDetector,
    standstill: StandstillDetector,
    /// Frames of the present track written so far, at the output's rate. Negative while frames of the track before are pending.
    written: i64,
    /// True from a failure of the decoder until the session's [`Entry::Rewind`] or [`Entry::Clear`]. Other entries are ignored
    /// meanwhile.
    stalled: bool,
    /// True if a chunk is fetched again after a decoder failure.
    recovering: bool,
    /// Lost audio for which no [`Event::AudioLost`] was sent yet.
    unreported_loss: AudioLoss,
    /// True if the buffer was empty when the last entry was due.
    starved: bool,
}

/// Reason why the thread ends.
enum ThreadEnd {
    /// The player was dropped.
    Dropped,
    /// The output cannot be opened or written to.
    Output(String),
    /// The track cannot be decoded or converted.
    Decoder(String),
}

/// Converts an error of the output. Those of a decoder are converted where they occur.
impl From<PluginError> for ThreadEnd {
    fn from(error: PluginError) -> Self {
        Self::Output(error.to_string())
    }
}

/// Longest wait for an entry or for orders.
const IDLE: Duration = Duration::from_millis(20);

impl PlaybackThread {
    /// Runs until the player is dropped or a fatal event was sent.
    pub(crate) fn run(mut self) {
        loop {
            let handled = self.follow_orders();
            self.check_silence(Instant::now());
            match handled.and_then(|()| self.step()) {
                Ok(()) => {}
                Err(ThreadEnd::Dropped) => return self.complete_file(),
                Err(ThreadEnd::Output(reason)) => return self.send(Event::OutputFailed(reason)),
                Err(ThreadEnd::Decoder(reason)) => return self.send(Event::Fatal(reason)),
            }
        }
    }

    /// Completes an output file if the orders say so. A file without a frame stays incomplete, and the output removes it.
    fn complete_file(&mut self) {
        let mut frames = 0;
        self.update(|progress| frames = progress.frames_played);
        if self.orders.latest().completes_file
            && !self.output.is_realtime()
            && frames > 0
            && let Err(error) = self.output.drain()
        {
            tracing::warn!("cannot complete the output file: {error}");
        }
    }

    /// Follows the newest orders. Waits for new ones while paused.
    fn follow_orders(&mut self) -> Result<(), ThreadEnd> {
        let wait = if self.state.paused { IDLE * 5 } else { Duration::ZERO };
        let orders = self.orders.receive(wait).ok_or(ThreadEnd::Dropped)?;
        self.apply(orders)
    }

    /// Follows orders. They may be ahead of the buffer: the session may not have carried out the last jump yet.
    fn apply(&mut self, orders: PlaybackOrders) -> Result<(), ThreadEnd> {
        self.output.set_volume(orders.volume);
        self.state.drains_for_pause = !orders.expects_audio;
        self.state.drain = orders.drain.filter(|jump| self.state.drained != Some(*jump));
        if orders.paused == self.state.paused {
            return Ok(());
        }
        if !orders.paused {
            // A pause lasts until the buffer holds audio of the last jump. Older audio is dropped first.
            let cleared = self.buffer.cleared_for();
            if cleared.max(self.state.jump) < orders.jump {
                return Ok(());
            }
            if cleared.is_some() {
                self.clear()?;
            }
        }
        self.update(|progress| progress.set_paused(orders.paused));
        self.state.paused = orders.paused;
        self.state.standstill.on_pause();
        self.output.pause(orders.paused)?;
        Ok(())
    }

    /// One step: writes pending frames, or turns the next entry into pending frames.
    fn step(&mut self) -> Result<(), ThreadEnd> {
        if self.state.paused {
            return Ok(());
        }
        // A seek voids the pending frames too, so it need not wait until the output has room for them.
        if self.buffer.cleared_for().is_some() {
            return self.take_entry();
        }
        if !self.state.primed {
            self.state.primed = !self.output.is_realtime() || self.buffer.is_ready();
            let start = self.buffer.start();
            self.update(|progress| progress.start = start);
        }
        let more = self.decoder.as_ref().is_some_and(|decoder| !decoder.ended);
        if self.state.primed && self.output.has_pending(more) && !(more && self.is_gathering()) {
            return self.write(more);
        }
        if let Some(play) = self.decoder.as_ref().filter(|decoder| decoder.ended).map(TrackDecoder::play) {
            self.decoder = None;
            self.update(|progress| progress.tracks_ended += 1);
            self.send(Event::Ended(play));
        }
        self.take_entry()
    }

    /// True while the first frames of sound are being collected. All of the start level is written at once: after a single
    /// packet the output would be empty again unless this thread ran within the packet's duration.
    fn is_gathering(&self) -> bool {
        let begins = self.output.is_realtime() && !self.state.sounding;
        begins && self.output.pending() < self.buffer.start() && !self.buffer.is_empty()
    }

    fn write(&mut self, more: bool) -> Result<(), ThreadEnd> {
        if self.state.sounding && self.output.is_dry() {
            // Frames are pending, but the output ran empty before they were written.
            let cause = if self.state.starved { self.cause() } else { UnderrunCause::ThisMachine };
            self.on_underrun(cause);
            self.output.fade_in();
        }
        let frames = match self.output.write(more) {
            Ok(frames) => frames,
            Err(PluginError::Lost(reason)) if self.output.is_realtime() => {
                return self.reopen_output(&reason);
            }
            Err(other) => return Err(other.into()),
        };
        self.state.written += i64::try_from(frames).unwrap_or(0);
        self.state.silence.on_written(frames);
        if frames > 0 {
            self.state.sounding = true;
            self.update(Progress::end_dry);
        }
        self.check_standstill(frames > 0);
        self.update_position();
        let first_audio = (frames > 0).then(|| self.began.elapsed());
        let xruns = self.output.xruns();
        let level = self.buffer.level();
        let time = Position::of_frame(FrameIndex(frames), self.output.rate());
        self.update(|progress| {
            progress.levels.spend(level, time.into());
            progress.frames_played += frames;
            progress.xruns = xruns;
            progress.first_audio = progress.first_audio.or(first_audio);
        });
        Ok(())
    }

    /// Publishes the audible position.
    fn update_position(&self) {
        let Some(decoder) = &self.decoder else { return };
        let delay = i64::try_from(self.output.delay()).unwrap_or(i64::MAX);
        let heard = u64::try_from(self.state.written.saturating_sub(delay)).unwrap_or(0);
        let position =
            Position(decoder.from().0 + Position::of_frame(FrameIndex(heard), self.output.rate()).0);
        self.update(|progress| progress.position = position);
    }

    /// Longest wait for the next entry. A sounding real-time output must get its fade-out in time if no entry comes.
    fn patience(&self) -> Duration {
        let sounds = self.state.sounding && self.output.is_realtime();
        if sounds { self.output.above_low().min(IDLE) } else { IDLE }
    }

    /// Takes the next entry of the buffer and turns it into pending frames.
    fn take_entry(&mut self) -> Result<(), ThreadEnd> {
        let wait = self.patience();
        // Before the start level is reached, only markers are taken. `take` would return each packet as it arrives, so on a
        // path that brings them one by one the start level would never be reached.
        if !self.state.primed && !self.buffer.wait_for_marker(wait) {
            return if self.buffer.starts_with_packet() { Ok(()) } else { self.on_dry() };
        }
        self.state.starved = self.buffer.is_empty();
        let Some(entry) = self.buffer.take(wait) else { return self.on_dry() };
        match entry {
            Entry::Clear { play } => {
                self.state.jump = Some(play);
                self.clear()
            }
            Entry::Rewind => {
                self.state.stalled = false;
                Ok(())
            }
            _ if self.state.stalled => Ok(()),
            Entry::Begin { play, info, from } => self.begin(play, info, from),
            Entry::ChunkStart { index, from, rendition, reason } => {
                self.announce_rendition(&rendition, &reason);
                self.decode(|decoder, output| decoder.start_chunk(index, from, rendition, output))
            }
            Entry::Packet(packet) => {
                self.state.recovering = false;
                self.decode(|decoder, output| decoder.decode(&packet, output))
            }
            Entry::ChunkEnd { silenced } => {
                self.decode(|decoder, output| decoder.end_chunk(silenced, output))?;
                self.report_loss();
                Ok(())
            }
            Entry::TrackEnd => {
                // The rest of the track is all there is, however short.
                self.state.primed = true;
                self.announce_track();
                self.report_loss();
                self.decode(TrackDecoder::end)
            }
        }
    }

    /// Applies `act` to the decoder, if there is one, and counts damaged packets.
    fn decode(
        &mut self,
        act: impl FnOnce(&mut TrackDecoder, &mut OutputWriter) -> Result<(), TrackError>,
    ) -> Result<(), ThreadEnd> {
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        let result = act(decoder, &mut self.output);
        let damaged = std::mem::take(&mut decoder.damaged);
        let loss = std::mem::take(&mut decoder.loss);
        self.state.unreported_loss += loss;
        self.update(|progress| {
            progress.damaged_packets += damaged;
            progress.loss += loss;
        });
        match result {
            Ok(()) => Ok(()),
            Err(TrackError::Convert(error)) => Err(ThreadEnd::Decoder(error.to_string())),
            Err(TrackError::Decoder(failed)) => {
                self.state.stalled = true;
                self.state.recovering = true;
                // A closed queue means that the player is being dropped.
                let _ = self.failures.blocking_send(failed);
                Ok(())
            }
        }
    }

    /// Reports the audio that was lost since the last report.
    fn report_loss(&mut self) {
        let loss = std::mem::take(&mut self.state.unreported_loss);
        if let Some(play) = self.decoder.as_ref().map(TrackDecoder::play).filter(|_| !loss.is_zero()) {
            self.send(Event::AudioLost { play, loss });
        }
    }

    /// Drops all audio, also that in the output.
    fn clear(&mut self) -> Result<(), ThreadEnd> {
        self.output.flush()?;
        self.state.standstill.on_flush(self.output.delay());
        self.decoder = None;
        self.state.primed = false;
        self.state.sounding = false;
        self.update(Progress::end_dry);
        self.state.stalled = false;
        self.state.recovering = false;
        self.state.unannounced = None;
        self.state.unreported_loss = AudioLoss::default();
        Ok(())
    }

    fn begin(&mut self, play: PlayId, info: Arc<Info>, from: FrameIndex) -> Result<(), ThreadEnd> {
        let prepared = self.output.prepare(&info);
        if let Err(PluginError::Lost(reason)) = prepared {
            // An output that was never open cannot be lost.
            if !self.output.format().is_valid() {
                return Err(ThreadEnd::Output(reason));
            }
            self.reopen_output(&reason)?;
        } else if let Some(message) = prepared? {
            self.state.sounding = false;
            self.send(Event::OutputReady(message));
        }
        let decoder = TrackDecoder::new(play, &info, from, &self.registry, &self.output);
        self.decoder = Some(decoder.map_err(ThreadEnd::Decoder)?);
        // Frames of the track before that are still to be written come first.
        self.state.written = -i64::try_from(self.output.pending_frames()).unwrap_or(0);
        let position = Position::of_frame(from, info.rendition.id.rate);
        self.update(|progress| {
            progress.play = Some(play);
            progress.track = Some(Arc::clone(&info));
            progress.rendition = Some(Arc::new(info.rendition.clone()));
            progress.reason = info.reason.as_str().into();
            progress.position = position;
        });
        self.state.unannounced = Some((play, info));
        Ok(())
    }

    /// Handles an empty buffer: an underrun, or the end of all audio.
    fn on_dry(&mut self) -> Result<(), ThreadEnd> {
        let mid_track = self.decoder.is_some();
        if let Some(jump) = self.state.drain
            && self.state.jump == Some(jump)
            && !mid_track
            && self.drain()?
        {
            self.state.drain = None;
            self.state.drained = Some(jump);
            self.send(Event::Drained(jump));
        }
        if self.state.sounding && mid_track && self.output.is_low() {
            // The frames kept back fade out behind those in the output. If that is too late, they are the first to be heard
            // after the underrun.
            if !self.output.is_dry() {
                self.output.fade_out();
                self.write(false)?;
            }
            self.output.fade_in();
            if !self.state.drains_for_pause {
                self.on_underrun(self.cause());
            }
            self.state.sounding = false;
            self.state.primed = false;
        } else if self.output.is_dry() {
            self.state.sounding = false;
        }
        Ok(())
    }

    /// Cause of an empty buffer.
    fn cause(&self) -> UnderrunCause {
        if self.state.recovering { UnderrunCause::Decoder } else { self.supply.cause(Instant::now()) }
    }

    /// Reports a silence in which this thread did not run.
    fn check_silence(&mut self, now: Instant) {
        if self.state.paused {
            return self.state.silence.stop();
        }
        let output = &self.output;
        let silence = self.state.silence.observe(now, output.delay(), |frames| output.time(frames));
        let is_audible = self.state.sounding && self.decoder.is_some() && output.is_realtime();
        if let Some(silence) = silence.filter(|_| is_audible)
            && self.begin_dry(now - silence, UnderrunCause::ThisMachine)
        {
            self.send(Event::Suspended(silence));
        }
    }

    /// Reports an underrun: sound stops now, or once the output has played its frames.
    fn on_underrun(&mut self, cause: UnderrunCause) {
        // If the process was suspended since the last observation, the underrun counts once, and not against the connection.
        self.check_silence(Instant::now());
        if self.begin_dry(Instant::now() + self.output.remaining(), cause) {
            // A larger buffer does not help a busy machine.
            if cause != UnderrunCause::ThisMachine {
                self.buffer.note_underrun();
            }
            self.send(Event::Underrun(cause));
        }
    }

    /// Counts an underrun. Returns false if the present one is counted already.
    fn begin_dry(&self, since: Instant, cause: UnderrunCause) -> bool {
        let mut is_new = false;
        self.update(|progress| is_new = progress.begin_dry(since, cause));
        is_new
    }

    /// Waits for a lost output, or for another one, as configured. Keeps the pending frames, behind those that the lost output
    /// had not played.
    fn reopen_output(&mut self, reason: &str) -> Result<(), ThreadEnd> {
        if self.state.silence.is_running() {
            self.check_silence(Instant::now());
        }
        let unheard = self.output.take_back();
        self.state.written -= i64::try_from(unheard).unwrap_or(0);
        self.update(|progress| progress.frames_played = progress.frames_played.saturating_sub(unheard));
        self.update_position();
        // An output that appears and disappears at once is not opened more often than a missing one.
        if self.state.reopened.is_some_and(|reopened| reopened.elapsed() < OutputWriter::REOPEN_EVERY) {
            self.wait()?;
        }
        self.send(Event::OutputLost(reason.into()));
        let rate_before = self.output.rate();
        loop {
            if let Some(message) = self.output.reopen()? {
                self.send(Event::OutputReady(message));
                self.state.sounding = false;
                self.state.standstill.on_reopen();
                self.state.reopened = Some(Instant::now());
                if let Some(decoder) = &mut self.decoder {
                    decoder.retarget(&self.output)?;
                }
                let written = i128::from(self.state.written) * i128::from(self.output.rate());
                let written = written.checked_div(i128::from(rate_before)).unwrap_or(0);
                self.state.written = i64::try_from(written).unwrap_or(i64::MAX);
                return Ok(());
            }
            self.wait()?;
        }
    }

    /// Waits before a lost output is tried again. Returns early to follow new orders.
    fn wait(&mut self) -> Result<(), ThreadEnd> {
        let orders = self.orders.receive(OutputWriter::REOPEN_EVERY).ok_or(ThreadEnd::Dropped)?;
        self.apply(orders)
    }

    /// Drains the output. Returns true once everything was heard. The frames of a lost output are heard from the next one.
    fn drain(&mut self) -> Result<bool, ThreadEnd> {
        match self.output.drain() {
            Ok(done) => {
                self.check_standstill(done);
                Ok(done)
            }
            Err(PluginError::Lost(reason)) if self.output.holds() => {
                self.reopen_output(&reason).map(|()| false)
            }
            Err(PluginError::Lost(_)) => Ok(true),
            Err(other) => Err(other.into()),
        }
    }

    /// Reports once that the output stands still, and once that it moves again. Its frames stay in it meanwhile.
    fn check_standstill(&mut self, took: bool) {
        if !self.output.is_realtime() {
            return;
        }
        let movement = self.state.standstill.observe(Instant::now(), took, self.output.delay());
        let name = self.output.name();
        match movement {
            Some(Movement::Resumed) => self.send(Event::OutputReady(format!("{name} plays again"))),
            Some(Movement::Stopped) => {
                let seconds = STANDSTILL.as_secs();
                let text = format!("{name} has not moved for {seconds} s; it may be suspended");
                self.send(Event::OutputLost(text));
            }
            None => {}
        }
    }

    fn send(&self, event: Event) {
        // A closed queue means that the player is being dropped. Its orders then end too.
        let _ = self.events.blocking_send(event);
    }

    fn update(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Announces a track whose first chunk is here, so that its rendition is known, or which has no chunk. Returns false if
    /// there is none to announce.
    fn announce_track(&mut self) -> bool {
        let Some((play, info)) = self.state.unannounced.take() else { return false };
        let mut rendition = None;
        let mut reason = Arc::from("");
        self.update(|progress| {
            rendition.clone_from(&progress.rendition);
            reason = Arc::clone(&progress.reason);
        });
        let rendition = rendition.unwrap_or_else(|| Arc::new(info.rendition.clone()));
        self.send(Event::Began { play, info, rendition, reason });
        true
    }

    /// Announces the rendition of the next chunk, if it is another one.
    fn announce_rendition(&mut self, to: &Arc<Rendition>, reason: &Arc<str>) {
        let mut is_other = false;
        self.update(|progress| {
            is_other = progress.rendition.replace(Arc::clone(to)).is_none_or(|before| before.id != to.id);
            progress.reason = Arc::clone(reason);
        });
        if !self.announce_track()
            && is_other
            && let Some(play) = self.decoder.as_ref().map(TrackDecoder::play)
        {
            self.send(Event::Switched { play, to: Arc::clone(to), reason: reason.to_string() });
        }
    }
}

#[cfg(test)]
mod tests;
