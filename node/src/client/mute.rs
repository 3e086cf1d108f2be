//! A listener without ears: asks, waits and holds as a player does, and lets the time of what it holds pass unheard. Costs
//! neither a thread nor a decoder, so one process can be a crowd.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use media_plugin_host::Registry;
use media_protocol::{
    OutputOffer, Position, TrackId,
    session::client::{ClientConfig, ClientSession},
};
use tokio::{
    sync::mpsc,
    task::AbortHandle,
    time::{Instant, sleep, sleep_until},
};

use super::{
    COMMANDS, Counts, Dial, EVENTS, Event,
    fill::Fill,
    jitter_buffer::{Entry, JitterBuffer},
    offer::Offer,
    rate_choice::{self, CodecChoice},
    session::{self, Inbox, Session},
    start::Start,
    target::Target,
};

/// How often it looks for sound while it has none.
const LOOK: Duration = Duration::from_millis(5);

/// What a mute listener would have heard.
#[derive(Debug, Clone, Default)]
pub struct Unheard {
    /// Time of the track that passed.
    pub played: Duration,
    /// How often it ran dry in the middle of a track.
    pub underruns: u64,
    /// For how long in all.
    pub dry: Duration,
    /// From [`MuteListener::start`] to the first sound.
    pub first_audio: Option<Duration>,
    /// Why it will hear no more.
    pub failed: Option<String>,
    /// Whether it heard the track to its end.
    pub ended: bool,
}

/// Listens to one track. Dropping it ends that.
pub struct MuteListener {
    unheard: Arc<Mutex<Unheard>>,
    counts: Arc<Mutex<Counts>>,
    tasks: [AbortHandle; 2],
    commands: mpsc::Sender<session::Command>,
}

impl MuteListener {
    /// Listens from `at` on, in `codec` at `bitrate` bit/s, holding `target` and sounding once it holds `start`, both of the
    /// time of sound. Must be called within a tokio runtime.
    pub async fn start(
        registry: Arc<Registry>,
        dial: Arc<Dial>,
        (codec, bitrate): (CodecChoice, u32),
        (track, at): (TrackId, Position),
        (target, start): (Duration, Duration),
    ) -> Self {
        let (events, events_out) = mpsc::channel(EVENTS);
        let (commands, commands_out) = mpsc::channel(COMMANDS);
        let buffer = Arc::new(JitterBuffer::new(target, start, usize::MAX));
        let counts = Arc::<Mutex<Counts>>::default();
        let paced = Arc::new(AtomicBool::new(true));
        let choice = rate_choice::chooser(&codec, Arc::clone(&paced));
        let machine = ClientSession::new(ClientConfig { target, ..ClientConfig::default() }, choice);
        let offer = Offer { choice: codec, bitrate, registry, output: OutputOffer::default() };
        let fill = Fill {
            buffer: Arc::clone(&buffer),
            target: Target::new(target, target),
            start: Start::new(start, target),
            paced,
        };
        // Nothing is decoded, so nothing fails at that.
        let inbox = Inbox { commands: commands_out, decoder_failures: mpsc::channel(1).1 };
        Session::spawn(machine, dial, offer, fill, Arc::clone(&counts), events, inbox);
        let unheard = Arc::<Mutex<Unheard>>::default();
        let clock = Clock { buffer, target, unheard: Arc::clone(&unheard) };
        let clock = tokio::spawn(clock.run(Instant::now())).abort_handle();
        let watch = tokio::spawn(watch(events_out, Arc::clone(&unheard))).abort_handle();
        let _ = commands.send(session::Command::Play { track, at }).await;
        Self { unheard, counts, tasks: [clock, watch], commands }
    }

    /// Asks for nothing more, or goes on; what is held passes all the same.
    pub async fn pause(&self, paused: bool) {
        let _ = self.commands.send(session::Command::Pause(paused)).await;
    }

    /// What was heard so far.
    #[must_use]
    pub fn unheard(&self) -> Unheard {
        self.unheard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for MuteListener {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

async fn watch(mut events: mpsc::Receiver<Event>, unheard: Arc<Mutex<Unheard>>) {
    while let Some(event) = events.recv().await {
        if let Event::Fatal(reason) | Event::Unreachable(reason) | Event::TrackFailed { reason, .. } = event {
            unheard.lock().unwrap_or_else(PoisonError::into_inner).failed = Some(reason);
        }
    }
}

/// In the place of the playback thread.
struct Clock {
    buffer: Arc<JitterBuffer>,
    target: Duration,
    unheard: Arc<Mutex<Unheard>>,
}

impl Clock {
    async fn run(self, began: Instant) {
        let mut dry_since = None;
        loop {
            while !self.buffer.is_ready() {
                sleep(LOOK).await;
            }
            let now = Instant::now();
            self.note(|it| {
                it.first_audio.get_or_insert(now - began);
                it.dry += dry_since.map_or(Duration::ZERO, |since| now - since);
            });
            let ended = self.play(now).await;
            if ended {
                return self.note(|it| it.ended = true);
            }
            self.note(|it| it.underruns += 1);
            dry_since = Some(Instant::now());
        }
    }

    /// Lets what is held pass in the time that it takes, until there is no more. Returns whether the track has ended.
    ///
    /// Wakes when the level falls to the target and when it would fall to nothing, and takes what was due: packets that
    /// came in between are what the next wait is for.
    async fn play(&self, mut now: Instant) -> bool {
        // Up to where the packets that were taken reach.
        let mut taken_to = now;
        loop {
            while taken_to <= now {
                match self.buffer.take_timed(Duration::ZERO) {
                    Some((Entry::TrackEnd, _)) => return true,
                    Some((_, length)) => {
                        taken_to += length;
                        self.note(|it| it.played += length);
                    }
                    None => return false,
                }
            }
            let level = self.buffer.level();
            let until_target = level.checked_sub(self.target).filter(|it| !it.is_zero());
            sleep_until(taken_to + until_target.unwrap_or(level)).await;
            now = Instant::now();
        }
    }

    fn note(&self, what: impl FnOnce(&mut Unheard)) {
        what(&mut self.unheard.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use media_protocol::{ChunkIndex, FrameIndex, session::client::PlayId};

    use super::{super::testing, *};

    const SECOND: Duration = Duration::from_secs(1);

    fn put(buffer: &JitterBuffer, packets: usize) {
        for _ in 0..packets {
            buffer.push(Entry::Packet(Bytes::from_static(&[0; 100]))).unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_lasts_as_long_as_it_would_sound() {
        let buffer = Arc::new(JitterBuffer::new(SECOND, SECOND / 5, usize::MAX));
        let unheard = Arc::<Mutex<Unheard>>::default();
        let clock = Clock { buffer: Arc::clone(&buffer), target: SECOND, unheard: Arc::clone(&unheard) };
        let clock = tokio::spawn(clock.run(Instant::now()));
        let info = Arc::new(testing::info(48_000, 2, 48_000 * 10));
        let rendition = Arc::new(info.rendition.clone());
        sleep(SECOND).await;
        let began = Instant::now();
        buffer.push(Entry::Begin { play: PlayId(0), info, from: FrameIndex(0) }).unwrap();
        buffer
            .push(Entry::ChunkStart {
                index: ChunkIndex(0),
                from: FrameIndex(0),
                rendition,
                reason: "".into(),
            })
            .unwrap();
        // Packets of 20 ms, of which the first 26.5 ms are lead-in: 1.9735 s.
        put(&buffer, 100);
        buffer.wanting.notified().await;
        let until_target = began.elapsed();
        assert!((950..=1000).contains(&until_target.as_millis()), "{until_target:?}");
        sleep(SECOND / 2).await;
        put(&buffer, 25);
        sleep(SECOND / 2 * 3).await;
        // Dry for half a second.
        let heard = unheard.lock().unwrap().clone();
        assert_eq!((heard.underruns, heard.played.as_micros()), (1, 2_473_500));
        let first = heard.first_audio.unwrap();
        assert!((SECOND..SECOND + 2 * LOOK).contains(&first), "{first:?}");
        put(&buffer, 10);
        buffer.push(Entry::TrackEnd).unwrap();
        clock.await.unwrap();
        let heard = unheard.lock().unwrap().clone();
        assert!(heard.ended && heard.underruns == 1 && heard.failed.is_none(), "{heard:?}");
        assert!((450..=550).contains(&heard.dry.as_millis()), "{heard:?}");
    }
}
