//! Plays a row once.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    music::Music,
    net::{Change, Relay},
    process::Process,
    rows::{Event, QUIET, RATE, Row},
    stage::{Heard, Listener, Node, Tune},
};

/// Number of times a playback starts and is stopped before it plays to the end.
const STARTS: usize = 4;
/// Frames that are played before such a stop.
const BEGINNING: u64 = 2 * RATE as u64;
/// Pause after such a stop, for bytes that are still in flight.
const REST: Duration = Duration::from_secs(2);
/// Timeout for a move to another path.
const STUCK: Duration = Duration::from_secs(10);

/// A recording, and the measurements beside it.
pub(crate) struct Played {
    pub(crate) heard: Heard,
    /// Time to the first frame of each start.
    pub(crate) first_audio: Vec<Duration>,
    /// Underruns during the starts that were stopped.
    pub(crate) underruns: u64,
    /// Longest silence of them.
    pub(crate) underrun_time: Duration,
    /// Time at which the network was back.
    pub(crate) whole: Option<Instant>,
    /// Time from a path's death to the use of the other path.
    pub(crate) moved: Option<Duration>,
}

/// Plays `row` for the `run`th time, on a warm connection.
pub(crate) async fn play(row: &Row, music: &Music, run: u32) -> Played {
    let mut serving = Serving::start(row, music).await;
    let address = serving.address();
    let seed = u64::from(run) * 2 + 11;
    let relays =
        [Relay::start(address, seed, row.link).await, Relay::start(address, seed + 1, row.link).await];
    let paths = relays.each_ref().map(|relay| relay.address);
    let paths = if matches!(row.event, Event::Dead) { &paths[..] } else { &paths[..1] };
    let node_link = serving.tune().node_link(paths).await;
    node_link.connection().await.unwrap();
    let (mut first_audio, mut underruns, mut underrun_time) = (Vec::new(), 0, Duration::ZERO);
    for _ in 1..STARTS {
        let mut start = Listener::start(serving.tune(), node_link.clone(), row.listen).await;
        start.until(BEGINNING).await;
        let progress = start.player.progress();
        first_audio.extend(progress.first_audio);
        underruns += progress.underruns;
        underrun_time = underrun_time.max(progress.underrun_time);
        start.leave().await;
        tokio::time::sleep(REST).await;
    }
    let mut listener = Listener::start(serving.tune(), node_link, row.listen).await;
    listener.until(1).await;
    let (whole, moved) = happen(row, run, &mut serving, &relays, &listener).await;
    let heard = listener.finish().await;
    first_audio.extend(heard.progress.first_audio);
    serving.stop().await;
    Played { heard, first_audio, underruns, underrun_time, whole, moved }
}

/// The node that serves the track.
enum Serving {
    Here(Node),
    Process(Process),
}

impl Serving {
    async fn start(row: &Row, music: &Music) -> Self {
        match row.event {
            Event::Killed(_) => Self::Process(Process::start(music.file()).await),
            _ => Self::Here(music.node().await),
        }
    }

    fn tune(&self) -> &Tune {
        match self {
            Self::Here(node) => &node.tune,
            Self::Process(process) => &process.tune,
        }
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::Here(node) => node.address(),
            Self::Process(process) => process.address(),
        }
    }

    async fn stop(self) {
        if let Self::Here(node) = self {
            node.stop().await;
        }
    }
}

/// Runs the row's event. Returns the time of the network's return, and the duration of a move to another
/// path.
async fn happen(
    row: &Row,
    run: u32,
    serving: &mut Serving,
    relays: &[Relay; 2],
    listener: &Listener,
) -> (Option<Instant>, Option<Duration>) {
    let (began, moment) = (Instant::now(), Row::moment(run));
    match (&row.event, serving) {
        (Event::Changes(changes), _) => {
            let changes: Vec<_> = changes.iter().map(|(at, change)| (moment + *at, *change)).collect();
            relays[0].play(&changes);
            (changes.last().map(|(at, _)| began + *at), None)
        }
        (Event::Dead, _) => {
            tokio::time::sleep(moment).await;
            let used = listener.node_link.path().remote;
            let dead = relays.iter().find(|relay| relay.address.to_string() == used).unwrap();
            dead.change(QUIET);
            let died = Instant::now();
            while listener.node_link.path().remote == used && died.elapsed() < STUCK {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            (None, Some(died.elapsed()))
        }
        (Event::Killed(after), Serving::Process(process)) => {
            tokio::time::sleep(moment).await;
            process.kill();
            tokio::time::sleep(*after).await;
            process.again().await;
            relays[0].change(Change::Server(process.address()));
            (Some(Instant::now()), None)
        }
        (Event::Nothing | Event::Killed(_), _) => (None, None),
    }
}
