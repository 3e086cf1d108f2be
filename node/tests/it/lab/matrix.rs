//! The rows of the matrix as tests: on every network the played sound is the track, frame for frame. Rows run
//! in real time only if they choose a rate by it, or if the buffer level is tested.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    exact,
    music::Music,
    rows::{self, Event, LOUD, PCM, QUIET, RATE, Row},
    stage::{Heard, Listen, Listener, Node},
};
use crate::net::{Change, Link, Relay};

/// Length of the track: five chunks, the last one short.
const SECONDS: f64 = 13.0;
/// Time or frames after which the network changes: in the middle of a chunk.
const AT: Duration = Duration::from_millis(700);
const FRAMES: u64 = 4 * RATE as u64;
/// Longest duration of a change.
const BRIEF: Duration = Duration::from_secs(5);
/// Least silence that ends the connection: bytes in flight arrive within 1 s, the node is dialled 2 s later,
/// and the old connection is closed after 1 s more.
const LONG: Duration = BRIEF;
/// Rows that play at the same time.
const AT_ONCE: usize = 12;

/// The same without real time.
const fn fast(listen: Listen) -> Listen {
    Listen { realtime: false, ..listen }
}

/// A link on which the track takes 2 s, with a queue that BBR fills without loss.
fn wide(link: Link, listen: Listen) -> Link {
    match listen.codec {
        "pcm" => Link { queue: 256 << 10, ..link }.at(10_000_000),
        _ => link.at(700_000),
    }
}

struct Lab {
    node: Node,
    relays: Vec<Relay>,
    listener: Listener,
}

impl Lab {
    /// Starts a node, a number of relays, and a listener.
    async fn begin(music: &Music, listen: Listen, link: Link, relays: u64) -> Self {
        let node = music.node().await;
        let mut started = Vec::new();
        for seed in 0..relays {
            started.push(Relay::start(node.address(), seed, link).await);
        }
        let node_link =
            node.tune.node_link(&started.iter().map(|relay| relay.address).collect::<Vec<_>>()).await;
        if listen.codec == "auto" {
            // With a known path, `auto` starts with a lossless codec, which can be compared with the source.
            node_link.connection().await.unwrap();
        }
        let listener = Listener::start(&node.tune, node_link, listen).await;
        Self { node, relays: started, listener }
    }

    async fn finish(self) -> Heard {
        let heard = self.listener.finish().await;
        self.node.stop().await;
        heard
    }

    async fn happen(mut self, event: &Event) -> Self {
        match event {
            Event::Nothing => {}
            Event::Changes(changes) => {
                let brief: Vec<_> = changes.iter().map(|(at, change)| (BRIEF.min(*at), *change)).collect();
                self.relays[0].play(&brief);
            }
            Event::Dead => {
                let used = self.listener.node_link.path().remote;
                let dead = self.relays.iter().find(|relay| relay.address.to_string() == used).unwrap();
                dead.change(QUIET);
            }
            // The listener must not see the old node's goodbye, since a killed process sends none.
            Event::Killed(after) => {
                self.relays[0].change(QUIET);
                self.node = self.node.again().await;
                self.relays[0].change(Change::Server(self.node.address()));
                self.relays[0].play(&[(BRIEF.min(*after), LOUD)]);
            }
        }
        self
    }
}

async fn hear(music: &Music, link: Link, script: &[(Duration, Change)]) -> Heard {
    let lab = Lab::begin(music, fast(PCM), wide(link, PCM), 1).await;
    lab.relays[0].play(script);
    lab.finish().await
}

fn assert_exact(row: &str, listen: Listen, heard: &Heard, expected: &[f32]) {
    assert_eq!(exact::wrong(listen, heard, expected), None, "{row}, {}: {:?}", listen.codec, heard.messages);
    // Without real time there is no underrun, so nothing may be faded.
    assert!(listen.realtime || heard.progress.underruns == 0);
}

/// Returns whether the event ends the connection in the fast matrix.
fn costs_the_connection(event: &Event) -> bool {
    match event {
        Event::Dead | Event::Killed(_) => true,
        Event::Changes(changes) => changes.iter().any(|(at, change)| *change == LOUD && *at >= LONG),
        Event::Nothing => false,
    }
}

/// The fast version of a row: in real time only if a rate is chosen by it, and over a link that is not too
/// fast.
fn made_fast(row: Row) -> Row {
    let link = match row.link.rate {
        _ if row.listen.codec == "auto" => return row,
        Some(_) => rows::tight(row.link, row.listen),
        None => wide(row.link, row.listen),
    };
    Row { listen: fast(row.listen), link, ..row }
}

async fn assert_row(row: &Row, music: &Music, expected: &[f32]) {
    let relays = if matches!(row.event, Event::Dead) { 2 } else { 1 };
    let mut lab = Lab::begin(music, row.listen, row.link, relays).await;
    if !row.is_steady() {
        lab.listener.until(FRAMES).await;
        lab = lab.happen(&row.event).await;
    }
    let relays = std::mem::take(&mut lab.relays);
    let heard = lab.finish().await;
    assert_exact(row.name, row.listen, &heard, expected);
    if let Event::Changes(changes) = &row.event {
        assert_eq!(relays[0].tally().changes, changes.len(), "{}", row.name);
    }
    if row.listen.codec == "auto" {
        assert!(heard.counts.switches.iter().next().is_some(), "{}", row.name);
    }
    if costs_the_connection(&row.event) {
        assert!(heard.reconnects > 0, "{}: {:?}", row.name, heard.messages);
    }
}

/// Plays each row in its codec, and in PCM too, which is compared bit for bit. Rows run side by side, since
/// they mostly wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row() {
    let mut rows = rows::rows(SECONDS);
    let opus = rows.iter().filter(|row| row.listen.codec == "opus");
    let in_pcm: Vec<_> = opus.map(|row| Row { listen: PCM, ..row.clone() }).collect();
    rows.extend(in_pcm);
    rows.retain(|row| cfg!(feature = "opus") || row.listen.codec == "pcm");
    // Rows in real time take longest and start first.
    rows.sort_by_key(|row| row.listen.codec != "auto");
    let music = Arc::new(Music::new(SECONDS));
    let mut expected: Vec<(&str, Arc<Vec<f32>>)> = Vec::new();
    let (room, mut playing) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for row in rows.into_iter().map(made_fast) {
        let codec = row.listen.codec;
        if !expected.iter().any(|(of, _)| *of == codec) {
            expected.push((codec, Arc::new(music.expected(row.listen).await)));
        }
        let expected = Arc::clone(&expected.iter().find(|(of, _)| *of == codec).unwrap().1);
        let (music, room) = (Arc::clone(&music), Arc::clone(&room));
        playing.spawn(async move {
            let _room = room.acquire().await.unwrap();
            assert_row(&row, &music, &expected).await;
        });
    }
    playing.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jitter_duplicates_reordering_and_bursts() {
    let jitter = Duration::from_millis(20);
    let link = Link { jitter, duplicate: 0.01, reorder: 0.05, burst: (0.0005, 20), ..Link::of(50, 0.0) };
    let music = Music::new(SECONDS);
    let heard = hear(&music, link, &[]).await;
    assert_exact("all of them", fast(PCM), &heard, &music.expected(PCM).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_in_both_directions_and_in_one() {
    let music = Music::new(SECONDS);
    for silence in [QUIET, Change::Silence(true, false), Change::Silence(false, true)] {
        let script = [(AT, silence), (AT + Duration::from_secs(3), LOUD)];
        let heard = hear(&music, Link::of(50, 0.0), &script).await;
        assert_exact("silence", fast(PCM), &heard, &music.expected(PCM).await);
        assert!(heard.reconnects > 0, "{silence:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_client_address() {
    let music = Music::new(SECONDS);
    let heard = hear(&music, Link::of(50, 0.0), &[(AT, Change::Rebind), (2 * AT, Change::Rebind)]).await;
    assert_exact("two others", fast(PCM), &heard, &music.expected(PCM).await);
}

/// Opus at 48 kHz through all disturbances at once.
#[cfg(feature = "opus")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opus_keeps_its_length_and_its_likeness() {
    let (listen, music) = (fast(rows::OPUS), Music::new(SECONDS));
    let whole = Lab::begin(&music, listen, Link::default(), 1).await.finish().await;
    let link = Link { duplicate: 0.01, reorder: 0.05, burst: (0.001, 20), ..Link::of(100, 0.03) }.at(150_000);
    let lab = Lab::begin(&music, listen, link, 1).await;
    lab.relays[0].play(&[(AT, QUIET), (2 * AT, LOUD), (3 * AT, Change::Rebind)]);
    let heard = lab.finish().await;
    let frames = (SECONDS * 48_000.0) as usize;
    assert_eq!(heard.recording.samples.len(), 2 * frames);
    assert!(heard.recording.samples == whole.recording.samples, "the same as through a good network");
}

/// Runs in real time: the buffer level falls only as fast as the music plays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_long_silence_more_is_held() {
    let music = Music::new(SECONDS);
    let lab = Lab::begin(&music, PCM, wide(Link::of(50, 0.0), PCM), 1).await;
    lab.relays[0].play(&[(AT, QUIET), (8 * AT, LOUD)]);
    let heard = lab.finish().await;
    // An underrun is faded, so not all samples equal the track's.
    assert_eq!(heard.recording.samples.len(), music.expected(PCM).await.len());
    let targets = &heard.counts.targets;
    let first = targets.iter().next().unwrap_or_else(|| panic!("{:?}", heard.messages));
    assert_eq!((first.target, first.reason), (Duration::from_secs(6), "slow connection"));
    // With a target of 3 s the level stays below 6 s.
    assert!(heard.counts.peak_buffer > Duration::from_secs(6), "{:?}", heard.counts);
}
