//! One player: starts the session and the playback thread, and gives orders to both.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::{Duration, Instant},
};

use media_plugin_host::Registry;
use media_protocol::{
    Position, TrackId,
    session::client::{ClientConfig, ClientSession, NextPlay, PlayId},
};
use tokio::sync::{mpsc, watch};

use super::{
    buffer::{BufferInput, JitterBuffer, StartLevel, Supply, TargetLevel},
    event::{Event, PauseMode},
    fetch::{FetchSession, Inbox, NodeLink},
    orders::{FetchOrders, Jump, OrderSender, PlaybackOrders, order_channel},
    playback::{OutputChoice, OutputWriter, PlaybackThread, Progress, ThreadState},
    rate_choice::{self, CodecChoice, OfferBuilder},
    stats::Counts,
};

/// Configuration of a player.
pub struct Setup {
    /// Output to play on.
    pub output: OutputChoice,
    /// Codecs to request.
    pub codec: CodecChoice,
    /// Highest bitrate of a lossy codec, in bit/s.
    pub bitrate: u32,
    /// Target level of the jitter buffer: the next chunk is requested while the buffer holds less.
    pub target: Duration,
    /// Highest target level. The session raises the target up to it on a slow connection.
    pub max: Duration,
    /// Highest number of bytes in the jitter buffer, whatever their duration.
    pub max_bytes: usize,
    /// Lowest start level: sound starts when the buffer holds this much. The session raises it up to the target.
    pub start: Duration,
    /// Time for which an unreachable node is retried; zero means for ever.
    pub give_up: Duration,
    /// Effect of a pause.
    pub pause: PauseMode,
    /// Volume at the start, 0 to 1.
    pub volume: f32,
    /// Available codecs.
    pub registry: Arc<Registry>,
    /// Instant from which the time to first audio counts.
    pub began: Instant,
}

/// Capacity of the event queue. A full queue blocks the session and the playback thread until the owner reads it.
pub(super) const EVENTS: usize = 256;
/// Capacity of the queue of decoder failures. Playback waits after each failure until the session has handled it.
const DECODER_FAILURES: usize = 1;
/// Longest wait for the playback thread to close its output. A device may hang.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

fn session_config(target: Duration, give_up: Duration) -> ClientConfig {
    let give_up = if give_up.is_zero() { Duration::MAX } else { give_up };
    ClientConfig { target, give_up, ..ClientConfig::default() }
}

/// Plays tracks of one node. Dropping it stops the sound and the requests.
pub struct Player {
    session: watch::Sender<FetchOrders>,
    playback: OrderSender,
    thread: std::thread::JoinHandle<()>,
    buffer: Arc<JitterBuffer>,
    counts: Arc<Mutex<Counts>>,
    progress: Arc<Mutex<Progress>>,
    pause: PauseMode,
}

impl Player {
    /// Starts a player that plays nothing yet. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the playback thread cannot be started.
    pub fn start(setup: Setup, link: Arc<NodeLink>) -> std::io::Result<(Self, mpsc::Receiver<Event>)> {
        let (events, events_out) = mpsc::channel(EVENTS);
        let (session, session_orders) = watch::channel(FetchOrders::default());
        let (playback, playback_orders) = order_channel(PlaybackOrders::new(setup.volume));
        let (failures, decoder_failures) = mpsc::channel(DECODER_FAILURES);
        let buffer = Arc::new(JitterBuffer::new(setup.target, setup.start, setup.max_bytes));
        let counts = Arc::<Mutex<Counts>>::default();
        let progress = Arc::<Mutex<Progress>>::default();
        let supply = Arc::<Supply>::default();
        let formats = setup.output.formats.clone();
        let paced = Arc::new(AtomicBool::new(true));
        let thread = PlaybackThread {
            buffer: Arc::clone(&buffer),
            supply: Arc::clone(&supply),
            orders: playback_orders,
            events: events.clone(),
            failures,
            progress: Arc::clone(&progress),
            output: OutputWriter::new(setup.output, setup.volume, Arc::clone(&paced)),
            began: setup.began,
            registry: Arc::clone(&setup.registry),
            decoder: None,
            state: ThreadState::default(),
        };
        let thread = std::thread::Builder::new().name("playback".into()).spawn(move || thread.run())?;
        let (choice, throughput) = rate_choice::chooser(&setup.codec, Arc::clone(&paced));
        let offer = OfferBuilder {
            choice: setup.codec,
            bitrate: setup.bitrate,
            registry: setup.registry,
            formats,
            throughput,
        };
        let machine = ClientSession::new(session_config(setup.target, setup.give_up), choice);
        let input = BufferInput {
            buffer: Arc::clone(&buffer),
            target: TargetLevel::new(setup.target, setup.max),
            start: StartLevel::new(setup.start, setup.target),
            supply,
            paced,
        };
        let inbox = Inbox { orders: session_orders, decoder_failures };
        FetchSession::spawn(machine, link, offer, input, Arc::clone(&counts), events, inbox);
        let player = Self { session, playback, thread, buffer, counts, progress, pause: setup.pause };
        Ok((player, events_out))
    }

    /// Plays a track from a position and drops all earlier audio. A seek is the same call.
    ///
    /// `play` names this play in all events about it. It must be greater than that of every earlier play.
    pub fn play(&self, play: PlayId, track: TrackId, at: Position) {
        self.session.send_modify(|orders| {
            orders.jump = Some(Jump { play, track, at });
            orders.follow = None;
        });
        self.playback.update(|orders| orders.jump = Some(play));
    }

    /// Plays a track after another, without a gap. `None` plays nothing after it.
    ///
    /// Does nothing unless `after` is the play that the session began to fetch last, or that failed last. So the owner's answer
    /// to an event may be late or repeated.
    pub fn follow(&self, after: PlayId, next: Option<NextPlay>) {
        self.session.send_modify(|orders| {
            orders.follow = Some((after, next));
            orders.follows += 1;
        });
    }

    /// Pauses or resumes. No request leaves while paused.
    pub fn pause(&self, paused: bool) {
        self.session.send_modify(|orders| orders.paused = paused);
        self.playback.update(|orders| match self.pause {
            PauseMode::Hold => orders.paused = paused,
            PauseMode::Drain => orders.expects_audio = !paused,
        });
    }

    /// Sets the volume, 0 to 1.
    pub fn volume(&self, volume: f32) {
        self.playback.update(|orders| orders.volume = volume);
    }

    /// Requests one [`Event::Drained`] once everything since the jump to this play is heard. A later jump cancels it.
    pub fn drain(&self, jump: PlayId) {
        self.playback.update(|orders| orders.drain = Some(jump));
    }

    /// State of the playback thread: track, position and counters.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone();
        progress.end_dry();
        progress
    }

    /// Counters of the session.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Counts { peak_buffer: self.buffer.peak(), ..counts }
    }

    /// Audio in the jitter buffer.
    #[must_use]
    pub fn level(&self) -> Duration {
        self.buffer.level()
    }

    /// Completes an output file when the player closes, although not everything was played: a person has stopped it.
    pub fn complete_file(&self) {
        self.playback.update(|orders| orders.completes_file = true);
    }

    /// Stops, and waits up to 2 s until the output is closed, so that an output file is complete.
    pub async fn close(self, events: mpsc::Receiver<Event>) {
        // A full event queue would block the thread for ever: nobody reads it from here on.
        drop((self.session, self.playback, events));
        let thread = self.thread;
        let closed = tokio::task::spawn_blocking(move || thread.join());
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, closed).await;
    }
}

#[cfg(test)]
mod tests {
    use media_plugin_sdk::DeviceInfo;
    use media_protocol::{CodecOffer, GetInfo};

    use super::*;
    use crate::client::{OnLost, OutputFormats, test_support::scripted_node::ScriptedNode};

    fn setup(formats: OutputFormats) -> Setup {
        let registry = crate::plugins::registry();
        Setup {
            output: OutputChoice {
                plugin: registry.output("null").unwrap(),
                target: String::new(),
                options: String::new(),
                on_lost: OnLost::Wait,
                formats,
            },
            codec: CodecChoice::Only(vec!["pcm".into()]),
            bitrate: 96_000,
            target: Duration::from_secs(3),
            max: Duration::from_secs(3),
            max_bytes: 1 << 20,
            start: Duration::from_millis(200),
            give_up: Duration::ZERO,
            pause: PauseMode::Hold,
            volume: 1.0,
            registry,
            began: Instant::now(),
        }
    }

    #[tokio::test]
    async fn a_request_for_a_track_carries_the_formats_of_the_output() {
        let device = DeviceInfo {
            id: "dac".into(),
            name: "DAC".into(),
            default: true,
            rates: vec![48_000],
            channels: vec![1, 2],
        };
        for (devices, rates, channels) in
            [(vec![device], vec![48_000], Some(2)), (Vec::new(), Vec::new(), None)]
        {
            let node = ScriptedNode::new(&[]);
            let (player, events) =
                Player::start(setup(OutputFormats::of(&devices, "", "")), node.link()).unwrap();
            player.play(PlayId(0), "0123456789abcdef".parse().unwrap(), Position::START);
            let sent: GetInfo = serde_json::from_str(&node.first_request().await.1).unwrap();
            assert_eq!((sent.output.rates, sent.output.channels), (rates, channels));
            assert_eq!(sent.codecs, [CodecOffer { id: "pcm".into(), bitrate: None }]);
            player.close(events).await;
        }
    }

    #[test]
    fn a_session_gives_up_when_the_configuration_says() {
        let target = Duration::from_millis(1);
        let second = Duration::from_secs(1);
        let config = session_config(target, 7 * second);
        assert_eq!((config.give_up, config.target), (7 * second, target));
        assert_eq!(session_config(target, Duration::ZERO).give_up, Duration::MAX);
    }
}
