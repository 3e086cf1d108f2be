//! Plays a row once.

use std::time::{Duration, Instant};

use crate::{
    music::Music,
    net::{Change, Relay},
    rows::{Event, LOUD, QUIET, RATE, Row},
    stage::{Heard, Listener, Node},
};

/// How often each playing begins before it is played to the end.
const STARTS: usize = 4;
/// What is played of those that are broken off, in frames.
const BEGINNING: u64 = 2 * RATE as u64;
/// For what is still on its way when a start is broken off.
const REST: Duration = Duration::from_secs(2);
/// A path that has not moved by then does not.
const STUCK: Duration = Duration::from_secs(10);

/// What was heard, and what was measured beside it.
pub(crate) struct Played {
    pub(crate) heard: Heard,
    /// To the first frame, each time that it was begun.
    pub(crate) first_audio: Vec<Duration>,
    /// Within the beginnings that were broken off.
    pub(crate) underruns: u64,
    /// And for how long at most in one of them.
    pub(crate) dry: Duration,
    /// When the network was whole again.
    pub(crate) whole: Option<Instant>,
    /// How long it took from a path's death to the use of the other.
    pub(crate) moved: Option<Duration>,
}

/// Plays `row` for the `run`th time, on a connection that is warm.
pub(crate) async fn play(row: &Row, music: &Music, run: u32) -> Played {
    let node = music.node().await;
    let seed = u64::from(run) * 2 + 11;
    let relays = [
        Relay::start(node.address(), seed, row.link).await,
        Relay::start(node.address(), seed + 1, row.link).await,
    ];
    let paths = relays.each_ref().map(|relay| relay.address);
    let dial = node.dial(if matches!(row.event, Event::Dead) { &paths } else { &paths[..1] }).await;
    dial.connection().await.unwrap();
    let (mut first_audio, mut underruns, mut dry) = (Vec::new(), 0, Duration::ZERO);
    for _ in 1..STARTS {
        let mut start = Listener::start(&node, dial.clone(), row.listen).await;
        start.until(BEGINNING).await;
        let progress = start.player.progress();
        first_audio.extend(progress.first_audio);
        underruns += progress.underruns;
        dry = dry.max(progress.underrun_time);
        start.leave().await;
        tokio::time::sleep(REST).await;
    }
    let mut listener = Listener::start(&node, dial, row.listen).await;
    listener.until(1).await;
    let (node, whole, moved) = happen(row, run, node, &relays, &listener).await;
    let heard = listener.finish().await;
    first_audio.extend(heard.progress.first_audio);
    node.stop().await;
    Played { heard, first_audio, underruns, dry, whole, moved }
}

/// The row's event: the node after it, when all is well again, and what a move to another path took.
async fn happen(
    row: &Row,
    run: u32,
    node: Node,
    relays: &[Relay; 2],
    listener: &Listener,
) -> (Node, Option<Instant>, Option<Duration>) {
    let (began, moment) = (Instant::now(), Row::moment(run));
    match &row.event {
        Event::Nothing => (node, None, None),
        Event::Changes(changes) => {
            let changes: Vec<_> = changes.iter().map(|(at, change)| (moment + *at, *change)).collect();
            relays[0].play(&changes);
            (node, changes.last().map(|(at, _)| began + *at), None)
        }
        Event::Dead => {
            tokio::time::sleep(moment).await;
            let used = listener.dial.path().remote;
            let dead = relays.iter().find(|relay| relay.address.to_string() == used).unwrap();
            dead.change(QUIET);
            let died = Instant::now();
            while listener.dial.path().remote == used && died.elapsed() < STUCK {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            (node, None, Some(died.elapsed()))
        }
        Event::Killed(after) => {
            tokio::time::sleep(moment).await;
            relays[0].change(QUIET);
            let node = node.again().await;
            tokio::time::sleep(*after).await;
            relays[0].change(Change::Server(node.address()));
            relays[0].change(LOUD);
            (node, Some(Instant::now()), None)
        }
    }
}
