//! Client that requests and buffers as a player does, but neither decodes nor plays. It consumes the audio in real time. It
//! needs no thread and no decoder, so one process can simulate many listeners.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use media_plugin_host::Registry;
use media_protocol::{
    Position, TrackId,
    session::client::{ClientConfig, ClientSession, PlayId},
};
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
    time::{Instant, sleep, sleep_until},
};

use super::{
    buffer::{BufferInput, Entry, JitterBuffer, StartLevel, TargetLevel},
    event::Event,
    fetch::{FetchSession, Inbox, NodeLink},
    orders::{FetchOrders, Jump},
    playback::OutputFormats,
    player::EVENTS,
    rate_choice::{self, CodecChoice, OfferBuilder},
    stats::Counts,
};

/// Interval at which an empty buffer is polled.
const POLL: Duration = Duration::from_millis(5);

/// Statistics of a simulated listener.
#[derive(Debug, Clone, Default)]
pub struct SimulatedStats {
    /// Audio played.
    pub played: Duration,
    /// Number of underruns.
    pub underruns: u64,
    /// Duration of all underruns.
    pub underrun_time: Duration,
    /// Time from [`SimulatedListener::start`] to the first audio.
    pub first_audio: Option<Duration>,
    /// Reason of a failure that ended the session.
    pub failed: Option<String>,
    /// True if the track was played to its end.
    pub ended: bool,
}

/// Client that plays one track without a sound. Dropping it ends the session.
pub struct SimulatedListener {
    stats: Arc<Mutex<SimulatedStats>>,
    counts: Arc<Mutex<Counts>>,
    tasks: [AbortHandle; 2],
    orders: watch::Sender<FetchOrders>,
}

impl SimulatedListener {
    /// Starts to play at a position, with a codec choice, the highest bitrate of a lossy codec in bit/s, a target level and a
    /// start level. Must be called within a tokio runtime.
    pub async fn start(
        registry: Arc<Registry>,
        link: Arc<NodeLink>,
        (codec, bitrate): (CodecChoice, u32),
        (track, at): (TrackId, Position),
        (target, start): (Duration, Duration),
    ) -> Self {
        let (events, events_out) = mpsc::channel(EVENTS);
        let jump = Some(Jump { play: PlayId(0), track, at });
        let (orders, orders_out) = watch::channel(FetchOrders::default());
        let buffer = Arc::new(JitterBuffer::new(target, start, usize::MAX));
        let counts = Arc::<Mutex<Counts>>::default();
        let paced = Arc::new(AtomicBool::new(true));
        let (choice, throughput) = rate_choice::chooser(&codec, Arc::clone(&paced));
        let machine = ClientSession::new(ClientConfig { target, ..ClientConfig::default() }, choice);
        let offer =
            OfferBuilder { choice: codec, bitrate, registry, formats: OutputFormats::default(), throughput };
        let input = BufferInput {
            buffer: Arc::clone(&buffer),
            target: TargetLevel::new(target, target),
            start: StartLevel::new(start, target),
            supply: Arc::default(),
            paced,
        };
        // Nothing is decoded, so no decoder fails.
        let inbox = Inbox { orders: orders_out, decoder_failures: mpsc::channel(1).1 };
        FetchSession::spawn(machine, link, offer, input, Arc::clone(&counts), events, inbox);
        let stats = Arc::<Mutex<SimulatedStats>>::default();
        let clock = SimulatedOutput { buffer, target, stats: Arc::clone(&stats) };
        let clock = tokio::spawn(clock.run(Instant::now())).abort_handle();
        let watch = tokio::spawn(watch(events_out, Arc::clone(&stats))).abort_handle();
        orders.send_modify(|orders| orders.jump = jump);
        Self { stats, counts, tasks: [clock, watch], orders }
    }

    /// Stops or resumes requests. The buffered audio continues to play.
    pub fn pause(&self, paused: bool) {
        self.orders.send_modify(|orders| orders.paused = paused);
    }

    /// Statistics so far.
    #[must_use]
    pub fn stats(&self) -> SimulatedStats {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counters of the session.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for SimulatedListener {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

async fn watch(mut events: mpsc::Receiver<Event>, stats: Arc<Mutex<SimulatedStats>>) {
    while let Some(event) = events.recv().await {
        if let Event::Fatal(reason)
        | Event::Refused(reason)
        | Event::Unreachable { reason, .. }
        | Event::TrackFailed { reason, .. } = event
        {
            stats.lock().unwrap_or_else(PoisonError::into_inner).failed = Some(reason);
        }
    }
}

/// Takes packets from the buffer in real time, in place of the playback thread.
struct SimulatedOutput {
    buffer: Arc<JitterBuffer>,
    target: Duration,
    stats: Arc<Mutex<SimulatedStats>>,
}

impl SimulatedOutput {
    async fn run(self, began: Instant) {
        let mut underrun_since = None;
        loop {
            while !self.buffer.is_ready() {
                sleep(POLL).await;
            }
            let now = Instant::now();
            self.update(|stats| {
                stats.first_audio.get_or_insert(now - began);
                stats.underrun_time += underrun_since.map_or(Duration::ZERO, |since| now - since);
            });
            let ended = self.play(now).await;
            if ended {
                return self.update(|stats| stats.ended = true);
            }
            self.update(|stats| stats.underruns += 1);
            underrun_since = Some(Instant::now());
        }
    }

    /// Takes packets at their playback time until the buffer is empty. Returns true at the end of the track.
    ///
    /// Wakes when the level falls to the target and when the buffer would be empty, and then takes the packets that are due.
    async fn play(&self, mut now: Instant) -> bool {
        // Instant at which the packets taken so far end.
        let mut taken_to = now;
        loop {
            while taken_to <= now {
                match self.buffer.take_timed(Duration::ZERO) {
                    Some((Entry::TrackEnd, _)) => return true,
                    Some((_, length)) => {
                        taken_to += length;
                        self.update(|stats| stats.played += length);
                    }
                    None => return false,
                }
            }
            let level = self.buffer.level();
            let until_target = level.checked_sub(self.target).filter(|until| !until.is_zero());
            sleep_until(taken_to + until_target.unwrap_or(level)).await;
            now = Instant::now();
        }
    }

    fn update(&self, change: impl FnOnce(&mut SimulatedStats)) {
        change(&mut self.stats.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use media_protocol::{ChunkIndex, FrameIndex, session::client::PlayId};

    use super::*;
    use crate::client::test_support;

    const SECOND: Duration = Duration::from_secs(1);

    fn put(buffer: &JitterBuffer, packets: usize) {
        for _ in 0..packets {
            buffer.push(Entry::Packet(Bytes::from_static(&[0; 100]))).unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_lasts_as_long_as_it_would_sound() {
        let buffer = Arc::new(JitterBuffer::new(SECOND, SECOND / 5, usize::MAX));
        let stats = Arc::<Mutex<SimulatedStats>>::default();
        let clock =
            SimulatedOutput { buffer: Arc::clone(&buffer), target: SECOND, stats: Arc::clone(&stats) };
        let clock = tokio::spawn(clock.run(Instant::now()));
        let info = Arc::new(test_support::info(48_000, 2, 48_000 * 10));
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
        buffer.has_room.notified().await;
        let until_target = began.elapsed();
        assert!((950..=1000).contains(&until_target.as_millis()), "{until_target:?}");
        sleep(SECOND / 2).await;
        put(&buffer, 25);
        sleep(SECOND / 2 * 3).await;
        // The buffer has been empty for half a second.
        let heard = stats.lock().unwrap().clone();
        assert_eq!((heard.underruns, heard.played.as_micros()), (1, 2_473_500));
        let first = heard.first_audio.unwrap();
        assert!((SECOND..SECOND + 2 * POLL).contains(&first), "{first:?}");
        put(&buffer, 10);
        buffer.push(Entry::TrackEnd).unwrap();
        clock.await.unwrap();
        let heard = stats.lock().unwrap().clone();
        assert!(heard.ended && heard.underruns == 1 && heard.failed.is_none(), "{heard:?}");
        assert!((450..=550).contains(&heard.underrun_time.as_millis()), "{heard:?}");
    }
}
